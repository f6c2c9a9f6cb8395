//! Words the findings, and names the function that is to blame for each.

use super::Evidence;
use crate::check::culprit::{self, Culprit};
use crate::check::finding;
use crate::check::judge::Judgement;
use crate::check::outcome::{Finding, Verdict};
use crate::check::rule::{Clock, Rule, Selector};
use crate::check::source::Source;

impl Evidence {
    /// Words the result of each rule, with where to look. `source` tells where the program's own files
    /// are.
    #[must_use]
    pub fn findings(&self, judgements: &[Judgement], source: &Source) -> Vec<Finding> {
        let of = |(rule, judgement): (&Rule, &Judgement)| {
            let culprit = match judgement.verdict {
                Verdict::Passed => None,
                Verdict::Failed | Verdict::Inconclusive => self.culprit(rule, source),
            };
            finding::compose(rule, judgement, culprit)
        };
        self.rules.iter().zip(judgements).map(of).collect()
    }

    /// Whether the function to blame is clear for each failed rule, or cannot become clearer.
    #[must_use]
    pub fn knows_where(&self, judgements: &[Judgement], source: &Source) -> bool {
        let mut broken = self
            .rules
            .iter()
            .zip(judgements)
            .filter(|(_, judgement)| judgement.verdict == Verdict::Failed);
        broken.all(|(rule, _)| {
            let culprit = self.culprit(rule, source);
            culprit.is_none_or(|culprit| culprit.is_clear)
        })
    }

    fn culprit(&self, rule: &Rule, source: &Source) -> Option<Culprit> {
        let limit = rule.limit();
        let clock = limit
            .and_then(|limit| limit.amount())
            .map_or(Clock::Wall, |amount| amount.clock);
        let grows = limit.is_some_and(|limit| limit.needs_baseline());
        let after = self.after.recorded(clock)?;
        let before = self.before.recorded(clock).filter(|_| grows);
        let mut what = rule.what.clone();
        if before.is_none() && what.item.is_none() {
            // For the program as a whole there is no one to blame, unless the baseline has a figure for
            // each function.
            let (baseline, _) = self.baseline.as_ref()?;
            let name = baseline.grown_most(&self.after.functions, self.after.runs.len())?;
            what = Selector::of_function(&name)?;
        }
        culprit::find(before, after, &what, clock, source)
    }
}
