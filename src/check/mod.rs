//! Judges recordings by rules, and reports the verdicts. The judge knows neither where its figures come
//! from nor who reads the reports.

mod baseline;
mod compare;
mod conditions;
mod culprit;
mod evidence;
mod finding;
mod functions;
mod grammar;
mod interim;
mod judge;
mod matcher;
mod measure;
mod names;
mod outcome;
mod pattern;
pub mod report;
mod rule;
mod rules_file;
mod run;
mod source;
mod stats;
#[cfg(test)]
mod written;

pub use outcome::{Estimate, Finding, Flamegraphs, Outcome, Place, Setting, Unit, Verdict};

pub use baseline::{Baseline, BaselineError};
pub use compare::Before;
pub use conditions::Conditions;
pub use evidence::{Evidence, EvidenceError, Version};
pub use grammar::RuleError;
pub use interim::InterimAnalyses;
pub use judge::{Judgement, SIGNIFICANCE, judge};
pub use matcher::Shown;
pub use names::Unseen;
#[cfg(feature = "cli")]
pub(crate) use report::figure;
pub use rule::Rule;
pub use rules_file::{RulesError, parse as parse_rules};
pub use run::{Run, Seen};
pub use source::Source;
