//! The mistakes that a recording proves, in words.

use crate::insight::{Cause, Finding};
use crate::model::visible;

/// The most findings that a recording ends with.
const MOST: usize = 3;

/// A few lines for each of the dearest findings.
pub fn lines(findings: &[Finding]) -> Vec<String> {
    let mut lines = Vec::new();
    for finding in findings.iter().take(MOST) {
        lines.extend(finding_lines(finding));
    }
    match findings.len().saturating_sub(MOST) {
        0 => {}
        1 => lines.push("Found 1 more, which costs less".to_owned()),
        more => lines.push(format!("Found {more} more, which cost less")),
    }
    lines
}

fn finding_lines(finding: &Finding) -> [String; 3] {
    let site = &finding.site;
    let (low, high) = finding.seconds_interval();
    let cost = format!(
        "{:.2} s ({low:.2} to {high:.2}), {:.0} % of the time",
        finding.seconds(),
        100.0 * finding.share
    );
    let under: Vec<String> = finding
        .contexts
        .iter()
        .map(|(key, value)| format!("{key} {}", visible(value)))
        .collect();
    let under = match under.is_empty() {
        true => String::new(),
        false => format!("; {}", under.join(", ")),
    };
    let remedies = unique(finding.causes.iter().map(|cause| cause.remedy));
    [
        format!("Found: {}", finding.rule.title),
        format!(
            "  {}:{} in {}: {}: {cost}{under}",
            visible(&site.short_file),
            site.line,
            visible(&site.function),
            what_happens(finding),
        ),
        format!(
            "  Remedy: {} (spyhole explain {})",
            remedies.join("; "),
            finding.rule.id
        ),
    ]
}

/// `fetches Order.customer and Customer.city for each of 43 objects`.
pub fn what_happens(finding: &Finding) -> String {
    let mut parts = Vec::new();
    for verb in unique(finding.causes.iter().map(|cause| cause.verb)) {
        let of_verb = finding.causes.iter().filter(|cause| cause.verb == verb);
        let subjects = of_verb.filter_map(|cause: &Cause| cause.subject.as_ref());
        let subjects: Vec<String> = subjects.map(|it| visible(it).into_owned()).collect();
        parts.push(format!("{verb} {}", listed(&subjects)).trim().to_owned());
    }
    let what = listed(&parts);
    match finding.items {
        Some(items) => format!("{what}, one by one, in a loop over {items} objects or more"),
        None => what,
    }
}

fn unique<'a>(texts: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut found: Vec<&str> = Vec::new();
    for text in texts {
        if !found.contains(&text) {
            found.push(text);
        }
    }
    found
}

/// `a, b and c`.
fn listed(texts: &[String]) -> String {
    match texts {
        [] => String::new(),
        [only] => only.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}
