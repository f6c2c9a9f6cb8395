//! The recordings that a check has made so far, of the version that is judged and of the version before.

mod blame;
mod judging;
mod plausibility;
mod recordings;

use super::baseline::{Baseline, BaselineError};
use super::conditions::Conditions;
use super::measure::Known;
use super::names::Unseen;
use super::rule::Rule;
use crate::profile::Profile;
use recordings::Recordings;

/// Which version a recording is of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Version {
    Before,
    /// The version that is judged.
    After,
}

impl Version {
    /// The name to show to the user.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Version::Before => "before",
            Version::After => "after",
        }
    }
}

/// The recordings of both versions, and the rules to judge them by.
#[derive(Debug)]
pub struct Evidence {
    rules: Vec<Rule>,
    after: Recordings,
    before: Recordings,
    /// Whether the runs of the two versions were made in turn.
    in_turn: bool,
    baseline: Option<(Baseline, Vec<Option<Known>>)>,
}

/// Why recordings cannot be judged together.
#[derive(thiserror::Error, Debug)]
pub enum EvidenceError {
    #[error("{0}: such recordings cannot be compared")]
    Differ(String),
    #[error(transparent)]
    Baseline(#[from] BaselineError),
    /// A limit on something that no sample shows would pass whatever the program does.
    #[error("{}", sentences(.0))]
    Unseen(Vec<Unseen>),
}

fn sentences(unseen: &[Unseen]) -> String {
    let sentences: Vec<_> = unseen.iter().map(Unseen::to_string).collect();
    format!(
        "{}. Is it misspelt, or was there no time to see it? A rule with `never` may be about what is not there",
        sentences.join(". ")
    )
}

impl Evidence {
    /// `in_turn` tells whether each run of one version will be paired with a run of the other.
    #[must_use]
    pub fn new(rules: Vec<Rule>, in_turn: bool) -> Evidence {
        Evidence {
            rules,
            after: Recordings::default(),
            before: Recordings::default(),
            in_turn,
            baseline: None,
        }
    }

    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Adds a recording; `units` is the units of work that were done in it, if they are counted.
    ///
    /// # Errors
    /// When its conditions differ from those of earlier recordings.
    pub fn add(
        &mut self,
        version: Version,
        profile: Profile,
        conditions: Conditions,
        units: Option<f64>,
    ) -> Result<(), EvidenceError> {
        for (known_version, other) in [
            (Version::After, &self.after),
            (Version::Before, &self.before),
        ] {
            let Some(known) = &other.conditions else {
                continue;
            };
            // The message compares the version after with the version before, whichever was added first.
            let compared = match (version, known_version) {
                (Version::Before, Version::After) => known.compare(&conditions),
                _ => conditions.compare(known),
            };
            compared.map_err(EvidenceError::Differ)?;
        }
        let recordings = match version {
            Version::After => &mut self.after,
            Version::Before => &mut self.before,
        };
        recordings.add(profile, conditions, &self.rules, units);
        Ok(())
    }

    /// Compares with a baseline.
    ///
    /// # Errors
    /// When the baseline lacks a figure that a rule needs, or was measured under other conditions.
    pub fn set_baseline(&mut self, baseline: &Baseline) -> Result<(), EvidenceError> {
        if let Some(conditions) = &self.after.conditions {
            conditions
                .compare(&baseline.conditions)
                .map_err(EvidenceError::Differ)?;
            let known = baseline.known(&self.rules, conditions)?;
            self.baseline = Some((baseline.clone(), known));
        }
        Ok(())
    }

    /// The figures, to be compared with later.
    #[must_use]
    pub fn to_baseline(&self, program: String) -> Baseline {
        let conditions = self.after.conditions.clone().unwrap_or_default();
        let Recordings {
            runs, functions, ..
        } = &self.after;
        Baseline::of(program, conditions, &self.rules, runs, functions)
    }

    /// The number of recordings of a version.
    #[must_use]
    pub fn count(&self, version: Version) -> usize {
        self.of(version).runs.len()
    }

    /// All recordings of a version, merged.
    #[must_use]
    pub fn together(&self, version: Version) -> Option<&Profile> {
        self.of(version).together.as_ref()
    }

    #[must_use]
    pub fn conditions(&self) -> Option<&Conditions> {
        self.after.conditions.as_ref()
    }

    /// Samples of both versions together.
    #[must_use]
    pub fn samples(&self) -> u64 {
        let all = self.after.runs.iter().chain(&self.before.runs);
        all.map(|run| run.all.samples).sum()
    }

    fn of(&self, version: Version) -> &Recordings {
        match version {
            Version::Before => &self.before,
            Version::After => &self.after,
        }
    }
}

#[cfg(test)]
mod tests;
