//! A summary for GitHub and GitLab: a table of the rules, then those that failed and those that are
//! inconclusive.
//!
//! Both sites turn text that looks like one into links, mentions, references and emoji, mostly after
//! Markdown's own escapes are resolved. Only code is left alone. Names, paths and rules are therefore
//! code spans, and so is each word of a sentence that is not plainly a word or a number.
//!
//! The page is never longer than a comment may be, and says what it leaves out.

use std::io::{self, Write};

use super::wording::{self, Step};
use super::{figures, wording::clipped};
use crate::check::{Estimate, Finding, Outcome, Place, Verdict};

/// In bytes. A comment on GitHub takes 65,536 characters, a step's summary 1 MiB.
const LONGEST_PAGE: usize = 60_000;
/// In characters, of one name, sentence or path.
const LONGEST_TEXT: usize = 300;
const MOST_NOTES: usize = 8;

/// Where a piece of text is placed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum In {
    Line,
    /// A cell of a table, which ends at the first `|` even within code.
    Cell,
}

pub(super) fn write(outcome: &Outcome, out: &mut dyn Write) -> io::Result<()> {
    let mut page = format!(
        "## {} spyhole check {}\n",
        mark(outcome.verdict),
        wording::headline(outcome)
    );
    let end = end(outcome);
    let findings = wording::by_weight(outcome);
    let room = LONGEST_PAGE.saturating_sub(page.len() + end.len());

    if !findings.is_empty() {
        page.push_str("\n| verdict | rule | before | after | change | found |\n");
        page.push_str("| :-- | :-- | --: | --: | --: | :-- |\n");
        push_within(&mut page, room / 2, &findings, row, "rules");
    }
    let passed = findings.partition_point(|finding| finding.verdict != Verdict::Passed);
    let room = LONGEST_PAGE.saturating_sub(page.len() + end.len());
    push_within(
        &mut page,
        room,
        &findings[..passed],
        section,
        "rules in full",
    );
    page.push_str(&end);
    out.write_all(page.as_bytes())
}

/// Appends a piece per finding, as many as fit into `room` bytes, and then says how many are left out.
fn push_within(
    page: &mut String,
    room: usize,
    findings: &[&Finding],
    piece: fn(&Finding) -> String,
    what: &str,
) {
    let left_out = |count: usize| {
        format!("\n{count} more {what} left out to keep this short; the JSON report has all.\n")
    };
    let longest = page.len() + room.saturating_sub(left_out(findings.len()).len());
    for (index, finding) in findings.iter().enumerate() {
        let piece = piece(finding);
        if page.len() + piece.len() > longest {
            page.push_str(&left_out(findings.len() - index));
            return;
        }
        page.push_str(&piece);
    }
}

fn mark(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Passed => "✅",
        Verdict::Inconclusive => "⚠️",
        Verdict::Failed => "❌",
    }
}

fn row(finding: &Finding) -> String {
    let figure = |estimate: &Option<Estimate>| {
        let figure = estimate.as_ref().map(figures::estimate);
        figure.unwrap_or_default()
    };
    let rule = code(&clipped(&finding.rule, LONGEST_TEXT), In::Cell);
    let rule = match wording::name(finding) {
        Some(name) => format!("{} ({rule})", prose(name, In::Cell)),
        None => rule,
    };
    let cells = [
        format!(
            "{} {}",
            mark(finding.verdict),
            wording::verdict(finding.verdict)
        ),
        rule,
        figure(&finding.before),
        figure(&finding.after),
        figure(&finding.change),
        prose(&finding.message, In::Cell),
    ];
    format!("| {} |\n", cells.join(" | "))
}

fn section(finding: &Finding) -> String {
    let rule = code(&clipped(&finding.rule, LONGEST_TEXT), In::Line);
    let mut lines = Vec::new();
    let title = match wording::name(finding) {
        Some(name) => {
            lines.push(format!("- rule: {rule}"));
            prose(name, In::Line)
        }
        None => rule,
    };
    lines.push(format!("- found: {}", prose(&finding.message, In::Line)));
    for (what, estimate) in [
        ("before", &finding.before),
        ("after", &finding.after),
        ("change", &finding.change),
    ] {
        let figure = estimate.as_ref().map(figures::estimate);
        lines.extend(figure.map(|figure| format!("- {what}: {figure}")));
    }
    lines.extend(finding.place.iter().map(|at| format!("- at {}", place(at))));
    if !finding.way.is_empty() {
        lines.push(format!("- way: {}", way(&finding.way)));
    }
    let reason = finding.reason.iter();
    lines.extend(reason.map(|reason| format!("- reason: {}", prose(reason, In::Line))));
    lines.extend(notes(&finding.notes));
    let mark = mark(finding.verdict);
    format!("\n### {mark} {title}\n\n{}\n", lines.join("\n"))
}

/// The notes on the check as a whole.
fn end(outcome: &Outcome) -> String {
    let mut lines = notes(&outcome.notes);
    lines.push(format!("- judged: {}", wording::judged(outcome)));
    let setting = clipped(&wording::setting(&outcome.setting), 3 * LONGEST_TEXT);
    lines.push(format!("- recorded: {}", code(&setting, In::Line)));
    for (what, path) in wording::flamegraphs(&outcome.flamegraphs) {
        let path = clipped(&wording::path(path), LONGEST_TEXT);
        lines.push(format!("- flamegraph {what}: {}", code(&path, In::Line)));
    }
    format!("\n### The recording\n\n{}\n", lines.join("\n"))
}

fn notes(notes: &[String]) -> Vec<String> {
    let mut lines: Vec<String> = notes
        .iter()
        .take(MOST_NOTES)
        .map(|note| format!("- note: {}", prose(note, In::Line)))
        .collect();
    if let more @ 1.. = notes.len().saturating_sub(MOST_NOTES) {
        lines.push(format!("- {more} more notes left out"));
    }
    lines
}

fn place(place: &Place) -> String {
    let text = clipped(&wording::place(place), LONGEST_TEXT);
    code(&text, In::Line)
}

fn way(way: &[Place]) -> String {
    let steps = wording::steps(way).into_iter().map(|step| match step {
        Step::Place(step) => place(step),
        Step::More(more) => wording::more_steps(more),
    });
    steps.collect::<Vec<_>>().join(" → ")
}

/// A code span. Its fence is longer than any run of backticks in the text.
fn code(text: &str, place: In) -> String {
    let runs = text.split(|c| c != '`').map(str::len);
    let fence = "`".repeat(runs.max().unwrap_or(0) + 1);
    // Markdown strips one blank on each side; a span of only blanks keeps them all.
    let pad = match text {
        "" => return String::new(),
        _ if text.starts_with('`') || text.ends_with('`') => " ",
        _ if text.starts_with(' ') && text.ends_with(' ') && !text.trim().is_empty() => " ",
        _ => "",
    };
    let text = match place {
        In::Line => text.to_owned(),
        In::Cell => in_cell(text),
    };
    format!("{fence}{pad}{text}{pad}{fence}")
}

/// In a table, `\|` is the only escape within code. Readers disagree on a backslash before it, so there
/// the bar is spelt out.
fn in_cell(text: &str) -> String {
    let mut cell = String::with_capacity(text.len());
    let mut last = ' ';
    for c in text.chars() {
        match c {
            '|' if last == '\\' => cell.push_str("\\x7c"),
            '|' => cell.push_str("\\|"),
            c => cell.push(c),
        }
        last = c;
    }
    cell
}

/// A sentence that may hold names. Plain words stay as they are; neighbouring other words form one code
/// span. The sentence must not start a line, where a number and a dot would make a list.
fn prose(text: &str, place: In) -> String {
    let text = clipped(text, LONGEST_TEXT);
    let mut shown: Vec<String> = Vec::new();
    let mut odd: Vec<&str> = Vec::new();
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        if is_plain(word) {
            shown.extend(coded(&mut odd, place));
            shown.push(word.to_owned());
        } else {
            odd.push(word);
        }
    }
    shown.extend(coded(&mut odd, place));
    shown.join(" ")
}

/// Takes the words as one code span. A trailing comma belongs to the sentence.
fn coded(words: &mut Vec<&str>, place: In) -> Option<String> {
    let text = words.join(" ");
    words.clear();
    let inside = text
        .strip_suffix([',', ';'])
        .filter(|inside| !inside.is_empty())
        .unwrap_or(&text);
    let outside = &text[inside.len()..];
    (!text.is_empty()).then(|| format!("{}{outside}", code(inside, place)))
}

/// Whether a word, with the punctuation around it, is an ordinary word or a number, and means nothing to
/// Markdown, GitHub or GitLab.
fn is_plain(word: &str) -> bool {
    let core = word.trim_start_matches(['(', '[', '+', '-']);
    let opened = &word[..word.len() - core.len()];
    let core = core.trim_end_matches([')', ']', ',', '.', ';', ':', '%', '…']);
    let closed = &word[opened.len() + core.len()..];
    let is_sign = word == "→" || (opened.is_empty() && core.is_empty() && word.starts_with('%'));
    let is_word = core.chars().all(|c| c.is_alphabetic() || "-'".contains(c))
        && core.starts_with(char::is_alphabetic)
        && core.ends_with(char::is_alphabetic)
        && !core.contains("--");
    let is_number = core.starts_with(|c: char| c.is_ascii_digit())
        && core.ends_with(|c: char| c.is_ascii_digit())
        && core.chars().all(|c| c.is_ascii_digit() || ".,".contains(c));
    // `[x]` is a checkbox and `[TOC]` a table of contents; `[11.0,` and `13.6]` belong to an interval.
    let brackets = opened.contains('[') || closed.contains(']');
    let signs = opened.contains(['+', '-']);
    let is_phrase = is_sign || is_number || (is_word && !brackets && !signs);
    is_phrase && !closed.contains("::")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fence_is_longer_than_what_it_holds() {
        assert_eq!(code("f", In::Line), "`f`");
        assert_eq!(code("a`b``c", In::Line), "```a`b``c```");
        assert_eq!(code("`", In::Line), "`` ` ``");
        assert_eq!(code(" f ", In::Line), "`  f  `");
        assert_eq!(code("  ", In::Line), "`  `");
    }

    #[test]
    fn a_bar_ends_no_cell() {
        assert_eq!(code("a|b", In::Line), "`a|b`");
        assert_eq!(code("a|b||", In::Cell), "`a\\|b\\|\\|`");
        assert_eq!(code("a\\|b", In::Cell), "`a\\\\x7cb`");
    }

    #[test]
    fn words_stay_words_and_all_else_is_code() {
        for (text, expected) in [
            (
                "get_fast_list_view calls F.__get__ 12.3 % [11.0, 13.6] of the time.",
                "`get_fast_list_view` calls `F.__get__` 12.3 % [11.0, 13.6] of the time.",
            ),
            ("fünf Läufe, +9.8 % (more)", "fünf Läufe, +9.8 % (more)"),
            ("hello @octocat see #1 now", "hello `@octocat` see `#1` now"),
            ("see www.evil.example a b", "see `www.evil.example` a b"),
            ("<b>a</b> <img src=x> end", "`<b>a</b> <img src=x>` end"),
            ("in 2. place (-0.5 %)", "in 2. place (-0.5 %)"),
            ("- one", "`-` one"),
            ("[x] done [TOC]", "`[x]` done `[TOC]`"),
            (":tada: /close", "`:tada: /close`"),
            ("  a   b  ", "a b"),
            ("*a* _b_ ~c~ $d$", "`*a* _b_ ~c~ $d$`"),
            ("--- === #", "`--- === #`"),
        ] {
            assert_eq!(prose(text, In::Line), expected);
        }
    }
}
