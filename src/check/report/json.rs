//! For programs: everything in the outcome. Keys keep their meaning, and new ones may be added, so
//! readers should skip keys that they do not know. `format` changes when a key is removed or changes its
//! meaning.
//!
//! ```text
//! format       1
//! verdict      "passed", "inconclusive" or "failed"
//! findings     one a rule, in the order of the rules:
//!   rule         as the user wrote it
//!   name         what the user calls it, or null
//!   reason       why it is there, or null
//!   verdict      as above
//!   message      one sentence: what was found, beside what was allowed
//!   before       an estimate, or null
//!   after        an estimate, or null
//!   change       an estimate, or null
//!   values       the figure of each run, in the unit of before and after
//!   values_before  the same of the version before; where both were run in turn, those of one repeat
//!                have the same position
//!   place        where to look: a place, or null
//!   way          places, outermost first
//!   notes        sentences
//! judged       rules: how many there are; decided: how many passed or failed; samples: how many both
//!              versions have
//! setting      program, python, mode, rate, runs, runs_before, samples, confidence (percent),
//!              against (or null), rules (a file, or null), seconds
//! flamegraphs  before, after, difference: paths, or null
//! notes        sentences
//!
//! an estimate  value, low, high: numbers, null where there is none or no bound;
//!              unit: "percent", "seconds", "seconds_per_unit", "percent_change", "points" or
//!              "samples"
//! a place      function, file (from its package on), path (below the directory of the workload,
//!              or null), line (or null)
//! ```
//!
//! SARIF's property bags hold the same estimates, `judged` and `setting`.

use std::borrow::Cow;
use std::io::{self, Write};
use std::path::Path;

use serde::Serialize;

use super::wording;
use crate::check::{self, Unit};
use crate::output::visible_text;

type Text<'a> = Cow<'a, str>;

#[derive(Serialize)]
struct Document<'a> {
    format: u32,
    verdict: &'static str,
    findings: Vec<Finding<'a>>,
    judged: Judged,
    setting: Setting<'a>,
    flamegraphs: Flamegraphs,
    notes: Vec<Text<'a>>,
}

#[derive(Serialize)]
struct Finding<'a> {
    rule: Text<'a>,
    name: Option<Text<'a>>,
    reason: Option<Text<'a>>,
    verdict: &'static str,
    message: Text<'a>,
    #[serde(flatten)]
    figures: Figures,
    #[serde(flatten)]
    values: Values<'a>,
    place: Option<Place<'a>>,
    way: Vec<Place<'a>>,
    notes: Vec<Text<'a>>,
}

/// The figures of a finding.
#[derive(Serialize)]
pub(super) struct Figures {
    before: Option<Estimate>,
    after: Option<Estimate>,
    change: Option<Estimate>,
}

/// The figure of each run.
#[derive(Serialize)]
struct Values<'a> {
    values: &'a [f64],
    values_before: &'a [f64],
}

/// Serde writes a float that is not finite as null.
#[derive(Serialize)]
struct Estimate {
    value: f64,
    low: f64,
    high: f64,
    unit: &'static str,
}

#[derive(Serialize)]
struct Place<'a> {
    function: Text<'a>,
    file: Text<'a>,
    path: Option<Text<'a>>,
    line: Option<u32>,
}

#[derive(Serialize)]
pub(super) struct Setting<'a> {
    program: Text<'a>,
    python: Text<'a>,
    mode: Text<'a>,
    rate: u32,
    runs: usize,
    runs_before: usize,
    samples: u64,
    confidence: f64,
    against: Option<Text<'a>>,
    rules: Option<Text<'a>>,
    seconds: f64,
}

/// What the verdict is based on.
#[derive(Serialize)]
pub(super) struct Judged {
    rules: usize,
    decided: usize,
    samples: u64,
}

#[derive(Serialize)]
struct Flamegraphs {
    before: Option<String>,
    after: Option<String>,
    difference: Option<String>,
}

pub(super) fn write(outcome: &check::Outcome, out: &mut dyn Write) -> io::Result<()> {
    let path = |path: &Option<_>| path.as_deref().map(|path: &Path| wording::path(path));
    let document = Document {
        format: 1,
        verdict: wording::verdict(outcome.verdict),
        findings: outcome.findings.iter().map(Finding::of).collect(),
        judged: Judged::of(outcome),
        setting: Setting::of(&outcome.setting),
        flamegraphs: Flamegraphs {
            before: path(&outcome.flamegraphs.before),
            after: path(&outcome.flamegraphs.after),
            difference: path(&outcome.flamegraphs.difference),
        },
        notes: texts(&outcome.notes),
    };
    pretty(&document, out)
}

/// Indented, since people read such files, too.
pub(super) fn pretty(document: &impl Serialize, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, document)?;
    out.write_all(b"\n")
}

fn text(text: &Option<String>) -> Option<Text<'_>> {
    text.as_deref().map(visible_text)
}

fn texts(texts: &[String]) -> Vec<Text<'_>> {
    texts.iter().map(|text| visible_text(text)).collect()
}

impl Finding<'_> {
    fn of(finding: &check::Finding) -> Finding<'_> {
        Finding {
            rule: visible_text(&finding.rule),
            name: text(&finding.name),
            reason: text(&finding.reason),
            verdict: wording::verdict(finding.verdict),
            message: visible_text(&finding.message),
            figures: Figures::of(finding),
            values: Values {
                values: &finding.values,
                values_before: &finding.values_before,
            },
            place: finding.place.as_ref().map(Place::of),
            way: finding.way.iter().map(Place::of).collect(),
            notes: texts(&finding.notes),
        }
    }
}

impl Figures {
    pub fn of(finding: &check::Finding) -> Figures {
        Figures {
            before: finding.before.as_ref().map(Estimate::of),
            after: finding.after.as_ref().map(Estimate::of),
            change: finding.change.as_ref().map(Estimate::of),
        }
    }
}

impl Judged {
    pub fn of(outcome: &check::Outcome) -> Judged {
        Judged {
            rules: outcome.findings.len(),
            decided: wording::decided(outcome),
            samples: outcome.setting.samples,
        }
    }
}

impl Estimate {
    fn of(estimate: &check::Estimate) -> Estimate {
        let check::Estimate {
            value,
            low,
            high,
            unit,
        } = *estimate;
        Estimate {
            value,
            low,
            high,
            unit: match unit {
                Unit::Percent => "percent",
                Unit::Seconds => "seconds",
                Unit::SecondsPerUnit => "seconds_per_unit",
                Unit::PercentChange => "percent_change",
                Unit::Points => "points",
                Unit::Samples => "samples",
            },
        }
    }
}

impl Place<'_> {
    fn of(place: &check::Place) -> Place<'_> {
        Place {
            function: visible_text(&place.function),
            file: visible_text(&place.file),
            path: text(&place.path),
            line: (place.line > 0).then_some(place.line),
        }
    }
}

impl Setting<'_> {
    pub fn of(setting: &check::Setting) -> Setting<'_> {
        Setting {
            program: visible_text(&setting.program),
            python: visible_text(&setting.python),
            mode: visible_text(&setting.mode),
            rate: setting.rate,
            runs: setting.runs,
            runs_before: setting.runs_before,
            samples: setting.samples,
            confidence: setting.confidence,
            against: text(&setting.against),
            rules: text(&setting.rules),
            seconds: setting.seconds,
        }
    }
}
