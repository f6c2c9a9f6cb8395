//! Tasks and greenlets as text, each a line with its stack from the outermost function on:
//!
//! ```text
//! asyncio tasks of thread 4242: 5
//!     Task-1: main (app.py:40), waits for Task-2, Task-3
//!         Task-2: fetch (app.py:12) > get (client.py:88) > read (streams.py:500)
//!         Task-3: fetch (app.py:14) > get (client.py:88)
//! ```

use std::collections::{HashMap, HashSet};
use std::io::{self, Write};

use super::super::{Dump, DumpOptions};
use super::await_tree::{AwaitTree, rings};
use crate::cpython::tasks::asyncio::TaskDoing;
use crate::engine::cpython::{SuspendedGreenlet, SuspendedTask};
use crate::model::{Addr, FrameId};
use crate::output::{Names, PathElement, visible};

/// The most names in a row.
const MAX_NAMES: usize = 8;

/// Deeper branches are not indented further.
const MAX_INDENT: usize = 100;

/// Writes the tasks of the thread with this Python id; with `None` those whose loop runs in none.
pub fn write_tasks(
    dump: &Dump,
    options: &DumpOptions,
    names: &Names<'_>,
    thread: Option<u64>,
    who: &str,
    out: &mut dyn Write,
) -> io::Result<()> {
    let tasks = &dump.suspended.tasks;
    let is_of_thread = |place: usize| tasks.get(place).is_some_and(|task| task.thread == thread);
    let count = (0..tasks.len())
        .filter(|place| is_of_thread(*place))
        .count();
    if count == 0 {
        return Ok(());
    }
    write!(out, "asyncio tasks of {who}: {count}")?;
    let of_thread = tasks.iter().filter(|task| task.thread == thread);
    match of_thread.clone().all(|task| task.is_proven) {
        true => writeln!(out)?,
        false => writeln!(out, ", changed while they were read")?,
    }
    for ring in rings(tasks) {
        if ring.first().is_some_and(|first| is_of_thread(*first)) {
            writeln!(out, "    {}", ring_text(tasks, &ring))?;
        }
    }
    let tree = AwaitTree::new(tasks, options.all, is_of_thread);
    let mut alike = tree.alike.iter();
    for branch in &tree.branches {
        let Some(task) = tasks.get(branch.task) else {
            continue;
        };
        let indent = 4 * (1 + branch.depth.min(MAX_INDENT));
        write!(out, "{:indent$}{}", "", visible(&task.name))?;
        if branch.is_repeated {
            writeln!(out, " (shown above)")?;
            continue;
        }
        write!(out, "{}", task_text(tasks, task, names))?;
        if branch.more > 0 {
            let like = alike
                .by_ref()
                .take(branch.more)
                .copied()
                .collect::<Vec<_>>();
            let who = names_of(tasks, &like);
            write!(out, "; {} more with the same stack: {who}", branch.more)?;
        }
        writeln!(out)?;
    }
    Ok(())
}

fn task_text(tasks: &[SuspendedTask], task: &SuspendedTask, names: &Names<'_>) -> String {
    let mut text = format!(": {}", stack_text(&task.frames, task.is_cut, names));
    text += match task.doing {
        TaskDoing::Runs => ", runs",
        TaskDoing::Waits => "",
        TaskDoing::IsReady => ", is ready to run",
        TaskDoing::IsNew => ", has not begun",
    };
    if !task.awaits.is_empty() {
        text += &format!(", waits for {}", names_of(tasks, &task.awaits));
    }
    if !task.owns.is_empty() {
        text += &format!(", has in a group {}", names_of(tasks, &task.owns));
    }
    if let Some(holder) = task.lock_holder {
        text += &format!(", waits for a lock of {}", names_of(tasks, &[holder]));
    }
    text
}

fn ring_text(tasks: &[SuspendedTask], ring: &[usize]) -> String {
    let Some(first) = ring.first() else {
        return String::new();
    };
    let places = ring.iter().chain([first]).copied();
    let names = places.map(|place| names_of(tasks, &[place]));
    format!(
        "Deadlock: {}",
        names.collect::<Vec<_>>().join(" waits for ")
    )
}

fn names_of(tasks: &[SuspendedTask], places: &[usize]) -> String {
    let shown = places.iter().take(MAX_NAMES);
    let shown = shown.filter_map(|place| Some(visible(&tasks.get(*place)?.name).into_owned()));
    let mut text = shown.collect::<Vec<_>>().join(", ");
    if let Some(more @ 1..) = places.len().checked_sub(MAX_NAMES) {
        text += &format!(" and {more} more");
    }
    text
}

fn stack_text(frames: &[FrameId], is_cut: bool, names: &Names<'_>) -> String {
    let frames = frames.iter();
    let mut labels: Vec<String> = frames
        .map(|frame| names.label(PathElement::Frame(*frame)))
        .collect();
    if is_cut {
        labels.push("...".to_owned());
    }
    match labels.is_empty() {
        true => "<no Python frame>".to_owned(),
        false => labels.join(" > "),
    }
}

/// Writes the process's greenlets, each below its parent.
pub fn write_greenlets(
    dump: &Dump,
    options: &DumpOptions,
    names: &Names<'_>,
    out: &mut dyn Write,
) -> io::Result<()> {
    let greenlets = &dump.suspended.greenlets;
    if greenlets.is_empty() {
        return Ok(());
    }
    write!(out, "Suspended greenlets: {}", greenlets.len())?;
    match dump.suspended.greenlets_may_have_moved {
        true => writeln!(out, ", changed while they were read")?,
        false => writeln!(out)?,
    }
    let listed: HashSet<Addr> = greenlets.iter().map(|it| it.address).collect();
    let mut families: Vec<(Option<Addr>, Vec<&SuspendedGreenlet>)> = Vec::new();
    let mut family_of: HashMap<Option<Addr>, usize> = HashMap::new();
    for greenlet in greenlets {
        let family = *family_of.entry(greenlet.parent).or_insert(families.len());
        match families.get_mut(family) {
            Some((_, members)) => members.push(greenlet),
            None => families.push((greenlet.parent, vec![greenlet])),
        }
    }
    for (parent, members) in families {
        if let Some(parent) = parent {
            let state = match listed.contains(&parent) {
                true => "",
                false => ", which runs",
            };
            writeln!(
                out,
                "    with the parent {parent}{state}: {}",
                members.len()
            )?;
        }
        let indent = if parent.is_some() { 8 } else { 4 };
        for group in groups(&members, options.all) {
            let Some((first, others)) = group.split_first() else {
                continue;
            };
            let stack = stack_text(&first.frames, first.is_cut, names);
            write!(out, "{:indent$}{}: {stack}", "", first.address)?;
            if !others.is_empty() {
                write!(out, "; {} more with the same stack", others.len())?;
            }
            writeln!(out)?;
        }
    }
    Ok(())
}

/// Greenlets with the same stack together, unless all are wanted by themselves.
fn groups<'a>(members: &[&'a SuspendedGreenlet], all: bool) -> Vec<Vec<&'a SuspendedGreenlet>> {
    let mut groups: Vec<Vec<&SuspendedGreenlet>> = Vec::new();
    let mut by_stack: HashMap<&[FrameId], usize> = HashMap::new();
    for &greenlet in members {
        let known = by_stack.get(greenlet.frames.as_slice()).filter(|_| !all);
        match known.and_then(|group| groups.get_mut(*group)) {
            Some(group) => group.push(greenlet),
            None => {
                by_stack.insert(&greenlet.frames, groups.len());
                groups.push(vec![greenlet]);
            }
        }
    }
    groups
}

/// What must be known of how they were read.
pub fn notes(dump: &Dump) -> Vec<String> {
    let mut notes = Vec::new();
    if dump.suspended.tasks_are_cut {
        notes.push("some asyncio tasks could not be read, or there are too many".to_owned());
    }
    if dump.suspended.greenlets_are_cut {
        notes.push(
            "there are too many objects to search them all; some greenlets may be missing"
                .to_owned(),
        );
    }
    notes
}
