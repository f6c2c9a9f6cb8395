//! `spyhole doctor`.

use std::io::Write;
use std::time::Instant;

use anyhow::Context;

use super::args::{Doctor, Running};
use super::terminal::{self, command_line, escape};
use super::{exit, explain, target};
use crate::engine::cpython::{self, CpythonEngine};
use crate::engine::{Engine, EngineOptions, Halting};
use crate::model::{Interner, Nanos, Pid, Proof, Tick};
use crate::survey::Wanted;
use crate::target::Process;
use crate::target::diagnosis::{Check, Facts, Machine, Weight, checks};

/// Tells what decides whether a process can be looked at, and tries.
///
/// # Errors
/// When the target is not found, or standard output cannot be written.
pub fn run(arguments: &Doctor) -> Result<u8, anyhow::Error> {
    let mut output = std::io::stdout().lock();
    let mut show = |text: &str| {
        let written = output
            .write_all(text.as_bytes())
            .and_then(|()| output.flush());
        match written {
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
            written => written.context("standard output cannot be written"),
        }
    };
    let pids = match wanted(arguments) {
        None => Vec::new(),
        Some((wanted, word)) => {
            let choice = target::choose(&wanted, word.as_deref())?;
            choice.roots.iter().map(|root| root.pid).collect()
        }
    };
    if pids.is_empty() {
        let own = Pid(std::process::id().cast_signed());
        let facts = Facts {
            target: None,
            ..Facts::read(own)
        };
        show(&lines(&checks(&facts, &Machine::read(None))))?;
        return Ok(0);
    }
    let mut code = 0;
    for pid in pids {
        show(&lines(&checks(
            &Facts::read(pid),
            &Machine::read(Some(pid)),
        )))?;
        match try_to_read(pid) {
            Ok(said) => show(&format!("{said}\n"))?,
            Err(error) => {
                terminal::complain(&error);
                code = exit::FAILED;
            }
        }
    }
    Ok(code)
}

/// What is named, and as which word.
fn wanted(arguments: &Doctor) -> Option<(Wanted, Option<String>)> {
    let Running { pid, .. } = &arguments.running;
    debug_assert!(pid.is_empty() || arguments.word.is_none());
    if let Some(word) = &arguments.word {
        return Some(match word.parse() {
            Ok(number) if number > 0 => (Wanted::Pids(vec![Pid(number)]), None),
            _ => {
                let pattern = regex::Regex::new(&regex::escape(word)).ok()?;
                (Wanted::Name(pattern), None)
            }
        });
    }
    Some((arguments.running.wanted()?, None))
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

/// Looks once, as record would.
fn try_to_read(pid: Pid) -> Result<String, anyhow::Error> {
    let began = Instant::now();
    let process = Process::open(pid).map_err(|error| explain::attaching(pid, error.into()))?;
    let command = command_line(process.command());
    let options = EngineOptions {
        halting: Halting::WhenNeeded,
        thread_names: false,
        only_running: false,
        is_work: None,
    };
    let mut interner = Interner::default();
    let mut engine: CpythonEngine = cpython::open(process, None, options, &mut interner)
        .map_err(|error| explain::attaching(pid, error.into()))?;
    let mut samples = Vec::new();
    let tick = Tick {
        at: Nanos(1),
        stands_for: Nanos(1),
    };
    engine
        .tick(tick, &mut interner, &mut samples)
        .map_err(|error| explain::attaching(pid, error.into()))?;
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
        engine.python(),
        match samples.len() {
            1 => "1 stack".to_owned(),
            several => format!("{several} stacks"),
        },
        1000.0 * began.elapsed().as_secs_f64(),
        engine.report().path,
    ))
}
