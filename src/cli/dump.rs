//! `spyhole dump`.

mod core;

use anyhow::bail;

use super::args::Dump as Arguments;
use super::{exit, explain, target, terminal, words};
use crate::dump::{self, Dump, DumpError, DumpOptions, Locals};
use crate::model::{Pid, TargetStr};
use crate::survey::{Choice, Survey};
use crate::target::Process;

/// Shows what each thread of the processes that are named does at this moment.
///
/// # Errors
/// When none of them can be read, or standard output cannot be written.
pub fn run(arguments: &Arguments) -> Result<u8, anyhow::Error> {
    if arguments.native {
        return Ok(words::native_is_to_come());
    }
    if let Some(path) = &arguments.core {
        return core::run(path, arguments);
    }
    let word = arguments.word.as_deref();
    let Some(wanted) = arguments.running.wanted_or(word) else {
        bail!("no process is named");
    };
    let choice = target::choose(&wanted, None)?;
    let named = processes(&choice, arguments.subprocesses);
    let options = options(arguments);
    let mut code = 0;
    let mut dumps = Vec::new();
    for process in named {
        match take(&process, &options) {
            Ok(taken) => dumps.extend(taken),
            // A helper below it that is no Python, or has just ended, is nobody's loss.
            Err(_) if process.is_below => {}
            Err(error) => {
                terminal::complain(&error);
                code = exit::FAILED;
            }
        }
    }
    show(&dumps, arguments)?;
    Ok(code)
}

fn options(arguments: &Arguments) -> DumpOptions {
    DumpOptions {
        nonblocking: arguments.nonblocking,
        full_filenames: arguments.full_filenames,
        all: arguments.all,
        locals: match arguments.locals {
            0 => Locals::Nothing,
            1 => Locals::Lines,
            _ => Locals::Whole,
        },
        show_secrets: arguments.show_secrets,
    }
}

fn show(dumps: &[Dump], arguments: &Arguments) -> Result<(), anyhow::Error> {
    let mut text = Vec::new();
    if arguments.json {
        dump::write_json(dumps, &mut text)?;
    } else {
        for (index, dump) in dumps.iter().enumerate() {
            if index > 0 {
                text.extend(b"\n");
            }
            dump.write_text(&options(arguments), &mut text)?;
        }
    }
    terminal::show(&String::from_utf8_lossy(&text))
}

/// A process to be dumped.
struct Named {
    pid: Pid,
    /// The nearest process above it that is dumped, too.
    parent: Option<(Pid, Vec<TargetStr>)>,
    /// Whether it was not named itself.
    is_below: bool,
}

/// The processes of a choice, parents first, each with those below it where these are wanted.
fn processes(choice: &Choice, subprocesses: bool) -> Vec<Named> {
    let mut named: Vec<Named> = Vec::new();
    let roots: Vec<Pid> = choice.roots.iter().map(|root| root.pid).collect();
    let with_children = subprocesses || choice.children || choice.descendants;
    let survey = match with_children {
        true => Survey::take(),
        false => Survey::default(),
    };
    for &root in &roots {
        let is_reloader = choice.replaced_by_children.iter().any(|it| it.pid == root);
        if !is_reloader || subprocesses {
            named.push(Named {
                pid: root,
                parent: None,
                is_below: false,
            });
        }
        for found in survey.found.iter().filter(|_| with_children) {
            let (pid, parent) = (found.pid(), survey.above(found));
            if pid != root && survey.is_within(pid, root) && !named.iter().any(|it| it.pid == pid) {
                named.push(Named {
                    pid,
                    parent: parent.map(|parent| (parent.pid(), parent.command.clone())),
                    is_below: true,
                });
            }
        }
    }
    named
}

fn take(named: &Named, options: &DumpOptions) -> Result<Vec<Dump>, anyhow::Error> {
    let pid = named.pid;
    let process = Process::open(pid).map_err(|error| explain::opening(pid, &error))?;
    let mut dumps = Dump::take(process, options).map_err(|error| match error {
        DumpError::Open(error) => explain::locating(pid, &error),
        DumpError::Tick(error) => explain::symptom(pid, error.into()),
    })?;
    for dump in &mut dumps {
        dump.parent.clone_from(&named.parent);
    }
    Ok(dumps)
}
