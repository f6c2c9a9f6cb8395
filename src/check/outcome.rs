//! The result of a check: all that a report needs, and nothing of how it was found.
//!
//! Names and files come from the target. They are made visible (no control characters, no direction
//! marks) before they enter here. Each report escapes what its own format needs beyond that.

use std::path::PathBuf;

/// The verdict on the whole check, or on one rule.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    Passed,
    /// The samples do not tell on which side of its limit a figure is.
    Inconclusive,
    Failed,
}

/// The unit of a figure.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unit {
    /// Percent of the whole run.
    Percent,
    /// Seconds per run.
    Seconds,
    /// Seconds per unit of the workload's work.
    SecondsPerUnit,
    /// Percent of the figure before.
    PercentChange,
    /// Percentage points.
    Points,
    /// A number of samples.
    Samples,
}

/// A figure with its interval at the check's confidence.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Estimate {
    pub value: f64,
    pub low: f64,
    /// Infinite if the samples give no bound.
    pub high: f64,
    pub unit: Unit,
}

/// A function in its file.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Place {
    pub function: String,
    /// The path from the outermost package on, for readers.
    pub file: String,
    /// The path relative to the repository, or else to the directory that the workload ran in, with `/`;
    /// `None` if it lies elsewhere. Annotations use it.
    pub path: Option<String>,
    /// 0 if there is none.
    pub line: u32,
}

/// The result of one rule.
#[derive(Clone, PartialEq, Debug)]
pub struct Finding {
    /// As the user wrote it.
    pub rule: String,
    /// The name that the user gave the rule.
    pub name: Option<String>,
    /// Why the rule exists, in the words of the user.
    pub reason: Option<String>,
    pub verdict: Verdict,
    /// One sentence: what was found, and what is allowed.
    pub message: String,
    pub before: Option<Estimate>,
    pub after: Option<Estimate>,
    pub change: Option<Estimate>,
    /// The figure of each run, in the unit of `before` and `after`. If both versions were run in turn,
    /// the runs of one repeat have the same position.
    pub values: Vec<f64>,
    pub values_before: Vec<f64>,
    /// The function to blame, or what the rule is about: where a reader should look.
    pub place: Option<Place>,
    /// The call path to that place, outermost first: the view or task, then the program's own functions.
    pub way: Vec<Place>,
    /// What else a reader should know, a sentence each: "only shares moved", "12 more repeats would
    /// decide".
    pub notes: Vec<String>,
}

/// What was recorded, and how.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Setting {
    /// The program and its subcommand, made visible.
    pub program: String,
    /// The version of Python, such as `3.11.7`.
    pub python: String,
    /// As `--mode` takes it.
    pub mode: String,
    /// The sampling rate that was asked for, in samples per second.
    pub rate: u32,
    /// Number of recordings of the version that is judged, and of the version before.
    pub runs: usize,
    pub runs_before: usize,
    /// Samples in all of these.
    pub samples: u64,
    /// The confidence of all intervals together, in percent, such as 98.
    pub confidence: f64,
    /// What the figures are compared with: `baseline.toml`, `../main`; `None` if nothing.
    pub against: Option<String>,
    /// The file of the rules, if there is one, relative to the directory that the workload ran in.
    /// Findings without a file of their own are shown there.
    pub rules: Option<String>,
    /// Duration of all recordings together.
    pub seconds: f64,
}

/// The flamegraphs that were written.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Flamegraphs {
    pub before: Option<PathBuf>,
    pub after: Option<PathBuf>,
    pub difference: Option<PathBuf>,
}

/// The result of a whole check.
#[derive(Clone, PartialEq, Debug)]
pub struct Outcome {
    /// `Failed` if any rule failed, else `Inconclusive` if any is that.
    pub verdict: Verdict,
    /// One per rule, in the order of the rules.
    pub findings: Vec<Finding>,
    pub setting: Setting,
    pub flamegraphs: Flamegraphs,
    /// Notes on the check as a whole, a sentence each.
    pub notes: Vec<String>,
}

impl Outcome {
    /// The verdict follows from the findings.
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
