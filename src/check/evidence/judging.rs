//! Judges the recordings, and withdraws a verdict if too much was not seen.

use super::{Evidence, Version};
use crate::check::compare::Before;
use crate::check::judge::{self, Judgement, Lack};
use crate::check::outcome::Verdict;
use crate::check::rule::{Limit, Rule};

/// A single recording is cut into this many pieces, to estimate the variance of its own figures.
const PIECES: usize = 12;

/// The largest part, from 0 to 1, that may be unseen where a verdict is given.
const MOST_UNSEEN: f64 = 0.05;

impl Evidence {
    /// Judges what has been recorded; `error` is the probability of an error on either side.
    #[must_use]
    pub fn judge(&self, error: f64) -> Vec<Judgement> {
        // A single recording is cut into pieces, whose differences give its intervals.
        let (after, before) = match self.in_turn {
            true => (None, None),
            false => {
                let pieces = |version| self.of(version).pieces(&self.rules, PIECES);
                (pieces(Version::After), pieces(Version::Before))
            }
        };
        let runs = after.as_deref().unwrap_or(&self.after.runs);
        let before = before.as_deref().unwrap_or(&self.before.runs);
        let before = match &self.baseline {
            Some((_, known)) => Before::Known(known),
            None if before.is_empty() => Before::Nothing,
            None if self.in_turn => Before::InTurn(before),
            None => Before::Apart(before),
        };
        let mut judgements = judge::judge(&self.rules, runs, before, error);
        let failed = self.after.failed().max(self.before.failed());
        for (rule, judgement) in self.rules.iter().zip(&mut judgements) {
            if failed > MOST_UNSEEN {
                judgement.doubt(rule.demand, percent(failed));
            }
            let hidden = self.seconds_hidden_from(rule);
            if hidden > MOST_UNSEEN && judgement.verdict == Verdict::Passed {
                judgement.doubt(rule.demand, percent(hidden));
            }
        }
        if after.is_some() {
            for judgement in &mut judgements {
                if let Some(Lack::Runs(pieces)) = judgement.lacks {
                    judgement.lacks = Some(Lack::Longer(pieces.div_ceil(PIECES)));
                }
            }
        }
        judgements
    }

    /// The part of the rule's seconds, from 0 to 1, that was not seen because the sampler itself did not
    /// get a CPU. Any function may have run in that time, so shares are not affected.
    fn seconds_hidden_from(&self, rule: &Rule) -> f64 {
        let now = self.after.ticks.gap_share();
        match rule.limit() {
            Some(Limit::Seconds { .. }) => now,
            // If both versions miss equally much, the difference is right.
            Some(Limit::Growth { .. } | Limit::MoreSeconds { .. }) => {
                now - self.before.ticks.gap_share()
            }
            Some(Limit::Share(_) | Limit::MoreShare(_)) | None => 0.0,
        }
    }
}

fn percent(part: f64) -> u32 {
    (100.0 * part).round() as u32
}
