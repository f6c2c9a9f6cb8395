//! Tells a look that is merely late from one that follows a gap, in which the sampler did not run.

use crate::model::Nanos;

/// Time between two looks is a gap if it is more than this many times the usual one.
const MANY: u64 = 10;

/// No shorter time is a gap: on a busy machine, a thread may have to wait that long for a CPU.
const SHORTEST: Nanos = Nanos(100_000_000);

/// Each look moves the usual time by this fraction (one part in 16) of its difference from it.
const LEARNED: u64 = 16;

/// The usual time between two looks, which is what a look after a gap stands for.
///
/// A sampler that is slow, because looks take long or the machine is busy, is slow at every look; then
/// each look stands for all the time since the one before. If the sampler did not run for long (it was
/// stopped, or the machine was), what the process did meanwhile is not known. The next look does not
/// stand for that time, which is a gap.
#[derive(Debug)]
pub(super) struct Pace {
    usual: Nanos,
}

impl Pace {
    pub fn new(period: Nanos) -> Pace {
        Pace { usual: period }
    }

    /// How much of the time since the look before is a gap.
    pub fn gap(&mut self, since: Nanos) -> Nanos {
        let most = Nanos(self.usual.0.saturating_mul(MANY)).max(SHORTEST);
        if since <= most {
            let (usual, new) = (self.usual.0, since.0);
            self.usual = Nanos(usual - usual / LEARNED + new / LEARNED);
            return Nanos::ZERO;
        }
        let gap = since.saturating_sub(self.usual);
        // If looks stay this far apart, that is soon the usual time.
        self.usual = Nanos(self.usual.0.saturating_mul(2));
        gap
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLI: u64 = 1_000_000;

    #[test]
    fn a_long_stop_is_a_gap_and_the_look_after_it_stands_for_the_usual_time() {
        let mut pace = Pace::new(Nanos(10 * MILLI));
        for _ in 0..100 {
            assert_eq!(pace.gap(Nanos(12 * MILLI)), Nanos::ZERO);
        }
        let gap = pace.gap(Nanos(3000 * MILLI));
        assert!((2985 * MILLI..=2990 * MILLI).contains(&gap.0), "{gap:?}");
        assert_eq!(pace.gap(Nanos(10 * MILLI)), Nanos::ZERO);
    }

    #[test]
    fn a_sampler_that_is_slow_at_every_look_soon_has_no_gaps() {
        let mut pace = Pace::new(Nanos(MILLI));
        let gaps = (0..100).map(|_| pace.gap(Nanos(300 * MILLI)));
        let gaps: Vec<_> = gaps.filter(|gap| *gap > Nanos::ZERO).collect();
        assert!(gaps.len() <= 6, "{gaps:?}");
        let mut late = Pace::new(Nanos(MILLI));
        assert!((0..100).all(|_| late.gap(Nanos(80 * MILLI)) == Nanos::ZERO));
    }
}
