//! SARIF 2.1.0: failed rules as errors, inconclusive ones as warnings, nothing of those that passed.
//!
//! GitHub refuses a whole file if one result has no file (`expected at least one location`). A result
//! therefore points at the nearest of the user's own files (`wording::spot`), else at the file of the
//! library, else at the rules. Without any of these, it becomes a notification of the run and not a
//! result.

use std::io::{self, Write};

use serde::Serialize;

use super::json::{self, Figures, Judged, Setting};
use super::{uri, wording};
use crate::check::{Finding, Outcome, Place, Verdict};
use crate::output::visible_text;

/// In characters. GitHub takes a rule's id of at most 255.
const LONGEST_ID: usize = 200;

/// The base of relative paths: the directory of the sources, in which the workload ran.
const SOURCES: &str = "%SRCROOT%";

#[derive(Serialize)]
struct Log<'a> {
    #[serde(rename = "$schema")]
    schema: &'static str,
    version: &'static str,
    runs: [Run<'a>; 1],
}

#[derive(Serialize)]
struct Run<'a> {
    tool: Tool,
    invocations: [Invocation; 1],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    artifacts: Vec<Artifact>,
    results: Vec<ResultObject>,
    properties: RunProperties<'a>,
}

#[derive(Serialize)]
struct RunProperties<'a> {
    verdict: &'static str,
    judged: Judged,
    setting: Setting<'a>,
}

#[derive(Serialize)]
struct Tool {
    driver: Driver,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Driver {
    name: &'static str,
    semantic_version: &'static str,
    rules: Vec<Rule>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Rule {
    id: String,
    short_description: Message,
    full_description: Message,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Invocation {
    execution_successful: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_execution_notifications: Vec<Notification>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Notification {
    level: &'static str,
    message: Message,
    #[serde(skip_serializing_if = "Option::is_none")]
    associated_rule: Option<RuleReference>,
}

#[derive(Serialize)]
struct RuleReference {
    id: String,
    index: usize,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ResultObject {
    rule_id: String,
    rule_index: usize,
    level: &'static str,
    message: Message,
    locations: [Location; 1],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    code_flows: Vec<CodeFlow>,
    partial_fingerprints: Fingerprints,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    attachments: Vec<Attachment>,
    properties: Figures,
}

/// Identifies a result across runs, even if its line has moved. GitHub makes a fingerprint of its own
/// from the line's text.
#[derive(Serialize)]
struct Fingerprints {
    #[serde(rename = "ruleAndPlace/v1")]
    rule_and_place: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CodeFlow {
    thread_flows: [ThreadFlow; 1],
}

#[derive(Serialize)]
struct ThreadFlow {
    locations: Vec<Step>,
}

#[derive(Serialize)]
struct Step {
    location: Location,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Location {
    physical_location: PhysicalLocation,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    logical_locations: Vec<LogicalLocation>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<Message>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PhysicalLocation {
    artifact_location: ArtifactLocation,
    #[serde(skip_serializing_if = "Option::is_none")]
    region: Option<Region>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LogicalLocation {
    fully_qualified_name: String,
    kind: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Region {
    start_line: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ArtifactLocation {
    uri: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    uri_base_id: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<usize>,
}

#[derive(Serialize)]
struct Artifact {
    location: ArtifactLocation,
    description: Message,
    roles: [&'static str; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Attachment {
    description: Message,
    artifact_location: ArtifactLocation,
}

#[derive(Serialize)]
struct Message {
    text: String,
}

impl Message {
    /// In a message, `{0}` stands for an argument and `[text](target)` is a link. Braces are doubled, as
    /// the standard says. Its escape for brackets is a backslash, which many readers show, and intervals
    /// have brackets. So only where a link is possible, the parenthesis is spelt out.
    fn of(text: &str) -> Message {
        let text = visible_text(text).replace('{', "{{").replace('}', "}}");
        Message {
            text: text.replace("](", "]\\x28"),
        }
    }
}

pub(super) fn write(outcome: &Outcome, out: &mut dyn Write) -> io::Result<()> {
    let ids = wording::distinct_titles(outcome, LONGEST_ID);
    let rules = outcome.findings.iter().zip(&ids).map(|(finding, id)| Rule {
        id: id.clone(),
        short_description: Message::of(&finding.rule),
        full_description: Message::of(finding.reason.as_ref().unwrap_or(&finding.rule)),
    });
    let mut results = Vec::new();
    let mut notifications = Vec::new();
    for (index, (finding, id)) in outcome.findings.iter().zip(&ids).enumerate() {
        let level = match finding.verdict {
            Verdict::Failed => "error",
            Verdict::Inconclusive => "warning",
            Verdict::Passed => continue,
        };
        let id = id.clone();
        let message = message(finding, outcome);
        match location(finding, outcome.setting.rules.as_deref()) {
            Some(location) => results.push(ResultObject {
                rule_id: id,
                rule_index: index,
                level,
                message,
                locations: [location],
                code_flows: way(finding),
                partial_fingerprints: fingerprints(finding),
                attachments: attachments(outcome),
                properties: Figures::of(finding),
            }),
            None => notifications.push(Notification {
                level,
                message,
                associated_rule: Some(RuleReference { id, index }),
            }),
        }
    }
    let judged = format!("judged: {}", wording::judged(outcome));
    let notes = std::iter::once(&judged).chain(&outcome.notes);
    notifications.extend(notes.map(|note| Notification {
        level: "note",
        message: Message::of(note),
        associated_rule: None,
    }));
    let log = Log {
        schema: "https://json.schemastore.org/sarif-2.1.0.json",
        version: "2.1.0",
        runs: [Run {
            tool: Tool {
                driver: Driver {
                    name: "spyhole",
                    semantic_version: env!("CARGO_PKG_VERSION"),
                    rules: rules.collect(),
                },
            },
            invocations: [Invocation {
                execution_successful: true,
                tool_execution_notifications: notifications,
            }],
            artifacts: artifacts(outcome),
            results,
            properties: RunProperties {
                verdict: wording::verdict(outcome.verdict),
                judged: Judged::of(outcome),
                setting: Setting::of(&outcome.setting),
            },
        }],
    };
    json::pretty(&log, out)
}

/// The sentence, then the details, a line each. GitHub shows the first sentence in lists.
fn message(finding: &Finding, outcome: &Outcome) -> Message {
    let details = wording::details_alone(finding, outcome).into_iter();
    let lines = details.map(|(what, detail)| Message::of(&format!("{what}: {detail}")).text);
    let message = Message::of(&finding.message).text;
    Message {
        text: std::iter::once(message)
            .chain(lines)
            .collect::<Vec<_>>()
            .join("\n"),
    }
}

fn location(finding: &Finding, rules: Option<&str>) -> Option<Location> {
    let own = wording::spot(finding).map(|(path, line)| in_sources(path, line));
    let places = || finding.place.iter().chain(finding.way.iter().rev());
    let physical_location = own
        .or_else(|| places().find_map(in_library))
        .or_else(|| Some(in_sources(wording::below(rules?)?, 0)))?;
    Some(Location {
        physical_location,
        logical_locations: finding.place.iter().map(logical).collect(),
        message: None,
    })
}

/// The steps of the call path that are in a file, and the place at its end.
fn way(finding: &Finding) -> Vec<CodeFlow> {
    let places = finding.way.iter().chain(&finding.place);
    let locations: Vec<Step> = places
        .filter_map(|place| {
            let own = place.path.as_deref().and_then(wording::below);
            let physical_location = match own {
                Some(path) => in_sources(path, place.line),
                None => in_library(place)?,
            };
            Some(Step {
                location: Location {
                    physical_location,
                    logical_locations: vec![logical(place)],
                    message: Some(Message::of(&wording::place(place))),
                },
            })
        })
        .collect();
    if finding.way.is_empty() || locations.is_empty() {
        return Vec::new();
    }
    vec![CodeFlow {
        thread_flows: [ThreadFlow { locations }],
    }]
}

fn in_sources(path: &str, line: u32) -> PhysicalLocation {
    PhysicalLocation {
        artifact_location: ArtifactLocation {
            uri: uri::relative(path),
            uri_base_id: Some(SOURCES),
            index: None,
        },
        region: region(line),
    }
}

/// A file outside the sources, by its name from its package on.
fn in_library(place: &Place) -> Option<PhysicalLocation> {
    let path = wording::below(place.file.trim_start_matches('/'))?;
    Some(PhysicalLocation {
        artifact_location: ArtifactLocation {
            uri: uri::relative(path),
            uri_base_id: None,
            index: None,
        },
        region: region(place.line),
    })
}

fn region(line: u32) -> Option<Region> {
    (line > 0).then_some(Region { start_line: line })
}

fn logical(place: &Place) -> LogicalLocation {
    LogicalLocation {
        fully_qualified_name: visible_text(&place.function).into_owned(),
        kind: "function",
    }
}

fn fingerprints(finding: &Finding) -> Fingerprints {
    let mut parts = vec![visible_text(&finding.rule)];
    if let Some(place) = &finding.place {
        parts.extend([visible_text(&place.function), visible_text(&place.file)]);
    }
    Fingerprints {
        rule_and_place: parts.join(" | "),
    }
}

fn flamegraph(outcome: &Outcome) -> impl Iterator<Item = (Message, ArtifactLocation)> {
    let flamegraphs = wording::flamegraphs(&outcome.flamegraphs).into_iter();
    flamegraphs.enumerate().map(|(index, (what, path))| {
        (
            Message::of(&format!("flamegraph: {what}")),
            ArtifactLocation {
                uri: uri::of_file(path),
                uri_base_id: None,
                index: Some(index),
            },
        )
    })
}

fn artifacts(outcome: &Outcome) -> Vec<Artifact> {
    flamegraph(outcome)
        .map(|(description, location)| Artifact {
            location,
            description,
            roles: ["attachment"],
        })
        .collect()
}

fn attachments(outcome: &Outcome) -> Vec<Attachment> {
    flamegraph(outcome)
        .map(|(description, artifact_location)| Attachment {
            description,
            artifact_location,
        })
        .collect()
}
