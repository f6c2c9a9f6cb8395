//! `spyhole ps`.

use anyhow::anyhow;
use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use serde::Serialize;

use super::args::Ps;
use super::exit;
use super::terminal::{self, escape, shortened};
use crate::model::{Pid, TargetStr};
use crate::survey::{Found, Survey};
use crate::target::diagnosis::{Attempt, Reason, explain};

/// The longest command line that is shown in full.
const LONGEST: usize = 60;

/// Lists the Python processes.
///
/// # Errors
/// When standard output cannot be written.
pub fn run(arguments: &Ps) -> Result<u8, anyhow::Error> {
    let here = explain(Pid::ours(), Attempt::Read);
    if here.reason == Reason::OtherPidNamespace {
        return Err(anyhow!("{here}"));
    }
    let mut survey = Survey::take();
    if let Some(pattern) = &arguments.pattern {
        let found = |found: &Found| pattern.is_match(&TargetStr::joined(&found.command));
        survey.found.retain(found);
    }
    let text = match arguments.json {
        true => json(&survey)?,
        false => table(&survey, &survey.found.iter().collect::<Vec<_>>()),
    };
    terminal::show(&text)?;
    let refused = survey.found.iter().filter(|found| found.refused).count();
    if refused > 0 {
        terminal::say(format_args!(
            "{refused} of them may not be looked into; `spyhole doctor PID` says why"
        ));
    }
    if survey.found.is_empty() {
        terminal::say("No Python process is to be seen");
        return Ok(exit::FAILED);
    }
    Ok(0)
}

/// Some processes of a survey, listed for an error message.
#[must_use]
pub fn lines(survey: &Survey, pids: &[Pid]) -> String {
    let found = survey.found.iter();
    let some: Vec<_> = found.filter(|it| pids.contains(&it.pid())).collect();
    table(survey, &some)
}

fn table(survey: &Survey, some: &[&Found]) -> String {
    if some.is_empty() {
        return String::new();
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_content_arrangement(ContentArrangement::Disabled);
    table.set_header([
        "PID",
        "PYTHON",
        "CPU",
        "THREADS",
        "PORTS",
        "CONTAINER",
        "ROLE",
        "COMMAND",
    ]);
    for found in some {
        table.add_row([
            found.pid().to_string(),
            python(found).unwrap_or("?".to_owned()),
            format!("{:.0} %", 100.0 * found.cpu),
            found.threads.to_string(),
            ports(found),
            container(found),
            format!("{}{}", branch(survey, found, some), role(found)),
            shown(&found.command),
        ]);
    }
    for column in [0, 2, 3] {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let mut text = String::new();
    for line in table.lines() {
        text += line.trim_end();
        text.push('\n');
    }
    text
}

/// Its version, or that it is PyPy.
fn python(found: &Found) -> Option<String> {
    match found.is_pypy {
        true => Some("PyPy".to_owned()),
        false => found.python.map(|python| python.to_string()),
    }
}

fn role(found: &Found) -> &str {
    found.role.map_or("-", |role| role.name)
}

fn ports(found: &Found) -> String {
    match &found.ports {
        None => "?".to_owned(),
        Some(ports) if ports.is_empty() => "-".to_owned(),
        Some(ports) => {
            let ports: Vec<_> = ports.iter().map(u16::to_string).collect();
            ports.join(",")
        }
    }
}

fn container(found: &Found) -> String {
    let short = |it: &crate::survey::Container| escape(it.short_id());
    found.container.as_ref().map_or("-".to_owned(), short)
}

/// Indents a process by the number of its ancestors that are shown.
fn branch(survey: &Survey, found: &Found, some: &[&Found]) -> String {
    let mut depth = 0;
    let mut next = survey.above(found);
    while let Some(above) = next {
        depth += usize::from(some.iter().any(|it| it.pid() == above.pid()));
        next = survey.above(above);
    }
    match depth {
        0 => String::new(),
        depth => format!("{}└ ", "  ".repeat(depth - 1)),
    }
}

/// A command line, safe to show, with its program's base name.
fn shown(command: &[TargetStr]) -> String {
    let program = command.first().map_or("", TargetStr::untrusted);
    let directory = match program.starts_with('/') {
        true => program.rfind('/').map_or(0, |slash| slash + 1),
        false => 0,
    };
    shortened(&TargetStr::joined(command)[directory..], LONGEST)
}

#[derive(Serialize)]
struct Entry<'a> {
    pid: i32,
    /// The closest ancestor that is a Python process.
    parent: Option<i32>,
    python: Option<String>,
    role: Option<&'static str>,
    command: Vec<&'a str>,
    user: Option<u32>,
    ports: Option<&'a [u16]>,
    /// Number of CPUs that it keeps busy.
    cpu: f64,
    threads: usize,
    container: Option<ContainerEntry<'a>>,
    readable: bool,
}

#[derive(Serialize)]
struct ContainerEntry<'a> {
    runtime: Option<&'static str>,
    id: &'a str,
}

fn json(survey: &Survey) -> Result<String, anyhow::Error> {
    let entries: Vec<_> = survey
        .found
        .iter()
        .map(|found| Entry {
            pid: found.pid().0,
            parent: survey.above(found).map(|above| above.pid().0),
            python: python(found),
            role: found.role.map(|role| role.name),
            command: found.command.iter().map(TargetStr::untrusted).collect(),
            user: found.user,
            ports: found.ports.as_deref(),
            cpu: (found.cpu * 1000.0).round() / 1000.0,
            threads: found.threads,
            container: found.container.as_ref().map(|it| ContainerEntry {
                runtime: it.runtime,
                id: &it.id,
            }),
            readable: !found.refused,
        })
        .collect();
    let mut text = serde_json::to_string_pretty(&entries)?;
    text.push('\n');
    Ok(text)
}
