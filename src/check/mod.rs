//! Compares what was recorded with rules, and decides. Where the figures come from, and who reads
//! the answer, are kept apart from the judge.

mod baseline;
mod conditions;
mod culprit;
mod finding;
mod judge;
mod looks;
mod outcome;
mod rule;
mod rules_file;
mod select;
mod stats;
pub mod report;

pub use outcome::{Estimate, Finding, Flamegraphs, Outcome, Place, Setting, Unit, Verdict};
