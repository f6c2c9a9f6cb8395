//! `spyhole doctor`.

use std::time::Instant;

use super::args::Doctor;
use super::terminal::{self, command_line, escape};
use super::{exit, explain, target};
use crate::engine::cpython::{self, OnceOptions};
use crate::model::{Pid, Proof};
use crate::target::Process;
use crate::target::diagnosis::{Check, Facts, Machine, Weight, checks};

/// Shows what decides whether a process can be read, and tries to read it.
///
/// # Errors
/// When the target is not found, or standard output cannot be written.
pub fn run(arguments: &Doctor) -> Result<u8, anyhow::Error> {
    let pids: Vec<Pid> = match arguments.running.wanted_or(arguments.word.as_deref()) {
        None => Vec::new(),
        Some(wanted) => {
            let choice = target::choose(&wanted, None)?;
            choice.roots.iter().map(|root| root.pid).collect()
        }
    };
    if pids.is_empty() {
        let facts = Facts {
            target: None,
            ..Facts::read(Pid::ours())
        };
        terminal::show(&lines(&checks(&facts, &Machine::read(None))))?;
        return Ok(0);
    }
    let mut code = 0;
    for pid in pids {
        terminal::show(&lines(&checks(
            &Facts::read(pid),
            &Machine::read(Some(pid)),
        )))?;
        match try_to_read(pid) {
            Ok(said) => terminal::show(&format!("{said}\n"))?,
            Err(error) => {
                terminal::complain(&error);
                code = exit::FAILED;
            }
        }
    }
    Ok(code)
}

fn lines(checks: &[Check]) -> String {
    let widest = checks
        .iter()
        .map(|check| check.topic.len())
        .max()
        .unwrap_or(0);
    let mut text = String::new();
    for check in checks {
        let mark = match check.weight {
            Weight::Fine => "ok  ",
            Weight::Limits => "note",
            Weight::Forbids => "NO  ",
        };
        text += &format!(
            "{mark}  {:widest$}  {}\n",
            check.topic,
            escape(&check.state)
        );
        if let Some(step) = check.step {
            text += &format!("      {:widest$}  -> {step}\n", "");
        }
    }
    text
}

/// Reads the process once, as `record` would.
fn try_to_read(pid: Pid) -> Result<String, anyhow::Error> {
    let began = Instant::now();
    let process = Process::open(pid).map_err(|error| explain::opening(pid, &error))?;
    let command = command_line(process.command());
    let once = cpython::look_once(process, OnceOptions::default())
        .map_err(|error| explain::locating(pid, &error))?;
    if let Some(error) = once.failure {
        return Err(explain::symptom(pid, error.into()));
    }
    let (samples, interner) = (&once.samples, &once.interner);
    let proven = samples
        .iter()
        .filter(|it| it.proof == Proof::Proven)
        .count();
    let frames: usize = samples
        .iter()
        .map(|sample| interner.frames_of(sample.stack).count())
        .sum();
    Ok(format!(
        "Read process {pid} ({command}): Python {}, {} with {frames} frames, {proven} of them proven, \
         in {:.1} ms, {}",
        once.python,
        match samples.len() {
            1 => "1 stack".to_owned(),
            several => format!("{several} stacks"),
        },
        1000.0 * began.elapsed().as_secs_f64(),
        once.report
            .method
            .map_or(String::new(), |it| it.to_string()),
    ))
}
