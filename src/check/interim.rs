//! When to analyse what has been recorded so far, and how much error each analysis may make.
//!
//! Analysing after every run and stopping at the first alarm would raise many false ones. Interim
//! analyses are therefore few and planned. The error that is allowed to the whole check is spent on them
//! in proportion to the runs since the last one (Lan and DeMets 1983). Their errors are added up as if
//! the analyses were independent. They are not, so the check as a whole errs less than it may, whatever
//! the noise is like.

/// The plan of one check.
#[derive(Clone, Debug)]
pub struct InterimAnalyses {
    most: usize,
    error: f64,
    next: usize,
    spent: usize,
}

/// Each analysis has half as many runs again as the one before.
const STEP: f64 = 1.5;

impl InterimAnalyses {
    /// A plan for at most `most` runs, the first analysis after `first` of them, with a probability of
    /// `error` to be wrong on either side.
    #[must_use]
    pub fn new(most: usize, first: usize, error: f64) -> InterimAnalyses {
        InterimAnalyses {
            most,
            error,
            next: first.min(most),
            spent: 0,
        }
    }

    /// The error that an analysis may make after this many runs; `None` if none is due. If `over`, there
    /// will be no more runs, and the last analysis may spend what is left.
    pub fn due(&mut self, runs: usize, over: bool) -> Option<f64> {
        if (runs < self.next && !over) || self.spent >= self.most {
            return None;
        }
        let until = if over { self.most } else { runs.min(self.most) };
        let error = self.error * (until - self.spent) as f64 / self.most as f64;
        self.spent = until;
        self.next = ((runs as f64 * STEP).ceil() as usize).min(self.most);
        // An analysis just before the end is merged with the one at the end.
        if (self.next as f64 * STEP.sqrt()) > self.most as f64 {
            self.next = self.most;
        }
        Some(error)
    }

    /// The number of runs after which the next analysis is due.
    #[must_use]
    pub fn next(&self) -> usize {
        self.next
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn analyses_are_few() {
        let mut interim = InterimAnalyses::new(30, 10, 0.01);
        let at: Vec<_> = (1..=30)
            .filter(|&runs| interim.due(runs, false).is_some())
            .collect();
        assert_eq!(at, [10, 15, 23, 30]);
    }

    proptest! {
        #[test]
        fn all_analyses_together_err_as_much_as_they_may(most in 1usize..200, first in 1usize..20, stop in 1usize..200) {
            let mut interim = InterimAnalyses::new(most, first, 0.01);
            let stop = stop.min(most);
            let spent: f64 = (1..=stop).filter_map(|runs| interim.due(runs, runs == stop)).sum();
            prop_assert!((spent - 0.01).abs() < 1e-9);
            prop_assert!(interim.due(stop + 1, true).is_none());
        }
    }
}
