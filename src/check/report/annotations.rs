//! Workflow commands for GitHub's runner, which shows them at the line of the file and in the diff of a
//! pull request: an error for each rule that failed, a warning for each that is inconclusive.

use std::io::{self, Write};

use super::log::inert;
use super::wording;
use crate::check::{Finding, Outcome, Verdict};

/// GitHub shows this many errors and this many warnings of a step, and drops the rest silently.
const SHOWN: usize = 10;
/// In characters. GitHub takes a title of 255 and a message of 64 KiB.
const LONGEST_TITLE: usize = 200;
const LONGEST_LINE: usize = 2000;

pub(super) fn write(outcome: &Outcome, out: &mut dyn Write) -> io::Result<()> {
    for (verdict, command, are) in [
        (Verdict::Failed, "error", "failed"),
        (Verdict::Inconclusive, "warning", "are inconclusive"),
    ] {
        let of_these = |finding: &&Finding| finding.verdict == verdict;
        let findings: Vec<_> = outcome.findings.iter().filter(of_these).collect();
        // The last annotation then counts those that are not shown.
        let single = if findings.len() > SHOWN {
            SHOWN - 1
        } else {
            findings.len()
        };
        for finding in &findings[..single] {
            annotate(command, finding, outcome, out)?;
        }
        if single < findings.len() {
            let more = findings.len() - single;
            writeln!(
                out,
                "::{command} title=spyhole check::{more} more rules {are}: the log and the summary name them"
            )?;
        }
    }
    Ok(())
}

fn annotate(
    command: &str,
    finding: &Finding,
    outcome: &Outcome,
    out: &mut dyn Write,
) -> io::Result<()> {
    let title = inert(&wording::clipped(wording::title(finding), LONGEST_TITLE));
    let mut properties = Vec::new();
    if let Some((file, line)) = wording::spot(finding) {
        properties.push(format!("file={}", property(&inert(file))));
        if line > 0 {
            properties.push(format!("line={line}"));
        }
    }
    properties.push(format!("title={}", property(&format!("spyhole: {title}"))));
    let mut lines = vec![inert(&wording::clipped(&finding.message, LONGEST_LINE))];
    if wording::name(finding).is_some() {
        let rule = wording::clipped(&finding.rule, LONGEST_LINE);
        lines.push(format!("rule: {}", inert(&rule)));
    }
    for (what, detail) in wording::details_alone(finding, outcome) {
        let detail = wording::clipped(&detail, LONGEST_LINE);
        lines.push(format!("{what}: {}", inert(&detail)));
    }
    writeln!(
        out,
        "::{command} {}::{}",
        properties.join(","),
        data(&lines.join("\n"))
    )
}

/// Escapes the part after the second `::`, as the runner reads it.
fn data(text: &str) -> String {
    text.replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

/// Escapes the value of a property. Commas and colons separate properties.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
