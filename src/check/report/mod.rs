//! Reports of a check: one file a format, each made from an [`Outcome`] alone.
//!
//! The text in an outcome may come from a hostile target. It should be visible already; every report
//! makes it visible once more (`wording`) and escapes it for its own syntax. Numbers are formatted in one
//! place (`figures`).

mod annotations;
mod figures;
mod json;
mod junit;
mod log;
mod markdown;
mod sarif;
mod text;
mod uri;
mod wording;

use std::io::{self, Write};

use super::Outcome;

pub(crate) use figures::estimate as figure;
pub(crate) use wording::place;

/// The format of a report, by its reader.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ReportFormat {
    /// For a person at a terminal, or in the log of a CI job.
    Text,
    /// A summary or comment on GitHub or GitLab, small enough for either.
    Markdown,
    /// For tools that show results of tests: Jenkins, GitLab, GitHub's reporters.
    Junit,
    /// For tools that show findings of static analysis: GitHub's code scanning, editors.
    Sarif,
    /// For programs: everything in the outcome.
    Json,
    /// For GitHub's runner, through the standard output of a step.
    Annotations,
}

/// Writes the outcome to `out`. The same outcome always gives the same bytes.
///
/// # Errors
/// When `out` cannot be written.
pub fn write(format: ReportFormat, outcome: &Outcome, out: &mut dyn Write) -> io::Result<()> {
    match format {
        ReportFormat::Text => text::write(outcome, out),
        ReportFormat::Markdown => markdown::write(outcome, out),
        ReportFormat::Junit => junit::write(outcome, out),
        ReportFormat::Sarif => sarif::write(outcome, out),
        ReportFormat::Json => json::write(outcome, out),
        ReportFormat::Annotations => annotations::write(outcome, out),
    }
}
