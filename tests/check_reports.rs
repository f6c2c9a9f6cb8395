//! The reports of a check: against golden files, and read by real readers of their formats.

mod common;
mod golden;
mod outcomes;

use std::io::Write as _;
use std::process::{Command, Stdio};

use common::lacking;
use comrak::nodes::NodeValue;
use golden::{assert_golden, without_version};
use outcomes::{NAMES, django, hostile, hurting, made_of};
use proptest::prelude::*;
use serde_json::Value;
use spyhole::check::report::{ReportFormat, write};
use spyhole::check::{Outcome, Verdict};

const FORMATS: [(ReportFormat, &str); 6] = [
    (ReportFormat::Text, "txt"),
    (ReportFormat::Markdown, "md"),
    (ReportFormat::Junit, "junit.xml"),
    (ReportFormat::Sarif, "sarif"),
    (ReportFormat::Json, "json"),
    (ReportFormat::Annotations, "annotations"),
];

fn report(format: ReportFormat, outcome: &Outcome) -> String {
    let mut out = Vec::new();
    write(format, outcome, &mut out).expect("a Vec takes everything");
    String::from_utf8(out).expect("UTF-8")
}

fn schema(name: &str) -> String {
    format!("{}/tests/schemas/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// Whether a reader that is another program takes the text; `None` where it is not here.
fn taken(command: &mut Command, text: &str) -> Option<Result<(), String>> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .ok()?;
    let mut input = child.stdin.take().expect("a pipe");
    input.write_all(text.as_bytes()).expect("it reads all");
    drop(input);
    let output = child.wait_with_output().expect("it ends");
    match output.status.success() {
        true => Some(Ok(())),
        false => Some(Err(String::from_utf8_lossy(&output.stderr).into_owned())),
    }
}

#[test]
fn reports_are_as_before() {
    for (name, outcome) in [("django", django()), ("hostile", hostile())] {
        for (format, ending) in FORMATS {
            let text = report(format, &outcome);
            let text = without_version(&text, "\"semanticVersion\": \"");
            assert_golden(&format!("check/{name}.{ending}"), &text);
        }
    }
}

#[test]
fn a_check_without_rules_or_with_one_is_reported() {
    let mut outcome = django();
    outcome.findings.truncate(1);
    let one = Outcome::of(outcome.findings, outcome.setting);
    let none = Outcome::of(Vec::new(), one.setting.clone());
    for (outcome, head) in [(one, "passed: 1 rule\n"), (none, "passed: 0 rules\n")] {
        let text = report(ReportFormat::Text, &outcome);
        assert!(text.starts_with(&format!("spyhole check {head}")), "{text}");
        assert!(report(ReportFormat::Annotations, &outcome).is_empty());
        assert_fits_sarif(&report(ReportFormat::Sarif, &outcome));
        assert_fits_junit(&report(ReportFormat::Junit, &outcome));
        assert_tame_markdown(&report(ReportFormat::Markdown, &outcome), &outcome);
    }
}

/// Escaping is each report's own affair: here it is given names that nobody has made visible.
#[test]
fn nothing_unseen_is_in_any_report() {
    for (format, _) in FORMATS {
        for c in report(format, &hostile()).chars() {
            let unseen = (c.is_control() && c != '\n')
                || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}' | '\u{e0041}');
            assert!(!unseen, "{c:?} in {format:?}");
        }
    }
}

// JSON

#[test]
fn json_holds_everything_and_no_number_where_there_is_none() {
    let json: Value = serde_json::from_str(&report(ReportFormat::Json, &django())).expect("JSON");
    assert_eq!(json["format"], 1);
    assert_eq!(json["verdict"], "failed");
    let found = &json["findings"][2];
    assert_eq!(found["name"], "The list stays fast");
    assert_eq!(found["before"]["unit"], "seconds");
    assert_eq!(found["change"]["high"], 11.6);
    assert_eq!(found["place"]["path"], "shop/views.py");
    assert_eq!(json["findings"][4]["after"]["high"], Value::Null);
    assert_eq!(json["setting"]["rules"], "spyhole.toml");

    let json: Value = serde_json::from_str(&report(ReportFormat::Json, &hostile())).expect("JSON");
    assert_eq!(json["findings"].as_array().map(Vec::len), Some(NAMES.len()));
    assert_eq!(json["findings"][0]["before"]["value"], Value::Null);
    assert_eq!(json["setting"]["confidence"], Value::Null);
    assert_eq!(json["findings"][0]["rule"], NAMES[0]);
}

// JUnit

fn assert_fits_junit(xml: &str) {
    let mut xmllint = Command::new("xmllint");
    xmllint.args([
        "--noout",
        "--nonet",
        "--schema",
        &schema("junit-10.xsd"),
        "-",
    ]);
    match taken(&mut xmllint, xml) {
        Some(result) => result.expect("what fits the schema of Jenkins' xUnit plugin"),
        None => lacking("JUnit's schema", "no xmllint here"),
    }
}

#[test]
fn junit_is_read_with_a_case_a_rule() {
    for outcome in [django(), hostile()] {
        let xml = report(ReportFormat::Junit, &outcome);
        assert_fits_junit(&xml);
        let read = junit_parser::from_reader(xml.as_bytes()).expect("JUnit's XML");
        let [suite] = &read.suites[..] else {
            panic!("more than one suite")
        };
        let count = |verdict| {
            let of_these = outcome.findings.iter().filter(|f| f.verdict == verdict);
            of_these.count() as u64
        };
        assert_eq!(suite.tests, outcome.findings.len() as u64);
        assert_eq!(suite.failures, count(Verdict::Failed));
        assert_eq!(suite.skipped, count(Verdict::Inconclusive));
        assert_eq!(suite.cases.len(), outcome.findings.len());
        for (case, finding) in suite.cases.iter().zip(&outcome.findings) {
            assert_eq!(case.status.is_failure(), finding.verdict == Verdict::Failed);
            assert_eq!(
                case.status.is_skipped(),
                finding.verdict == Verdict::Inconclusive
            );
            let seen = !finding
                .message
                .contains(|c: char| c.is_control() || "\u{202e}\u{200b}".contains(c));
            if case.status.is_failure() && seen {
                assert_eq!(case.status.failure_as_ref().message, finding.message);
            }
        }
    }
    let xml = report(ReportFormat::Junit, &django());
    let read = junit_parser::from_reader(xml.as_bytes()).expect("JUnit's XML");
    let properties = &read.suites[0].properties.hashmap;
    assert_eq!(properties["program"], "manage.py test");
    assert_eq!(properties["flamegraph_after"], "out/after.svg");
}

// SARIF

fn assert_fits_sarif(json: &str) {
    const VALIDATE: &str = "import json, sys, jsonschema\n\
        schema = json.load(open(sys.argv[1]))\n\
        jsonschema.Draft7Validator(schema).validate(json.load(sys.stdin))\n";
    // Debian's own interpreter, which has the module as a package of Debian's.
    let python = "/usr/bin/python3";
    let has_module = Command::new(python)
        .args(["-c", "import jsonschema"])
        .stderr(Stdio::null())
        .status();
    if !has_module.is_ok_and(|status| status.success()) {
        lacking("SARIF's schema", "no Python with jsonschema here");
        return;
    }
    let mut validator = Command::new(python);
    validator.args(["-c", VALIDATE, &schema("sarif-2.1.0.json")]);
    let result = taken(&mut validator, json).expect("an interpreter");
    result.expect("what fits SARIF's schema");
}

/// Every object with that key, wherever it is.
fn all_with<'a>(value: &'a Value, key: &str, found: &mut Vec<&'a Value>) {
    found.extend(value.get(key));
    match value {
        Value::Array(values) => values.iter().for_each(|value| all_with(value, key, found)),
        Value::Object(values) => values
            .values()
            .for_each(|value| all_with(value, key, found)),
        _ => {}
    }
}

#[test]
fn sarif_fits_its_schema_and_what_github_asks_beyond_it() {
    for outcome in [django(), hostile()] {
        let text = report(ReportFormat::Sarif, &outcome);
        assert_fits_sarif(&text);
        let json: Value = serde_json::from_str(&text).expect("JSON");
        let run = &json["runs"][0];
        let results = run["results"].as_array().expect("results");
        for result in results {
            assert!(
                result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"].is_string(),
                "GitHub refuses a file with a result that is nowhere"
            );
            let rule =
                &run["tool"]["driver"]["rules"][result["ruleIndex"].as_u64().unwrap() as usize];
            assert_eq!(rule["id"], result["ruleId"]);
        }
        let told = outcome
            .findings
            .iter()
            .filter(|f| f.verdict != Verdict::Passed);
        let notified = run["invocations"][0]["toolExecutionNotifications"].as_array();
        let of_rules = notified
            .into_iter()
            .flatten()
            .filter(|it| it.get("associatedRule").is_some());
        assert_eq!(results.len() + of_rules.count(), told.count());

        let mut lines = Vec::new();
        all_with(&json, "startLine", &mut lines);
        assert!(lines.iter().all(|line| line.as_u64() >= Some(1)));
        let mut uris = Vec::new();
        all_with(&json, "uri", &mut uris);
        for uri in uris {
            let uri = uri.as_str().expect("a string");
            let plain = uri.strip_prefix("file://").unwrap_or(uri);
            assert!(
                plain
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"-._~/%".contains(&b)),
                "{uri}"
            );
        }
        let mut bases = Vec::new();
        all_with(&json, "artifactLocation", &mut bases);
        for location in bases.iter().filter(|it| it.get("uriBaseId").is_some()) {
            let uri = location["uri"].as_str().expect("a string");
            assert!(!uri.starts_with('/') && !uri.split('/').any(|part| part == ".."));
        }
        let mut texts = Vec::new();
        all_with(&json, "text", &mut texts);
        assert!(
            !texts
                .iter()
                .any(|text| text.as_str().unwrap().contains("]("))
        );
    }
}

#[test]
fn a_finding_in_a_library_points_at_the_line_that_leads_there() {
    let text = report(ReportFormat::Sarif, &django());
    let json: Value = serde_json::from_str(&text).expect("JSON");
    let result = &json["runs"][0]["results"][0];
    let place = &result["locations"][0]["physicalLocation"];
    assert_eq!(place["artifactLocation"]["uri"], "shop/models.py");
    assert_eq!(place["region"]["startLine"], 12);
    let annotations = report(ReportFormat::Annotations, &django());
    assert!(annotations.starts_with("::error file=shop/models.py,line=12,title="));
}

#[test]
fn what_no_file_is_known_for_is_no_result_that_github_would_refuse() {
    let mut outcome = django();
    outcome.setting.rules = None;
    let text = report(ReportFormat::Sarif, &outcome);
    assert_fits_sarif(&text);
    let json: Value = serde_json::from_str(&text).expect("JSON");
    let run = &json["runs"][0];
    assert_eq!(run["results"].as_array().map(Vec::len), Some(3));
    let notification = &run["invocations"][0]["toolExecutionNotifications"][0];
    assert_eq!(notification["level"], "error");
    assert_eq!(notification["associatedRule"]["id"], "total wall < 60s");
}

// Annotations and text: what GitHub's runner makes of a line.

#[derive(Debug)]
struct RunnerCommand {
    name: String,
    properties: Vec<(String, String)>,
    data: String,
}

/// As `ActionCommand.TryParseV2` of the runner reads a line.
fn runner_command(line: &str) -> Option<RunnerCommand> {
    let rest = line.trim_start().strip_prefix("::")?;
    let (head, data) = rest.split_once("::")?;
    let (name, properties) = head.split_once(' ').unwrap_or((head, ""));
    let unescape = |text: &str| {
        text.replace("%0D", "\r")
            .replace("%0A", "\n")
            .replace("%25", "%")
    };
    let property = |property: &str| {
        let (key, value) = property.split_once('=')?;
        let value = value.replace("%3A", ":").replace("%2C", ",");
        Some((key.to_owned(), unescape(&value)))
    };
    Some(RunnerCommand {
        name: name.to_owned(),
        properties: properties.split(',').filter_map(property).collect(),
        data: unescape(data),
    })
}

#[test]
fn each_line_of_the_annotations_is_one_command_and_holds_no_other() {
    let outcome = hostile();
    let text = report(ReportFormat::Annotations, &outcome);
    let mut counts = [0, 0];
    for line in text.lines() {
        assert!(!line.contains("##"), "{line}");
        let command = runner_command(line).expect("a command");
        match command.name.as_str() {
            "error" => counts[0] += 1,
            "warning" => counts[1] += 1,
            other => panic!("{other}"),
        }
        for (key, _) in &command.properties {
            assert!(["file", "line", "title"].contains(&key.as_str()), "{line}");
        }
        let lines = command.properties.iter().filter(|(key, _)| key == "line");
        assert!(lines.clone().count() <= 1 && lines.clone().all(|(_, line)| line == "7"));
        assert!(!command.data.is_empty() || command.properties.is_empty());
    }
    // GitHub shows no more of a kind.
    assert_eq!(counts, [10, 10]);
    assert!(text.contains("2 more rules failed"), "{text}");
}

#[test]
fn an_annotation_is_read_back_as_it_was_meant() {
    let outcome = hurting(vec![made_of("a%0A,b::c 100%: d", Verdict::Failed)]);
    let text = report(ReportFormat::Annotations, &outcome);
    let command = runner_command(&text).expect("a command");
    let properties: Vec<_> = command
        .properties
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_str()))
        .collect();
    assert_eq!(
        properties,
        [
            ("file", "a%0A,b::c 100%: d"),
            ("line", "7"),
            ("title", "spyhole: a%0A,b::c 100%: d")
        ]
    );
    assert!(
        command
            .data
            .starts_with("a%0A,b::c 100%: d\nrule: a%0A,b::c 100%: d\n")
    );
}

#[test]
fn no_line_of_the_text_is_a_command_for_a_runner() {
    let text = report(ReportFormat::Text, &hostile());
    for line in text.lines() {
        assert!(runner_command(line).is_none(), "{line}");
        assert!(!line.contains("##"), "{line}");
    }
}

// Markdown

/// Everything that GitHub or GitLab makes more of than text.
fn markdown_options() -> comrak::Options<'static> {
    let mut options = comrak::Options::default();
    let extension = &mut options.extension;
    extension.strikethrough = true;
    extension.table = true;
    extension.autolink = true;
    extension.tasklist = true;
    extension.footnotes = true;
    extension.inline_footnotes = true;
    extension.description_lists = true;
    extension.alerts = true;
    extension.math_dollars = true;
    extension.math_code = true;
    extension.wikilinks_title_after_pipe = true;
    extension.underline = true;
    extension.superscript = true;
    extension.subscript = true;
    extension.highlight = true;
    extension.insert = true;
    options.parse.relaxed_autolinks = true;
    options.parse.tasklist_in_table = true;
    options
}

/// Nothing but headings, lists, one table of as many cells as it should have, code, and text in
/// which neither GitHub nor GitLab looks for anything.
fn assert_tame_markdown(text: &str, outcome: &Outcome) {
    assert!(text.len() <= 60_000, "{}", text.len());
    let arena = comrak::Arena::new();
    let root = comrak::parse_document(&arena, text, &markdown_options());
    let (mut rows, mut headings) = (0, 0);
    for node in root.descendants() {
        match &node.data.borrow().value {
            NodeValue::Document
            | NodeValue::List(_)
            | NodeValue::Item(_)
            | NodeValue::Paragraph
            | NodeValue::Table(_)
            | NodeValue::TableCell
            | NodeValue::Code(_) => {}
            NodeValue::Heading(_) => headings += 1,
            NodeValue::TableRow(_) => {
                rows += 1;
                assert_eq!(node.children().count(), 6, "{text}");
            }
            NodeValue::Text(words) => {
                let acts = words.contains([
                    '@', '#', '<', '>', '|', '/', '*', '_', '~', '$', '!', '^', '\\', '=', '{',
                    '`', '&',
                ]);
                assert!(
                    !acts && !words.contains("www.") && !words.contains("::"),
                    "{words:?}"
                );
            }
            other => panic!("{other:?} in\n{text}"),
        }
    }
    let told = outcome
        .findings
        .iter()
        .filter(|f| f.verdict != Verdict::Passed);
    let expected = match outcome.findings.len() {
        0 => 0,
        rules => rules + 1,
    };
    if !text.contains(" more rules") {
        assert_eq!((rows, headings), (expected, told.count() + 2), "{text}");
    }
}

#[test]
fn markdown_made_to_hurt_is_read_as_code_and_nothing_else() {
    for outcome in [django(), hostile()] {
        assert_tame_markdown(&report(ReportFormat::Markdown, &outcome), &outcome);
    }
    for name in NAMES {
        let outcome = hurting(vec![made_of(name, Verdict::Failed)]);
        assert_tame_markdown(&report(ReportFormat::Markdown, &outcome), &outcome);
    }
}

#[test]
fn markdown_shows_names_as_they_are() {
    for name in [
        "a | b || c",
        "`one` ``two`` ```three",
        " lead",
        "&lt;b&gt;",
        "a\\b",
    ] {
        let outcome = hurting(vec![made_of(name, Verdict::Failed)]);
        let text = report(ReportFormat::Markdown, &outcome);
        let arena = comrak::Arena::new();
        let root = comrak::parse_document(&arena, &text, &markdown_options());
        let cell = root
            .descendants()
            .find(|node| matches!(node.data.borrow().value, NodeValue::TableRow(false)))
            .and_then(|row| row.children().nth(1))
            .expect("a cell");
        // `name (rule)`, and the rule is code as a whole.
        let code = cell
            .last_child()
            .and_then(|end| end.previous_sibling())
            .expect("code");
        let NodeValue::Code(code) = &code.data.borrow().value else {
            panic!("no code in {text}")
        };
        assert_eq!(code.literal, name);
    }
}

#[test]
fn markdown_stays_short_and_says_what_it_leaves_out() {
    let long = "| `x` ".repeat(20_000);
    let findings = |count: usize, name: &str| {
        hurting((0..count).map(|_| made_of(name, Verdict::Failed)).collect())
    };
    for outcome in [
        findings(1, &long),
        findings(500, &long),
        findings(5000, "f"),
    ] {
        let text = report(ReportFormat::Markdown, &outcome);
        assert_tame_markdown(&text, &outcome);
        if outcome.findings.len() > 1 {
            assert!(text.contains(" more rules left out"), "{text}");
            assert!(text.contains(" more rules in full left out"), "{text}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn markdown_of_any_name_is_tame(name in "[a1 `|\\\\<>\\[\\]()*_~$@#:!/+=.&{}^%\"'\n-]{0,40}") {
        let outcome = hurting(vec![made_of(&name, Verdict::Failed)]);
        assert_tame_markdown(&report(ReportFormat::Markdown, &outcome), &outcome);
    }

    #[test]
    fn annotations_of_any_name_are_one_command(name in "[a:,%=\n\r# \\[\\]0AD]{0,40}") {
        let outcome = hurting(vec![made_of(&name, Verdict::Failed)]);
        let text = report(ReportFormat::Annotations, &outcome);
        prop_assert_eq!(text.lines().count(), 1);
        prop_assert!(!text.contains("##"));
        let command = runner_command(&text).expect("a command");
        prop_assert_eq!(command.name, "error");
    }
}
