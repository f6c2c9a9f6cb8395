//! JUnit XML: a test case per rule.
//!
//! There is no official standard. The strictest reader is Jenkins' xUnit plugin, which refuses a file
//! that does not fit its schema. The schema allows neither `file` and `line` nor properties in a test
//! case, so place and figures are in the text, which every reader shows.
//!
//! An inconclusive rule is a skipped test: neither passed nor failed. Jenkins, GitLab and GitHub's
//! reporters show it that way, with the message. As a passed test it would go unnoticed; as a failed one
//! it would fail builds that accept it.

use std::io::{self, Write};

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesEnd, BytesStart, BytesText, Event};

use super::wording;
use crate::check::{Finding, Outcome, Verdict};
use crate::output::visible_text;

/// In characters. Lists of tests show the name in one line, and Jenkins uses it in the address of a page.
const LONGEST_NAME: usize = 200;

pub(super) fn write(outcome: &Outcome, out: &mut dyn Write) -> io::Result<()> {
    let count = |verdict| {
        let of_these = |finding: &&Finding| finding.verdict == verdict;
        outcome.findings.iter().filter(of_these).count().to_string()
    };
    let tests = outcome.findings.len().to_string();
    let (failures, skipped) = (count(Verdict::Failed), count(Verdict::Inconclusive));
    let mut totals = vec![
        ("name", "spyhole check"),
        ("tests", &tests),
        ("failures", &failures),
        ("errors", "0"),
    ];
    let mut xml = Writer::new_with_indent(out, b' ', 2);
    xml.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    start(&mut xml, "testsuites", &totals)?;

    let seconds = format!("{:.3}", outcome.setting.seconds);
    totals.push(("skipped", &skipped));
    if outcome.setting.seconds.is_finite() && outcome.setting.seconds >= 0.0 {
        totals.push(("time", &seconds));
    }
    start(&mut xml, "testsuite", &totals)?;
    start(&mut xml, "properties", &[])?;
    for (name, value) in properties(outcome) {
        let property = tag("property", &[("name", &name), ("value", &value)]);
        xml.write_event(Event::Empty(property))?;
    }
    end(&mut xml, "properties")?;
    let names = wording::distinct_titles(outcome, LONGEST_NAME);
    for (finding, name) in outcome.findings.iter().zip(&names) {
        test_case(&mut xml, finding, name, outcome)?;
    }
    let mut lines = vec![format!("judged: {}", wording::judged(outcome))];
    let notes = outcome.notes.iter();
    lines.extend(notes.map(|note| visible_text(note).into_owned()));
    text_in(&mut xml, "system-out", &[], &lines.join("\n"))?;
    end(&mut xml, "testsuite")?;
    end(&mut xml, "testsuites")?;
    xml.get_mut().write_all(b"\n")
}

type Xml<'a> = Writer<&'a mut dyn Write>;

fn test_case(
    xml: &mut Xml<'_>,
    finding: &Finding,
    name: &str,
    outcome: &Outcome,
) -> io::Result<()> {
    start(
        xml,
        "testcase",
        &[("classname", "spyhole.check"), ("name", name)],
    )?;
    let message = visible_text(&finding.message);
    let mut lines = vec![
        message.clone().into_owned(),
        format!("rule: {}", visible_text(&finding.rule)),
    ];
    let details = wording::details_alone(finding, outcome).into_iter();
    lines.extend(details.map(|(what, detail)| format!("{what}: {detail}")));
    let text = lines.join("\n");
    let verdict = wording::verdict(finding.verdict);
    let attributes = [("message", &*message), ("type", verdict)];
    match finding.verdict {
        Verdict::Failed => text_in(xml, "failure", &attributes, &text)?,
        Verdict::Inconclusive => text_in(xml, "skipped", &attributes, &text)?,
        Verdict::Passed => text_in(xml, "system-out", &[], &text)?,
    }
    end(xml, "testcase")
}

fn properties(outcome: &Outcome) -> Vec<(String, String)> {
    let setting = &outcome.setting;
    let visible = |text: &str| visible_text(text).into_owned();
    let optional = |text: &Option<String>| text.as_deref().map_or_else(String::new, visible);
    let mut properties: Vec<(String, String)> = [
        ("program", visible(&setting.program)),
        ("python", visible(&setting.python)),
        ("mode", visible(&setting.mode)),
        ("rate", setting.rate.to_string()),
        ("runs", setting.runs.to_string()),
        ("runs_before", setting.runs_before.to_string()),
        ("samples", setting.samples.to_string()),
        ("judged", wording::judged(outcome)),
        ("confidence", setting.confidence.to_string()),
        ("against", optional(&setting.against)),
        ("rules", optional(&setting.rules)),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect();
    for (what, path) in wording::flamegraphs(&outcome.flamegraphs) {
        properties.push((format!("flamegraph_{what}"), wording::path(path)));
    }
    properties.retain(|(_, value)| !value.is_empty() && value != "NaN");
    properties
}

fn tag<'a>(name: &'a str, attributes: &[(&str, &str)]) -> BytesStart<'a> {
    BytesStart::new(name).with_attributes(attributes.iter().copied())
}

fn start(xml: &mut Xml<'_>, name: &str, attributes: &[(&str, &str)]) -> io::Result<()> {
    xml.write_event(Event::Start(tag(name, attributes)))
}

fn end(xml: &mut Xml<'_>, name: &str) -> io::Result<()> {
    xml.write_event(Event::End(BytesEnd::new(name)))
}

/// An element that holds only text and is not indented.
fn text_in(
    xml: &mut Xml<'_>,
    name: &str,
    attributes: &[(&str, &str)],
    text: &str,
) -> io::Result<()> {
    start(xml, name, attributes)?;
    xml.write_event(Event::Text(BytesText::new(text)))?;
    end(xml, name)
}
