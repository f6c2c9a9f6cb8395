//! Tasks and greenlets for programs.

use serde::Serialize;

use super::super::Dump;
use crate::cpython::tasks::asyncio::TaskDoing;
use crate::engine::cpython::SuspendedTask;
use crate::model::{FrameId, TextId};
use crate::output::visible;

#[derive(Serialize)]
pub struct Task {
    /// The address of the object: what `id` gives.
    id: u64,
    name: String,
    /// `running`, `waiting`, `ready` or `new`.
    state: &'static str,
    /// Innermost first, as of threads.
    frames: Vec<Frame>,
    /// Ids of the tasks that it awaits.
    awaits: Vec<u64>,
    /// Ids of tasks in a task group of its own that it does not await yet.
    group: Vec<u64>,
    /// Id of the task that holds the lock that it waits for.
    waits_for_lock_of: Option<u64>,
    /// Whether its thread slept while it was read.
    proven: bool,
}

#[derive(Serialize)]
pub struct Greenlet {
    /// The address of the object: what `id` gives.
    id: u64,
    /// `null` for a thread's first.
    parent: Option<u64>,
    frames: Vec<Frame>,
    proven: bool,
}

#[derive(Serialize)]
struct Frame {
    name: String,
    filename: String,
    short_filename: String,
    line: u32,
}

/// The tasks of the thread with this Python id. Those whose loop runs in no thread that is shown are with
/// the thread that `takes_others`.
pub fn tasks(dump: &Dump, thread: u64, takes_others: bool) -> Vec<Task> {
    let all = &dump.suspended.tasks;
    let is_shown = |id: u64| {
        let mut threads = dump.threads.iter();
        threads.any(|it| dump.interner.thread(it.sample.thread).key.python_id == id)
    };
    let of_thread = all.iter().filter(|task| match task.thread {
        Some(id) if id == thread => true,
        Some(id) => takes_others && !is_shown(id),
        None => takes_others,
    });
    of_thread.map(|it| task(dump, it)).collect()
}

fn task(dump: &Dump, task: &SuspendedTask) -> Task {
    let all = &dump.suspended.tasks;
    let id = |place: &usize| all.get(*place).map(|task| task.address.0);
    Task {
        id: task.address.0,
        name: visible(&task.name).into_owned(),
        state: match task.doing {
            TaskDoing::Runs => "running",
            TaskDoing::Waits => "waiting",
            TaskDoing::IsReady => "ready",
            TaskDoing::IsNew => "new",
        },
        frames: frames(dump, &task.frames),
        awaits: task.awaits.iter().filter_map(id).collect(),
        group: task.owns.iter().filter_map(id).collect(),
        waits_for_lock_of: task.lock_holder.as_ref().and_then(id),
        proven: task.is_proven,
    }
}

/// The greenlets of the process.
pub fn greenlets(dump: &Dump) -> Vec<Greenlet> {
    let greenlets = dump.suspended.greenlets.iter();
    greenlets
        .map(|greenlet| Greenlet {
            id: greenlet.address.0,
            parent: greenlet.parent.map(|parent| parent.0),
            frames: frames(dump, &greenlet.frames),
            proven: !dump.suspended.greenlets_may_have_moved,
        })
        .collect()
}

fn frames(dump: &Dump, frames: &[FrameId]) -> Vec<Frame> {
    let interner = &dump.interner;
    let text = |id: TextId| visible(interner.text(id)).into_owned();
    let frames = frames.iter().rev().map(|frame| {
        let frame = interner.frame(*frame);
        let function = interner.function(frame.function);
        Frame {
            name: text(function.name),
            filename: text(function.file),
            short_filename: text(function.short_file),
            line: frame.line,
        }
    });
    frames.collect()
}
