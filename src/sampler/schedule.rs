//! When ticks fall due.

use crate::model::Nanos;

/// Deadlines at a mean distance of one period, each gap jittered.
///
/// A program that does something every 10 ms must not be looked at every 10 ms: it would be caught
/// at the same place each time. So each gap is drawn between half a period and one and a half periods;
/// if the period is very short, from a narrower range that leaves time for a look within each gap.
///
/// Gaps drawn in this way add up to a random walk, which makes every phase of such a program equally
/// likely, but lets the rate be a little off. So each tick is pulled towards the even grid by a fiftieth
/// of its distance from it. That keeps the walk within a few periods of the grid for ever, yet more than
/// a period wide, so that no phase is preferred.
#[derive(Debug)]
pub struct Schedule {
    period: f64,
    /// How much shorter or longer than a period a gap may be, as a share of the period.
    spread: f64,
    /// The next deadline.
    next: f64,
    /// Where the next deadline would be without jitter.
    grid: f64,
    random: SplitMix64,
}

/// How much of the distance from the even grid is taken back at each tick.
const PULL: f64 = 0.02;

/// A little more than a look takes, in nanoseconds.
const LEAST_GAP: f64 = 40_000.0;

impl Schedule {
    /// Deadlines from `start` on. `seed` need not be secret, only different from run to run.
    #[must_use]
    pub fn new(period: Nanos, start: Nanos, seed: u64) -> Schedule {
        let period = (period.0 as f64).max(1.0);
        Schedule {
            period,
            spread: ((period - LEAST_GAP) / period).clamp(0.1, 0.5),
            next: start.0 as f64,
            grid: start.0 as f64 + period * 0.5,
            random: SplitMix64(seed),
        }
    }

    /// The deadline that is due next.
    #[must_use]
    pub fn next(&self) -> Nanos {
        Nanos(self.next as u64)
    }

    /// Moves on to the first deadline after `now`, and returns how many deadlines were skipped: ticks
    /// that were missed. They are never made up for: a burst would count one instant many times.
    pub fn advance(&mut self, now: Nanos) -> u64 {
        self.step();
        let now = now.0 as f64;
        let mut missed = 0;
        // After a long stop (a suspended machine) all but the last few are skipped at once.
        let behind = (now - self.next) / self.period;
        if behind > 1000.0 {
            let skipped = behind.floor() - 10.0;
            self.next += skipped * self.period;
            self.grid += skipped * self.period;
            missed += skipped as u64;
        }
        while self.next <= now {
            self.step();
            missed += 1;
        }
        missed
    }

    fn step(&mut self) {
        let pull = PULL * (self.grid - self.next);
        let shortest = self.period * (1.0 - self.spread);
        let gap = shortest + 2.0 * self.spread * self.period * self.random.unit() + pull;
        self.next += gap.max(0.5 * shortest);
        self.grid += self.period;
    }
}

/// Sebastiano Vigna's generator: small, and far better than jitter needs.
#[derive(Debug)]
struct SplitMix64(u64);

impl SplitMix64 {
    /// A number evenly distributed between 0 and 1.
    fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        (z >> 11) as f64 / (1u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Schedule;
    use crate::model::Nanos;

    const PERIOD: Nanos = Nanos(10_000_000);

    fn deadlines(seed: u64, count: usize) -> Vec<u64> {
        let mut schedule = Schedule::new(PERIOD, Nanos::ZERO, seed);
        (0..count)
            .map(|_| {
                let due = schedule.next();
                assert_eq!(schedule.advance(due), 0);
                due.0
            })
            .collect()
    }

    proptest! {
        #[test]
        fn the_rate_is_kept_whatever_is_drawn(seed: u64) {
            let last = *deadlines(seed, 10_000).last().unwrap();
            let drift = last as f64 / PERIOD.0 as f64 - 10_000.0;
            prop_assert!(drift.abs() < 10.0, "{drift} periods off");
        }

        #[test]
        fn gaps_stay_near_one_period(seed: u64) {
            for pair in deadlines(seed, 2000).windows(2) {
                let gap = (pair[1] - pair[0]) as f64 / PERIOD.0 as f64;
                prop_assert!((0.25..1.8).contains(&gap), "{gap}");
            }
        }

        #[test]
        fn what_is_missed_and_what_is_due_add_up(seed: u64, late in 0u64..100_000) {
            let mut schedule = Schedule::new(PERIOD, Nanos::ZERO, seed);
            let now = Nanos(late * PERIOD.0);
            let taken_or_missed = 1 + schedule.advance(now);
            prop_assert!(schedule.next() > now);
            prop_assert!((taken_or_missed as f64 - late as f64).abs() < 12.0);
        }
    }

    #[test]
    fn every_phase_of_a_periodic_program_is_seen_equally_often() {
        let mut phases = [0u32; 10];
        let deadlines = deadlines(7, 100_000);
        for due in &deadlines[100..] {
            phases[(due % PERIOD.0 * 10 / PERIOD.0) as usize] += 1;
        }
        for count in phases {
            assert!((9_500..10_500).contains(&count), "{phases:?}");
        }
    }
}
