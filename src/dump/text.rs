//! A dump as text:
//!
//! ```text
//! Process 4242: python manage.py runserver
//! Python v3.11.7 (/usr/bin/python3.11)
//!
//! Thread 4242 (idle): "MainThread", waits in epoll_wait
//!     select (selectors.py:468)
//!     <module> (manage.py:22)
//! Thread 4250 (active+gil): "worker_0"
//!     ...
//! Thread 4251 (idle): "worker_1", waits in futex; 2 more with the same stack: 4252 "worker_2", 4253
//!     ...
//! ```
//!
//! With variables, each frame is followed by them:
//!
//! ```text
//!     handler (views.py:12)
//!         Arguments:
//!             request: <WSGIRequest GET '/slow/'>
//!         Locals:
//!             items: [1, 2, 3]
//! ```

use std::io::{self, Write};

use super::{Dump, DumpOptions, DumpedThread, Ended, suspended};
use crate::cpython::values::Local;
use crate::cpython::variables::LocalKind;
use crate::engine::cpython::Doing;
use crate::model::{GilState, TargetStr};
use crate::output::{Names, PathElement, RenderOptions, visible, visible_text};
use crate::target::Halted;

pub fn write(dump: &Dump, options: &DumpOptions, out: &mut dyn Write) -> io::Result<()> {
    let command = |words: &[TargetStr]| visible_text(&TargetStr::joined(words)).into_owned();
    writeln!(out, "Process {}: {}", dump.pid, command(&dump.command))?;
    write!(out, "Python v{}", dump.python)?;
    match &dump.executable {
        Some(path) => writeln!(out, " ({})", visible(path))?,
        None => writeln!(out)?,
    }
    if let Some((pid, words)) = &dump.parent {
        writeln!(out, "Parent Process {pid}: {}", command(words))?;
    }
    if let Some(ended) = &dump.ended {
        writeln!(out, "{}", ended.sentence(dump))?;
    }
    for note in notes(dump) {
        writeln!(out, "Note: {note}")?;
    }
    writeln!(out)?;
    let render = RenderOptions {
        full_filenames: options.full_filenames,
        ..RenderOptions::default()
    };
    let names = Names {
        interner: &dump.interner,
        options: &render,
    };
    for group in groups(dump, options) {
        let Some((first, others)) = group.split_first() else {
            continue;
        };
        let (id, state) = (names.thread_number(first.sample.thread), state(first));
        write!(out, "Thread {id} ({state})")?;
        if let Some(name) = names.thread_name(first.sample.thread) {
            write!(out, ": \"{name}\"")?;
        }
        if let Some(waits) = waits(first, dump, &names) {
            write!(out, ", {waits}")?;
        }
        if let Some(signal) = dump.signal_of(first) {
            write!(out, ", got {}", signal.name())?;
        }
        if !others.is_empty() {
            let who = others.iter().map(|thread| {
                let id = names.thread_number(thread.sample.thread);
                match names.thread_name(thread.sample.thread) {
                    Some(name) => format!("{id} \"{name}\""),
                    None => id,
                }
            });
            let (many, who) = (others.len(), who.collect::<Vec<_>>().join(", "));
            write!(out, "; {many} more with the same stack: {who}")?;
        }
        writeln!(out)?;
        let mut facts = first.frames.iter();
        for frame in dump.interner.frames_of(first.sample.stack) {
            writeln!(out, "    {}", names.label(PathElement::Frame(frame)))?;
            let variables = facts.next().and_then(|facts| facts.variables.as_ref());
            write_variables(variables.map_or(&[], Vec::as_slice), out)?;
        }
        for thread in &group {
            let id = dump.interner.thread(thread.sample.thread).key.python_id;
            let who = format!("thread {}", names.thread_number(thread.sample.thread));
            suspended::write_tasks(dump, options, &names, Some(id), &who, out)?;
        }
    }
    suspended::write_tasks(dump, options, &names, None, "no running loop", out)?;
    suspended::write_greenlets(dump, options, &names, out)?;
    Ok(())
}

/// Each kind of variables under a word, as py-spy has them.
fn write_variables(variables: &[Local], out: &mut dyn Write) -> io::Result<()> {
    for (kind, title) in [
        (LocalKind::Argument, "Arguments"),
        (LocalKind::Local, "Locals"),
        (LocalKind::Free, "Closure"),
    ] {
        let mut of_kind = variables.iter().filter(|it| it.kind == kind).peekable();
        if of_kind.peek().is_some() {
            writeln!(out, "        {title}:")?;
        }
        for variable in of_kind {
            let (name, value) = (visible(&variable.name), visible_text(&variable.shown));
            writeln!(out, "            {name}: {value}")?;
        }
    }
    Ok(())
}

/// What a reader should know before he believes it, a sentence each.
fn notes(dump: &Dump) -> Vec<String> {
    let mut notes = Vec::new();
    notes.extend(dump.halted.map(|halted| {
        match halted {
            Halted::Stopped => "the process is stopped (SIGSTOP, ^Z) and runs on at SIGCONT",
            Halted::Traced => "the process is held by a tracer, such as a debugger",
            Halted::Frozen => "the process is frozen (its cgroup, as by docker pause)",
        }
        .to_owned()
    }));
    notes.extend(dump.ended.iter().flat_map(Ended::notes));
    match (dump.unproven(), dump.threads.len()) {
        (0, _) => {}
        (unproven, all) if dump.ended.is_some() => notes.push(format!(
            "{unproven} of {all} stacks are not whole: part of them is not in the core file"
        )),
        (unproven, all) => notes.push(format!(
            "{unproven} of {all} stacks could not be proven to be of one moment"
        )),
    }
    if dump.variables_may_have_moved {
        notes.push(
            "variables were read while the program ran, and may be of several moments".to_owned(),
        );
    }
    if dump.variables_are_cut {
        notes.push(
            "reading all variables would take too long; those of some outer frames are left out"
                .to_owned(),
        );
    }
    if dump.threads.is_empty() {
        notes.push(match dump.others {
            1 => "its only thread is in no Python code".to_owned(),
            others => format!("none of its {others} threads is in Python code"),
        });
    }
    notes.extend(suspended::notes(dump));
    notes
}

/// Threads that are alike, each group at the place of its oldest.
fn groups<'a>(dump: &'a Dump, options: &DumpOptions) -> Vec<Vec<&'a DumpedThread>> {
    let mut groups: Vec<Vec<&DumpedThread>> = Vec::new();
    for thread in &dump.threads {
        let alike = |group: &&mut Vec<&DumpedThread>| {
            let key = |it: &DumpedThread| {
                let signal = dump.signal_of(it);
                (
                    it.sample.stack,
                    it.sample.gil,
                    it.is_active(),
                    it.doing,
                    signal,
                )
            };
            let shows_variables = |it: &DumpedThread| {
                let mut frames = it.frames.iter();
                frames.any(|frame| frame.variables.as_ref().is_some_and(|it| !it.is_empty()))
            };
            group.first().is_some_and(|first| {
                key(first) == key(thread) && !shows_variables(first) && !shows_variables(thread)
            })
        };
        match groups.iter_mut().find(alike).filter(|_| !options.all) {
            Some(group) => group.push(thread),
            None => groups.push(vec![thread]),
        }
    }
    groups
}

fn state(thread: &DumpedThread) -> &'static str {
    match (thread.is_active(), thread.sample.gil) {
        (true, GilState::Holds) => "active+gil",
        (true, _) => "active",
        (false, GilState::Holds) => "idle+gil",
        (false, _) => "idle",
    }
}

/// What a thread that is not active waits for, where that is known.
fn waits(thread: &DumpedThread, dump: &Dump, names: &Names<'_>) -> Option<String> {
    match thread.doing {
        _ if thread.is_active() => None,
        Doing::WaitsForGil => Some("waits for the GIL".to_owned()),
        Doing::WaitsForLockOf(owner) => {
            let of_owner =
                |it: &&DumpedThread| dump.interner.thread(it.sample.thread).key.python_id == owner;
            let owner = dump.threads.iter().find(of_owner);
            let who = owner.map(|it| {
                let id = names.thread_number(it.sample.thread);
                match names.thread_name(it.sample.thread) {
                    Some(name) => format!("{id} \"{name}\""),
                    None => id,
                }
            });
            let who = who.unwrap_or_else(|| "that is in no Python code".to_owned());
            Some(format!("waits for a lock of thread {who}"))
        }
        Doing::WaitsIn(call) => Some(format!("waits in {call}")),
        Doing::Runs | Doing::Waits | Doing::Unknown => None,
    }
}
