//! The wording that the reports for people share.

use std::borrow::Cow;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::figures;
use crate::check::{Finding, Flamegraphs, Outcome, Place, Setting, Verdict};
use crate::model::TargetStr;
use crate::output::{grouped, visible_text};

/// The steps of a call path that are named, from each end. A path can have hundreds.
const OUTER_STEPS: usize = 5;
const INNER_STEPS: usize = 15;

/// The text, cut after `longest` characters: a target can make a name as long as it likes.
pub(super) fn clipped(text: &str, longest: usize) -> String {
    let end_of = |text: &str, count| text.char_indices().nth(count).map(|(end, _)| end);
    // Escapes only make text longer, so the part beyond cannot be shown.
    let start = end_of(text, longest + 1).map_or(text, |end| &text[..end]);
    let start = visible_text(start);
    match end_of(&start, longest) {
        Some(end) => format!("{}…", &start[..end]),
        None => start.into_owned(),
    }
}

pub(super) fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Passed => "passed",
        Verdict::Inconclusive => "inconclusive",
        Verdict::Failed => "failed",
    }
}

/// `failed: 2 of 6 rules, 1 inconclusive`
pub(super) fn headline(outcome: &Outcome) -> String {
    let count = |verdict| {
        let of_these = |finding: &&Finding| finding.verdict == verdict;
        outcome.findings.iter().filter(of_these).count()
    };
    let all = outcome.findings.len();
    let rules = format!("{all} {}", if all == 1 { "rule" } else { "rules" });
    let (failed, inconclusive) = (count(Verdict::Failed), count(Verdict::Inconclusive));
    let word = verdict(outcome.verdict);
    match (failed, inconclusive) {
        (0, 0) => format!("{word}: {rules}"),
        (0, open) => format!("{word}: {open} of {rules}"),
        (failed, 0) => format!("{word}: {failed} of {rules}"),
        (failed, open) => format!("{word}: {failed} of {rules}, {open} inconclusive"),
    }
}

/// The number of rules that passed or failed.
pub(super) fn decided(outcome: &Outcome) -> usize {
    let is_decided = |finding: &&Finding| finding.verdict != Verdict::Inconclusive;
    outcome.findings.iter().filter(is_decided).count()
}

/// `5 of 6 rules on 12,345 samples`: shows what a verdict is based on.
pub(super) fn judged(outcome: &Outcome) -> String {
    format!(
        "{} of {} rules on {} samples",
        decided(outcome),
        outcome.findings.len(),
        grouped(outcome.setting.samples)
    )
}

/// Failed rules first, then inconclusive ones, then those that passed; each in the order of the rules.
pub(super) fn by_weight(outcome: &Outcome) -> Vec<&Finding> {
    let mut findings: Vec<&Finding> = outcome.findings.iter().collect();
    findings.sort_by_key(|finding| match finding.verdict {
        Verdict::Failed => 0,
        Verdict::Inconclusive => 1,
        Verdict::Passed => 2,
    });
    findings
}

/// The name that the user gave the rule, if it is not blank.
pub(super) fn name(finding: &Finding) -> Option<&str> {
    let name = finding.name.as_deref();
    name.filter(|name| !name.trim().is_empty())
}

/// The name of the rule, or else its text.
pub(super) fn title(finding: &Finding) -> &str {
    name(finding).unwrap_or(&finding.rule)
}

/// A title for each finding, in their order, all different.
pub(super) fn distinct_titles(outcome: &Outcome, longest: usize) -> Vec<String> {
    let mut titles: Vec<String> = Vec::with_capacity(outcome.findings.len());
    for finding in &outcome.findings {
        let title = clipped(title(finding), longest);
        let numbered = (2..).map(|number| format!("{title} ({number})"));
        let mut candidates = std::iter::once(title.clone()).chain(numbered);
        titles.extend(candidates.find(|candidate| !titles.contains(candidate)));
    }
    titles
}

/// `function (file:line)`, `function (file)` without a line, `function` without a file.
pub(crate) fn place(place: &Place) -> String {
    let function = match place.function.as_str() {
        // An empty name would look like a broken line.
        "" => Cow::Borrowed("<unnamed>"),
        name => visible_text(name),
    };
    let file = visible_text(&place.file);
    match place.line {
        _ if file.is_empty() => function.into_owned(),
        0 => format!("{function} ({file})"),
        line => format!("{function} ({file}:{line})"),
    }
}

/// A step of a call path, or the number of steps that are left out.
pub(super) enum Step<'a> {
    Place(&'a Place),
    More(usize),
}

pub(super) fn steps(way: &[Place]) -> Vec<Step<'_>> {
    let more = way.len().saturating_sub(OUTER_STEPS + INNER_STEPS);
    if more < 2 {
        return way.iter().map(Step::Place).collect();
    }
    let (outer, rest) = way.split_at(OUTER_STEPS);
    let mut steps: Vec<Step> = outer.iter().map(Step::Place).collect();
    steps.push(Step::More(more));
    steps.extend(rest[more..].iter().map(Step::Place));
    steps
}

/// The text in place of `more` steps that are left out.
pub(super) fn more_steps(more: usize) -> String {
    format!("… {more} more …")
}

/// `list_view (shop/views.py:31) > price (shop/models.py:12)`
pub(super) fn way(way: &[Place]) -> String {
    let steps = steps(way).into_iter().map(|step| match step {
        Step::Place(step) => place(step),
        Step::More(more) => more_steps(more),
    });
    steps.collect::<Vec<_>>().join(" > ")
}

/// Figures, place, call path, reason and notes, each with its label.
pub(super) fn details(finding: &Finding) -> Vec<(&'static str, String)> {
    let mut details = Vec::new();
    match (&finding.before, &finding.after) {
        (Some(before), Some(after)) => details.push((
            "before → after",
            format!(
                "{} → {}",
                figures::estimate(before),
                figures::estimate(after)
            ),
        )),
        (Some(before), None) => details.push(("before", figures::estimate(before))),
        (None, Some(after)) => details.push(("measured", figures::estimate(after))),
        (None, None) => {}
    }
    let change = finding.change.as_ref().map(figures::estimate);
    details.extend(change.map(|change| ("change", change)));
    details.extend(finding.place.as_ref().map(|at| ("at", place(at))));
    if !finding.way.is_empty() {
        details.push(("way", way(&finding.way)));
    }
    let reason = finding.reason.as_deref().map(visible_text);
    details.extend(reason.map(|reason| ("reason", reason.into_owned())));
    for note in &finding.notes {
        details.push(("note", visible_text(note).into_owned()));
    }
    details
}

/// The same as [`details`], and the flamegraphs, for findings that are read one at a time.
pub(super) fn details_alone(finding: &Finding, outcome: &Outcome) -> Vec<(&'static str, String)> {
    let mut details = details(finding);
    details.extend(flamegraph_paths(outcome).map(|paths| ("flamegraphs", paths)));
    details
}

/// `manage.py test · Python 3.11.7 · mode cpu · 100 Hz · 5 runs against 5 of baseline.toml · 12,345
/// samples in 61.2 s · intervals at 98 % confidence`
pub(super) fn setting(setting: &Setting) -> String {
    let Setting {
        program,
        python,
        mode,
        rate,
        runs,
        runs_before,
        samples,
        confidence,
        against,
        rules: _,
        seconds,
    } = setting;
    let mut parts = vec![visible_text(program).into_owned()];
    if !python.is_empty() {
        parts.push(format!("Python {}", visible_text(python)));
    }
    if !mode.is_empty() {
        parts.push(format!("mode {}", visible_text(mode)));
    }
    parts.push(format!("{rate} Hz"));
    let runs = format!("{runs} {}", if *runs == 1 { "run" } else { "runs" });
    parts.push(match against {
        Some(against) if *runs_before > 0 => {
            format!("{runs} against {runs_before} of {}", visible_text(against))
        }
        Some(against) => format!("{runs} against {}", visible_text(against)),
        None => runs,
    });
    let in_seconds = match seconds {
        seconds if seconds.is_finite() => format!(" in {seconds:.1} s"),
        _ => String::new(),
    };
    parts.push(format!("{} samples{in_seconds}", grouped(*samples)));
    if confidence.is_finite() {
        parts.push(format!("intervals at {confidence} % confidence"));
    }
    parts.retain(|part| !part.is_empty());
    parts.join(" · ")
}

/// The flamegraphs that were written, with what they show.
pub(super) fn flamegraphs(flamegraphs: &Flamegraphs) -> Vec<(&'static str, &Path)> {
    let Flamegraphs {
        before,
        after,
        difference,
    } = flamegraphs;
    [
        ("before", before),
        ("after", after),
        ("difference", difference),
    ]
    .into_iter()
    .filter_map(|(what, path)| Some((what, path.as_deref()?)))
    .collect()
}

/// `before out/before.svg, after out/after.svg`, if any were written.
pub(super) fn flamegraph_paths(outcome: &Outcome) -> Option<String> {
    let paths: Vec<_> = flamegraphs(&outcome.flamegraphs)
        .into_iter()
        .map(|(what, at)| format!("{what} {}", path(at)))
        .collect();
    (!paths.is_empty()).then(|| paths.join(", "))
}

/// A path to be read by people.
pub(super) fn path(path: &Path) -> String {
    let path = TargetStr::from_bytes(path.as_os_str().as_bytes());
    visible_text(path.untrusted()).into_owned()
}

/// The place in the user's own files where a reader should look: the finding's place or, if that is in a
/// library, the innermost step of the call path that is not.
pub(super) fn spot(finding: &Finding) -> Option<(&str, u32)> {
    let places = finding.place.iter().chain(finding.way.iter().rev());
    places
        .filter_map(|place| Some((below(place.path.as_deref()?)?, place.line)))
        .next()
}

/// The path if it stays below its start. Otherwise a report could link to a file outside the program's
/// sources.
pub(super) fn below(path: &str) -> Option<&str> {
    let leads_astray = |segment: &str| matches!(segment, "" | "." | "..");
    (!path.split('/').any(leads_astray)).then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(rule: &str, verdict: Verdict) -> Finding {
        Finding {
            rule: rule.to_owned(),
            name: None,
            reason: None,
            verdict,
            message: String::new(),
            before: None,
            after: None,
            change: None,
            values: Vec::new(),
            values_before: Vec::new(),
            place: None,
            way: Vec::new(),
            notes: Vec::new(),
        }
    }

    fn at(function: &str, file: &str, path: Option<&str>, line: u32) -> Place {
        Place {
            function: function.to_owned(),
            file: file.to_owned(),
            path: path.map(str::to_owned),
            line,
        }
    }

    #[test]
    fn the_headline_counts_what_is_to_be_done() {
        use Verdict::{Failed, Inconclusive, Passed};
        for (verdicts, expected) in [
            (vec![], "passed: 0 rules"),
            (vec![Passed], "passed: 1 rule"),
            (vec![Passed, Inconclusive], "inconclusive: 1 of 2 rules"),
            (vec![Failed, Passed, Passed], "failed: 1 of 3 rules"),
            (
                vec![Failed, Inconclusive],
                "failed: 1 of 2 rules, 1 inconclusive",
            ),
        ] {
            let findings = verdicts.into_iter().map(|it| finding("r", it)).collect();
            let outcome = Outcome::of(findings, Setting::default());
            assert_eq!(headline(&outcome), expected);
        }
    }

    #[test]
    fn no_two_findings_have_the_same_title() {
        let rules = ["a", "a (2)", "a", "a", "long name"];
        let findings = rules.map(|rule| finding(rule, Verdict::Passed)).to_vec();
        let outcome = Outcome::of(findings, Setting::default());
        assert_eq!(
            distinct_titles(&outcome, 6),
            ["a", "a (2)", "a (3)", "a (4)", "long n…"]
        );
    }

    #[test]
    fn a_place_is_named_by_what_is_known_of_it() {
        assert_eq!(place(&at("f", "a.py", None, 3)), "f (a.py:3)");
        assert_eq!(place(&at("f", "a.py", None, 0)), "f (a.py)");
        assert_eq!(place(&at("", "", None, 3)), "<unnamed>");
    }

    #[test]
    fn of_a_long_way_both_ends_are_named() {
        let steps: Vec<Place> = (0..100)
            .map(|step| at(&format!("f{step}"), "", None, 0))
            .collect();
        let long = way(&steps);
        assert!(long.starts_with("f0 > f1 > f2 > f3 > f4 > … 80 more … > f85 > "));
        assert!(long.ends_with(" > f99"));
        assert!(!way(&steps[..21]).contains("more"));
    }

    #[test]
    fn a_reader_is_sent_to_a_file_of_the_users_own_and_never_out_of_the_project() {
        let mut finding = finding("r", Verdict::Failed);
        assert_eq!(spot(&finding), None);
        finding.way = vec![
            at("view", "v.py", Some("v.py"), 1),
            at("price", "p.py", Some("p.py"), 2),
            at("get", "django/q.py", None, 3),
        ];
        finding.place = Some(at("get", "django/q.py", None, 4));
        assert_eq!(spot(&finding), Some(("p.py", 2)));
        for astray in ["/etc/passwd", "../x.py", "a/../../x.py", "//evil/x", ""] {
            finding.place = Some(at("get", "x.py", Some(astray), 4));
            assert_eq!(spot(&finding), Some(("p.py", 2)), "{astray}");
        }
        finding.place = Some(at("get", "x.py", Some("lib/x.py"), 4));
        assert_eq!(spot(&finding), Some(("lib/x.py", 4)));
    }
}
