//! For a person at a terminal: the verdict, then failed and inconclusive rules in full, then those that
//! passed in a line each.
//!
//! The log of a CI job shows it, too. Each line therefore starts with a word of ours and never with text
//! from the target, which a runner might take for a command.

use std::io::{self, Write};

use super::log::inert;
use super::wording;
use crate::check::{Finding, Outcome, Verdict};

pub(super) fn write(outcome: &Outcome, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "spyhole check {}", wording::headline(outcome))?;
    let findings = wording::by_weight(outcome);
    let passed = findings.partition_point(|finding| finding.verdict != Verdict::Passed);
    for finding in &findings[..passed] {
        writeln!(out)?;
        in_full(finding, out)?;
    }
    if passed < findings.len() {
        writeln!(out)?;
    }
    for finding in &findings[passed..] {
        let message = inert(&finding.message);
        writeln!(out, "{}: {message}", head(finding))?;
    }
    writeln!(out)?;
    for note in &outcome.notes {
        writeln!(out, "note: {}", inert(note))?;
    }
    writeln!(out, "judged: {}", wording::judged(outcome))?;
    let setting = inert(&wording::setting(&outcome.setting));
    writeln!(out, "recorded: {setting}")?;
    for (what, path) in wording::flamegraphs(&outcome.flamegraphs) {
        writeln!(out, "flamegraph {what}: {}", inert(&wording::path(path)))?;
    }
    Ok(())
}

fn in_full(finding: &Finding, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{}", head(finding))?;
    writeln!(out, "    found: {}", inert(&finding.message))?;
    for (what, detail) in wording::details(finding) {
        writeln!(out, "    {what}: {}", inert(&detail))?;
    }
    Ok(())
}

/// `✗ failed: the list stays fast: never f in g`
fn head(finding: &Finding) -> String {
    let mark = match finding.verdict {
        Verdict::Failed => '✗',
        Verdict::Inconclusive => '?',
        Verdict::Passed => '✓',
    };
    let verdict = wording::verdict(finding.verdict);
    let rule = inert(&finding.rule);
    match wording::name(finding) {
        Some(name) => format!("{mark} {verdict}: {}: {rule}", inert(name)),
        None => format!("{mark} {verdict}: {rule}"),
    }
}
