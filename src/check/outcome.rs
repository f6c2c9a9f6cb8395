//! What a check found out: all that a report needs, and nothing of how it was found.
//!
//! Names and files come from the target. They are made visible (no controls, no marks of direction)
//! before they enter here; what a format asks for beyond that is the affair of each report.

use std::path::PathBuf;

/// The answer to the whole check, or to one rule.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    Passed,
    /// The samples leave open on which side of its limit a figure is.
    Inconclusive,
    Failed,
}

/// What a figure is measured in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unit {
    /// Of the whole run, in percent.
    Percent,
    /// A run.
    Seconds,
    /// A unit of the workload's work.
    SecondsPerUnit,
    /// Percent of what it was before.
    PercentChange,
    /// Points of a share in percent.
    Points,
    /// How often something was seen.
    Samples,
}

/// A figure with the interval in which it is, at the check's confidence.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Estimate {
    pub value: f64,
    pub low: f64,
    /// Infinite where the samples give no bound.
    pub high: f64,
    pub unit: Unit,
}

/// A function in its file.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Place {
    pub function: String,
    /// From the outermost package on, for readers.
    pub file: String,
    /// Below the repository, or else the directory that the workload ran in, with `/`; `None` where it
    /// lies elsewhere. What annotations point at.
    pub path: Option<String>,
    /// 0 where there is none.
    pub line: u32,
}

/// One rule, and what came of it.
#[derive(Clone, PartialEq, Debug)]
pub struct Finding {
    /// As the user wrote it.
    pub rule: String,
    /// What the user calls it, if anything.
    pub name: Option<String>,
    /// Why the rule is there, in the words of the user.
    pub reason: Option<String>,
    pub verdict: Verdict,
    /// One sentence: what was found, beside what was allowed.
    pub message: String,
    pub before: Option<Estimate>,
    pub after: Option<Estimate>,
    pub change: Option<Estimate>,
    /// The figure of each run, in the unit of `before` and `after`; where both versions were run in
    /// turn, those of one repeat have the same position.
    pub values: Vec<f64>,
    pub values_before: Vec<f64>,
    /// What is to blame, or what the rule is about: where a reader should look.
    pub place: Option<Place>,
    /// How the program comes to that place, outermost first: the view or task, then functions of the
    /// program's own.
    pub way: Vec<Place>,
    /// What else a reader should know, a sentence each: "only shares moved", "12 more repeats would
    /// decide".
    pub notes: Vec<String>,
}

/// What was recorded, and how.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Setting {
    /// The program and its subcommand, visible.
    pub program: String,
    /// Its version, such as `3.11.7`.
    pub python: String,
    /// As `--mode` takes it.
    pub mode: String,
    /// Looks a second that were asked for.
    pub rate: u32,
    /// Recordings of the version that is judged, and of the one before.
    pub runs: usize,
    pub runs_before: usize,
    /// Counted in all of these.
    pub samples: u64,
    /// How sure the intervals are together, in percent, such as 98.
    pub confidence: f64,
    /// What the figures are compared with: `baseline.toml`, `../main`; `None` where they stand alone.
    pub against: Option<String>,
    /// The file that the rules are written in, if any, below the directory that the workload ran in:
    /// what is shown at a file and has none of its own is shown there.
    pub rules: Option<String>,
    /// All recordings together.
    pub seconds: f64,
}

/// Where flamegraphs were written.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Flamegraphs {
    pub before: Option<PathBuf>,
    pub after: Option<PathBuf>,
    pub difference: Option<PathBuf>,
}

/// All of a check.
#[derive(Clone, PartialEq, Debug)]
pub struct Outcome {
    /// `Failed` if a rule failed, else `Inconclusive` if one is that.
    pub verdict: Verdict,
    /// One a rule, in the order of the rules.
    pub findings: Vec<Finding>,
    pub setting: Setting,
    pub flamegraphs: Flamegraphs,
    /// What concerns no rule alone, a sentence each.
    pub notes: Vec<String>,
}

impl Outcome {
    /// Puts the findings together.
    #[must_use]
    pub fn of(findings: Vec<Finding>, setting: Setting) -> Outcome {
        let any = |verdict| findings.iter().any(|finding| finding.verdict == verdict);
        let verdict = if any(Verdict::Failed) {
            Verdict::Failed
        } else if any(Verdict::Inconclusive) {
            Verdict::Inconclusive
        } else {
            Verdict::Passed
        };
        Outcome {
            verdict,
            findings,
            setting,
            flamegraphs: Flamegraphs::default(),
            notes: Vec::new(),
        }
    }
}
