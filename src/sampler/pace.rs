//! Tells a look that is late from one before which nobody looked for long.

use crate::model::Nanos;

/// So many times the usual distance of two looks is a gap.
const MANY: u64 = 10;

/// No shorter time is a gap: a busy machine lets who wants to run wait so long.
const SHORTEST: Nanos = Nanos(100_000_000);

/// Of the difference to the usual distance so much is learned from each look: one part in this.
const LEARNED: u64 = 16;

/// How far two looks usually are apart: what the next one may stand for.
///
/// A sampler that is slow, since looks take long or the machine is busy, is so at every look, and each
/// look stands for the time since the one before. Where it did not come to run for long (it was
/// stopped, or the machine was), what the process did meanwhile is not known, and is not the next
/// look's to tell.
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
        // If that is how it goes on, it is soon the usual distance.
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
    fn who_is_slow_at_every_look_has_no_gaps() {
        let mut pace = Pace::new(Nanos(MILLI));
        let gaps = (0..100).map(|_| pace.gap(Nanos(300 * MILLI)));
        let gaps: Vec<_> = gaps.filter(|gap| *gap > Nanos::ZERO).collect();
        assert!(gaps.len() <= 6, "{gaps:?}");
        let mut late = Pace::new(Nanos(MILLI));
        assert!((0..100).all(|_| late.gap(Nanos(80 * MILLI)) == Nanos::ZERO));
    }
}
