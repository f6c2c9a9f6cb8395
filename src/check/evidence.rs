//! What has been recorded for a check so far, of the version that is judged and of the one before.

use super::baseline::{Baseline, BaselineError};
use super::conditions::Conditions;
use super::culprit::{self, Culprit, Recorded, Source};
use super::finding;
use super::functions::Functions;
use super::judge::{self, Before, Judgement, Known, Lack};
use super::outcome::{Finding, Verdict};
use super::rule::{Clock, Rule, Selector};
use super::select::Run;
use crate::profile::Profile;

/// Pieces that a single recording is cut into, to tell how well it knows its own figures.
const PIECES: usize = 12;

/// The version that a recording is of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Version {
    Before,
    Now,
}

/// All recordings of one version.
#[derive(Debug, Default)]
struct Recordings {
    runs: Vec<Run>,
    /// All of them together; the first as it is.
    together: Option<Profile>,
    functions: Functions,
    conditions: Option<Conditions>,
}

impl Recordings {
    fn recorded(&self, clock: Clock) -> Option<Recorded<'_>> {
        Some(Recorded {
            profile: self.together.as_ref()?,
            // What slows a whole run slows each of its functions.
            scale: judge::undisturbed_part(&self.runs, clock) / self.runs.len() as f64,
        })
    }
}

/// Recordings, and the rules that they are judged by.
#[derive(Debug)]
pub struct Evidence {
    rules: Vec<Rule>,
    now: Recordings,
    before: Recordings,
    /// Runs of the two versions were made in turn.
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
}

impl Evidence {
    /// Nothing yet. `in_turn`: whether each run of one version will have one of the other beside it.
    #[must_use]
    pub fn new(rules: Vec<Rule>, in_turn: bool) -> Evidence {
        Evidence {
            rules,
            now: Recordings::default(),
            before: Recordings::default(),
            in_turn,
            baseline: None,
        }
    }

    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Adds a recording; `units` is how much work was done in it, if that is counted.
    ///
    /// # Errors
    /// When it was made under other conditions than those before it.
    pub fn add(
        &mut self,
        version: Version,
        profile: Profile,
        conditions: Conditions,
        units: Option<f64>,
    ) -> Result<(), EvidenceError> {
        for other in [&self.now, &self.before] {
            if let Some(known) = &other.conditions {
                conditions.compare(known).map_err(EvidenceError::Differ)?;
            }
        }
        let recordings = match version {
            Version::Now => &mut self.now,
            Version::Before => &mut self.before,
        };
        recordings.conditions.get_or_insert(conditions);
        recordings.runs.push(Run::of(&profile, &self.rules, units));
        recordings.functions.add(&profile);
        match &mut recordings.together {
            Some(together) => together.absorb_repeat(&profile),
            None => recordings.together = Some(profile),
        }
        Ok(())
    }

    /// Compares with what was measured another time.
    ///
    /// # Errors
    /// When the baseline does not know what the rules need, or was measured under other conditions.
    pub fn set_baseline(&mut self, baseline: &Baseline) -> Result<(), EvidenceError> {
        if let Some(now) = &self.now.conditions {
            now.compare(&baseline.conditions)
                .map_err(EvidenceError::Differ)?;
            let known = baseline.known(&self.rules, now)?;
            self.baseline = Some((baseline.clone(), known));
        }
        Ok(())
    }

    /// What was measured, to be compared with another time.
    #[must_use]
    pub fn to_baseline(&self, program: String) -> Baseline {
        let conditions = self.now.conditions.clone().unwrap_or_default();
        let Recordings {
            runs, functions, ..
        } = &self.now;
        Baseline::of(program, conditions, &self.rules, runs, functions)
    }

    /// Recordings of a version.
    #[must_use]
    pub fn count(&self, version: Version) -> usize {
        self.of(version).runs.len()
    }

    /// All recordings of a version as one profile.
    #[must_use]
    pub fn together(&self, version: Version) -> Option<&Profile> {
        self.of(version).together.as_ref()
    }

    #[must_use]
    pub fn conditions(&self) -> Option<&Conditions> {
        self.now.conditions.as_ref()
    }

    /// Samples of both versions.
    #[must_use]
    pub fn samples(&self) -> u64 {
        let all = self.now.runs.iter().chain(&self.before.runs);
        all.map(|run| run.all.samples).sum()
    }

    /// Judges what there is; `error` is what may be wrong on either side.
    #[must_use]
    pub fn judge(&self, error: f64) -> Vec<Judgement> {
        // A recording alone is compared with itself.
        let (now, before) = match self.in_turn {
            true => (None, None),
            false => (self.pieces(Version::Now), self.pieces(Version::Before)),
        };
        let runs = now.as_deref().unwrap_or(&self.now.runs);
        let before = before.as_deref().unwrap_or(&self.before.runs);
        let before = match &self.baseline {
            Some((_, known)) => Before::Known(known),
            None if before.is_empty() => Before::Nothing,
            None if self.in_turn => Before::InTurn(before),
            None => Before::Apart(before),
        };
        let mut judgements = judge::judge(&self.rules, runs, before, error);
        if now.is_some() {
            for judgement in &mut judgements {
                if let Some(Lack::Runs(pieces)) = judgement.lacks {
                    judgement.lacks = Some(Lack::Longer(pieces.div_ceil(PIECES)));
                }
            }
        }
        judgements
    }

    fn pieces(&self, version: Version) -> Option<Vec<Run>> {
        let recordings = self.of(version);
        let [run] = &recordings.runs[..] else {
            return None;
        };
        let together = recordings.together.as_ref()?;
        Run::pieces(together, &self.rules, run.units, PIECES)
    }

    /// Tells what came of each rule, and where to look. `source` is where the program's
    /// own files are.
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

    /// Whether it is clear where each broken rule is broken, as far as that can become clear.
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
        let now = self.now.recorded(clock)?;
        let before = self.before.recorded(clock).filter(|_| grows);
        let mut what = rule.what.clone();
        if before.is_none() && what.item.is_none() {
            // Of the whole, everything is to blame, unless it is known what functions took before.
            let (baseline, _) = self.baseline.as_ref()?;
            let name = baseline.grown_most(&self.now.functions, self.now.runs.len())?;
            what = Selector::of_function(&name)?;
        }
        culprit::find(before, now, &what, clock, source)
    }

    fn of(&self, version: Version) -> &Recordings {
        match version {
            Version::Before => &self.before,
            Version::Now => &self.now,
        }
    }
}
