//! Whether the recordings show what the rules are about, and whether both versions did the same work.

use super::{Evidence, EvidenceError};
use crate::check::matcher::Shown;
use crate::check::names;
use crate::check::rule::Demand;
use crate::profile::Profile;

/// A run with less than this fraction of the samples or CPU time of the other version's run did something
/// else.
const FAR_BELOW: f64 = 0.25;

impl Evidence {
    /// Checks the names in the rules: each rule with a limit must be about something that a sample of
    /// either version, or the baseline, shows.
    ///
    /// # Errors
    /// For each rule that is not, the names that are spelt alike. Rules with `never` or `always` are
    /// exempt: for them, not being seen is an answer.
    pub fn check_names(&self) -> Result<(), EvidenceError> {
        let mut all = Vec::new();
        for (index, rule) in self.rules.iter().enumerate() {
            let known = self
                .baseline
                .as_ref()
                .and_then(|(_, known)| known.get(index)?.as_ref());
            if rule.limit().is_none() || known.is_some_and(|known| known.share.mean > 0.0) {
                continue;
            }
            all.extend(names::unseen(rule, self.shown(index), &self.profiles()));
        }
        match all.is_empty() {
            true => Ok(()),
            false => Err(EvidenceError::Unseen(all)),
        }
    }

    fn shown(&self, index: usize) -> Shown {
        let runs = self.after.runs.iter().chain(&self.before.runs);
        let shown = runs.filter_map(|run| run.shown.get(index));
        let none = Shown {
            item: false,
            within: false,
        };
        shown.fold(none, |all, shown| all.or(*shown))
    }

    fn profiles(&self) -> Vec<&Profile> {
        let both = [&self.after, &self.before].into_iter();
        both.filter_map(|it| it.together.as_ref()).collect()
    }

    /// What readers should know of the recordings before they trust the verdicts.
    #[must_use]
    pub fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        for rule in &self.rules {
            let is_never = matches!(rule.demand, Demand::Never);
            if is_never && !names::is_met(rule, &self.profiles()) {
                notes.push(format!(
                    "the rule '{}' is about what is in no code that was seen: a name that is misspelt would look \
                     the same",
                    rule.text
                ));
            }
        }
        if self.before.runs.is_empty() || self.after.runs.is_empty() {
            return notes;
        }
        let (before, after) = (self.before.of_a_run(), self.after.of_a_run());
        for (what, before, after) in [
            ("has so few samples", before.0, after.0),
            ("takes so little CPU time", before.1, after.1),
        ] {
            let (less, more, version) = match after < before {
                true => (after, before, "after"),
                false => (before, after, "before"),
            };
            if less < more * FAR_BELOW {
                notes.push(format!(
                    "a run of the version {version} {what} beside the other ({:.1} %) that it may not have done \
                     its work",
                    100.0 * less / more
                ));
            }
        }
        notes
    }
}
