//! The recordings of one version.

use crate::check::compare;
use crate::check::conditions::Conditions;
use crate::check::culprit::Recorded;
use crate::check::functions::Functions;
use crate::check::rule::{Clock, Rule};
use crate::check::run::Run;
use crate::model::Ticks;
use crate::profile::Profile;

/// All recordings of one version.
#[derive(Debug, Default)]
pub struct Recordings {
    pub runs: Vec<Run>,
    /// All recordings merged. If there is only one, it is kept unchanged.
    pub together: Option<Profile>,
    pub functions: Functions,
    pub conditions: Option<Conditions>,
    /// The tick counts of all recordings together.
    pub ticks: Ticks,
}

impl Recordings {
    /// Adds a recording that was made under the conditions of the others.
    pub fn add(
        &mut self,
        profile: Profile,
        conditions: Conditions,
        rules: &[Rule],
        units: Option<f64>,
    ) {
        self.conditions.get_or_insert(conditions);
        self.runs.push(Run::of(&profile, rules, units));
        self.functions.add(&profile);
        self.ticks += profile.recording.ticks;
        match &mut self.together {
            Some(together) => together.absorb_repeat(&profile),
            None => self.together = Some(profile),
        }
    }

    /// The fraction of ticks that failed, from 0 to 1.
    pub fn failed(&self) -> f64 {
        self.ticks.lost as f64 / self.ticks.expected.max(1) as f64
    }

    /// Mean samples and seconds per run.
    pub fn of_a_run(&self) -> (f64, f64) {
        let runs = self.runs.len().max(1) as f64;
        let samples: u64 = self.runs.iter().map(|run| run.all.samples).sum();
        let seconds: f64 = self.runs.iter().map(|run| run.whole.cpu).sum();
        (samples as f64 / runs, seconds / runs)
    }

    pub fn recorded(&self, clock: Clock) -> Option<Recorded<'_>> {
        Some(Recorded {
            profile: self.together.as_ref()?,
            // What slows a whole run slows each of its functions alike.
            scale: compare::undisturbed_part(&self.runs, clock) / self.runs.len() as f64,
        })
    }

    /// A single recording, cut into this many pieces; `None` if there are several or its order in time is
    /// not known.
    pub fn pieces(&self, rules: &[Rule], count: usize) -> Option<Vec<Run>> {
        let [run] = &self.runs[..] else {
            return None;
        };
        let together = self.together.as_ref()?;
        Run::pieces(together, rules, run.units, count)
    }
}
