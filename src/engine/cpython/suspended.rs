//! What is suspended in a process, resolved: asyncio's tasks, and greenlets.
//!
//! Reading them takes milliseconds, for which no thread is made to stand still. Tasks change only while the
//! thread of their event loop runs, so they are proven to be of one moment if that thread slept all the
//! time: the kernel counts how often it was put on a CPU. A few tries are made.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::CpythonEngine;
use super::code_table::intern_function;
use super::reading::Reader;
use super::short_file::{FileSystem, ShortFiles};
use crate::cpython::code::Code;
use crate::cpython::layout::Layout;
use crate::cpython::tasks::asyncio::{self, TaskDoing};
use crate::cpython::tasks::{self, SuspendedStack, greenlets};
use crate::cpython::threads::ThreadState;
use crate::memory::{LiveMemory, Memory, Moments};
use crate::model::{Addr, CodeAddr, Frame, FrameId, FunctionId, Interner, Pid, TargetStr, Tid};
use crate::sys::linux::tasks::TaskFiles;

/// How often tasks are read until they are proven.
const TRIES: u32 = 3;

/// More threads than these are not watched, since each takes open files.
const MAX_WATCHED: usize = 200;

/// The most code objects of which names and lines are read.
const MAX_CODES: usize = 100_000;

/// What a process has suspended.
#[derive(Debug, Default)]
pub struct Suspended {
    pub tasks: Vec<SuspendedTask>,
    pub greenlets: Vec<SuspendedGreenlet>,
    /// There are more tasks than were read, or some could not be read.
    pub tasks_are_cut: bool,
    /// Not all of the process's objects were searched for greenlets.
    pub greenlets_are_cut: bool,
    /// A thread of greenlets ran while they were read.
    pub greenlets_may_have_moved: bool,
}

/// One of asyncio's tasks.
#[derive(Debug)]
pub struct SuspendedTask {
    pub address: Addr,
    pub name: TargetStr,
    pub doing: TaskDoing,
    /// Outermost first.
    pub frames: Vec<FrameId>,
    /// More frames, of inner coroutines, are not shown.
    pub is_cut: bool,
    /// What `threading.get_ident()` gives in the thread of its loop, if that runs.
    pub thread: Option<u64>,
    /// The tasks that it awaits, by their places in the list of all.
    pub awaits: Vec<usize>,
    /// Those of its task groups that it does not await yet.
    pub owns: Vec<usize>,
    /// The task that holds the lock that it waits for.
    pub lock_holder: Option<usize>,
    /// Whether its thread slept while it was read.
    pub is_proven: bool,
}

/// One greenlet.
#[derive(Debug)]
pub struct SuspendedGreenlet {
    pub address: Addr,
    pub parent: Option<Addr>,
    /// Outermost first.
    pub frames: Vec<FrameId>,
    pub is_cut: bool,
}

/// Reads what is suspended, after a look at the threads.
pub fn read(engine: &CpythonEngine, interner: &mut Interner) -> Suspended {
    let mut memory = LiveMemory::new(engine.process.pid());
    let (layout, look) = (engine.reader.layout(), engine.reader.last_look());
    // Watching threads takes open files, which most programs need not cost.
    let mut interpreters = look.interpreters.iter();
    if !interpreters.any(|at| tasks::may_be_there(&mut memory, layout, *at)) {
        return Suspended::default();
    }
    let threads = look.threads.iter();
    let threads = threads.filter_map(|thread| Some((thread.state.address, thread.tid?)));
    let mut watch = Watch::new(engine.process.pid(), threads);
    let files = FileSystem::Process(Arc::clone(&engine.process));
    read_watched(&engine.reader, &mut memory, files, &mut watch, interner)
}

/// The same where nothing runs.
pub fn read_still<S: Moments, M: Memory>(
    reader: &Reader<S>,
    memory: &mut M,
    files: FileSystem,
    interner: &mut Interner,
) -> Suspended {
    read_watched(reader, memory, files, &mut Watch::nothing_runs(), interner)
}

fn read_watched<S: Moments, M: Memory>(
    reader: &Reader<S>,
    memory: &mut M,
    files: FileSystem,
    watch: &mut Watch,
    interner: &mut Interner,
) -> Suspended {
    let (layout, look) = (reader.layout(), reader.last_look());
    let states: Vec<ThreadState> = look.threads.iter().map(|thread| thread.state).collect();
    let mut names = Functions {
        layout,
        codes: FxHashMap::default(),
        short_files: ShortFiles::new(files),
        interner,
    };
    let mut suspended = Suspended::default();
    for &interpreter in &look.interpreters {
        read_tasks(
            memory,
            &mut names,
            interpreter,
            &states,
            watch,
            &mut suspended,
        );
    }
    for &interpreter in &look.interpreters {
        watch.begin();
        let runtime = reader.runtime();
        let Ok(found) = greenlets::read(memory, layout, runtime, interpreter) else {
            continue;
        };
        for greenlet in &found.greenlets {
            suspended.greenlets.push(SuspendedGreenlet {
                address: greenlet.address,
                parent: greenlet.parent,
                frames: names.frames(memory, &greenlet.stack),
                is_cut: greenlet.stack.is_cut,
            });
        }
        suspended.greenlets_are_cut |= found.is_cut && !found.greenlets.is_empty();
        suspended.greenlets_may_have_moved |= !found.greenlets.is_empty() && !watch.all_slept();
    }
    suspended
}

fn read_tasks<M: Memory>(
    memory: &mut M,
    names: &mut Functions<'_>,
    interpreter: Addr,
    states: &[ThreadState],
    watch: &mut Watch,
    suspended: &mut Suspended,
) {
    for attempt in 1..=TRIES {
        watch.begin();
        let found = asyncio::read(memory, names.layout, interpreter, states);
        // A list that changes may lead anywhere.
        let found = match found {
            Ok(found) => found,
            Err(_) if attempt < TRIES => continue,
            Err(_) => return suspended.tasks_are_cut = true,
        };
        // Lines and names are read while it is still that moment.
        let frames: Vec<_> = found
            .tasks
            .iter()
            .map(|task| names.frames(memory, &task.stack))
            .collect();
        let slept = |event_loop: Addr| match found.loops.get(&event_loop) {
            Some(thread) => watch.slept(*thread),
            None => watch.all_slept(),
        };
        let slept: FxHashMap<Addr, bool> = found
            .tasks
            .iter()
            .map(|task| task.event_loop)
            .collect::<rustc_hash::FxHashSet<_>>()
            .into_iter()
            .map(|event_loop| (event_loop, slept(event_loop)))
            .collect();
        if attempt < TRIES && slept.values().any(|slept| !slept) {
            continue;
        }
        let before = suspended.tasks.len();
        let places = |places: &[usize]| places.iter().map(|place| before + place).collect();
        suspended.tasks_are_cut |= found.is_cut || found.unreadable > 0;
        for (task, frames) in found.tasks.iter().zip(frames) {
            let thread = found.loops.get(&task.event_loop);
            let thread = thread.and_then(|at| states.iter().find(|state| state.address == *at));
            suspended.tasks.push(SuspendedTask {
                address: task.address,
                name: task.name.clone(),
                doing: task.doing,
                frames,
                is_cut: task.stack.is_cut,
                thread: thread.map(|state| state.thread_id),
                awaits: places(&task.awaits),
                owns: places(&task.owns),
                lock_holder: task.lock_holder.map(|place| before + place),
                is_proven: slept.get(&task.event_loop) == Some(&true),
            });
        }
        return;
    }
}

/// Whether threads sleep.
struct Watch {
    threads: Vec<Watched>,
    /// There are threads that are not watched.
    is_partial: bool,
    /// None can run.
    nothing_runs: bool,
}

struct Watched {
    /// Its thread state.
    address: Addr,
    files: Option<TaskFiles>,
    /// How often it had been put on a CPU at the beginning; `None` if it was on one.
    scheduled: Option<u64>,
}

impl Watch {
    fn new(pid: Pid, threads: impl Iterator<Item = (Addr, Tid)>) -> Watch {
        let mut threads = threads.map(|(address, tid)| Watched {
            address,
            files: TaskFiles::open(pid, tid).ok(),
            scheduled: None,
        });
        Watch {
            threads: threads.by_ref().take(MAX_WATCHED).collect(),
            is_partial: threads.next().is_some(),
            nothing_runs: false,
        }
    }

    fn nothing_runs() -> Watch {
        Watch {
            threads: Vec::new(),
            is_partial: false,
            nothing_runs: true,
        }
    }

    fn begin(&mut self) {
        for thread in &mut self.threads {
            thread.scheduled = thread.sleeps();
        }
    }

    /// Whether the thread of this state has slept since the beginning.
    fn slept(&self, address: Addr) -> bool {
        let thread = self.threads.iter().find(|it| it.address == address);
        self.nothing_runs || thread.is_some_and(Watched::slept)
    }

    fn all_slept(&self) -> bool {
        !self.is_partial && self.threads.iter().all(Watched::slept)
    }
}

impl Watched {
    /// How often it was put on a CPU, if it is on none.
    fn sleeps(&self) -> Option<u64> {
        let files = self.files.as_ref()?;
        let scheduled = files.times().ok()??.times_scheduled;
        files.is_switched_out().then_some(scheduled)
    }

    fn slept(&self) -> bool {
        self.scheduled.is_some() && self.sleeps() == self.scheduled
    }
}

/// What frames mean.
struct Functions<'a> {
    layout: &'a Layout,
    codes: FxHashMap<CodeAddr, Option<(Code, FunctionId)>>,
    short_files: ShortFiles,
    interner: &'a mut Interner,
}

impl Functions<'_> {
    /// A stack's frames, outermost first; those that cannot be read are left out.
    fn frames<M: Memory>(&mut self, memory: &mut M, stack: &SuspendedStack) -> Vec<FrameId> {
        let frames = stack.frames.iter().filter_map(|frame| {
            if self.codes.len() >= MAX_CODES && !self.codes.contains_key(&frame.code) {
                return None;
            }
            let (code, function) = self
                .codes
                .entry(frame.code)
                .or_insert_with(|| {
                    let code = Code::read(memory, self.layout, frame.code).ok()?;
                    let function = intern_function(&code, self.interner, &mut self.short_files);
                    Some((code, function))
                })
                .as_ref()?;
            if code.hides(frame) {
                return None;
            }
            Some(self.interner.intern_frame(Frame {
                function: *function,
                line: code.line_at(frame.instruction),
            }))
        });
        frames.collect()
    }
}
