//! One look at a process in its core file. Nothing runs there, so nothing is held still: reading and
//! resolving work as they do on a live process, and the core file tells what the kernel would.

use std::ops::Range;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::code_table::CodeTable;
use super::halting::USUAL_TID_OFFSETS;
use super::once::{Doing, Once};
use super::open::{OpenError, layout_of};
use super::reading::{KernelSide, KernelThread, Motion, Patience, Reader, Scope};
use super::resolving::{RawSample, Resolver, WorkSearch};
use super::short_file::{FileSystem, ShortFiles};
use super::variables::{VariableOptions, Variables};
use super::{stack_of, suspended};
use crate::cpython::locate;
use crate::cpython::threads::ThreadState;
use crate::engine::{EngineReport, TickError};
use crate::memory::{Memory, Snapshot};
use crate::model::{Addr, Interner, Nanos, Process, Sample, ThreadKey, Tick, Tid};
use crate::target::core::{Core, CoreMemory, CoreThread};

/// There is no time in a core file.
const TICK: Tick = Tick {
    at: Nanos::ZERO,
    stands_for: Nanos::ZERO,
};

/// Looks at every thread of the likeliest Python in a core file, and at the variables of its frames if that is
/// asked for.
///
/// # Errors
/// When no interpreter is found in it, or none with a known layout.
pub fn look_at_core(
    core: &Arc<Core>,
    variables: Option<VariableOptions>,
) -> Result<Once, OpenError> {
    let mut memory = CoreMemory::new(Arc::clone(core));
    let found = locate::locate_in_core(core, &mut memory)?;
    let located = found.into_iter().next();
    let located = located.ok_or(locate::LocateError::NotPython)?;
    let layout = layout_of(&located)?;
    let python = layout.version;
    let mut interner = Interner::default();
    let process = interner.add_process(Process {
        pid: core.pid(),
        parent: None,
        command: core.command().to_vec(),
        python: Some(python),
        generation: None,
    });
    let files = ShortFiles::new(FileSystem::Core(Arc::clone(core)));
    let mut resolver = Resolver::new(process, files, WorkSearch::Off);
    let mut codes = CodeTable::default();
    let mut reader = Reader::new(Snapshot::new(memory), layout, located.runtime);
    let mut kernel = CoreThreads::new(core);
    // Where part of a stack is not in the file, the rest counts, as of a thread that runs meanwhile.
    let read = reader.look(&Scope::default(), Motion::Running, &mut codes, &mut kernel);
    let failure = read
        .err()
        .map(|fault| TickError::Unreadable(fault.to_string()));
    let mut variables = Variables::new(variables);
    variables.read(&mut reader, &codes);

    resolver.begin();
    let mut samples: Vec<Sample> = Vec::new();
    for thread in &reader.last_look().threads {
        let Some(stack) = stack_of(thread) else {
            continue;
        };
        let raw = RawSample {
            labels: None,
            root: thread.root,
            thread: ThreadKey {
                pid: core.pid(),
                python_id: thread.state.thread_id,
                tid: thread.tid,
                started: 0,
            },
            stack,
            proof: thread.proof,
            on_cpu: false,
            cpu: Nanos::ZERO,
            gil: thread.gil,
            tick: TICK,
        };
        samples.extend(resolver.resolve(&raw, &mut codes, &mut interner));
    }
    for names in reader.thread_names() {
        resolver.name_threads(&names, &mut interner);
    }
    let gils = reader.gil_memory();
    let mut memory = CoreMemory::new(Arc::clone(core));
    let files = FileSystem::Core(Arc::clone(core));
    let suspended = suspended::read_still(&reader, &mut memory, files, &mut interner);
    let doings = samples.iter().map(|sample| {
        let tid = interner.thread(sample.thread).key.tid;
        let thread = tid.and_then(|tid| kernel.threads.get(&tid));
        thread.map_or(Doing::Unknown, |thread| doing(thread, &gils))
    });
    let frames = samples.iter().map(|sample| {
        let key = interner.thread(sample.thread).key;
        variables.take(key.python_id, key.tid)
    });
    Ok(Once {
        python,
        frames: frames.collect(),
        variables_are_cut: variables.is_cut(),
        variables_may_have_moved: false,
        doings: doings.collect(),
        interner,
        samples,
        suspended,
        report: EngineReport::default(),
        failure,
    })
}

/// What a thread did. One that was in no system call had a CPU or was ready to run.
fn doing(thread: &CoreThread, gils: &[Range<u64>]) -> Doing {
    match thread.waits_in {
        None => Doing::Runs,
        Some(call) => match call.argument {
            Some(argument) if gils.iter().any(|gil| gil.contains(&argument)) => Doing::WaitsForGil,
            _ => Doing::WaitsIn(call.name),
        },
    }
}

/// The threads of a core file.
struct CoreThreads {
    /// Whether these are all threads. A debugger that cannot follow a program's threads writes down only
    /// the first; the kernel, when a signal has ended the process, all.
    are_all: bool,
    threads: FxHashMap<Tid, CoreThread>,
    /// By their thread pointers, where these are what Python has for the id of a thread.
    by_pointer: FxHashMap<u64, Tid>,
}

impl CoreThreads {
    fn new(core: &Core) -> CoreThreads {
        let threads = core.threads().iter();
        let by_pointer = threads.clone().filter_map(|thread| {
            let pointer = thread.thread_pointer?;
            Some((pointer.0, thread.tid))
        });
        CoreThreads {
            are_all: core.signal().is_some(),
            by_pointer: by_pointer.collect(),
            threads: threads.map(|thread| (thread.tid, *thread)).collect(),
        }
    }

    fn known(&self, number: u64) -> Option<Tid> {
        let tid = i32::try_from(number).ok().map(Tid)?;
        self.threads.contains_key(&tid).then_some(tid)
    }
}

impl KernelSide for CoreThreads {
    fn kernel_thread<M: Memory>(&mut self, memory: &mut M, state: &ThreadState) -> KernelThread {
        // It is 0 until the thread has started.
        let native = state.native_thread_id.filter(|native| *native != 0);
        if let Some(tid) = native.and_then(|native| self.known(native)) {
            return KernelThread::Is(tid);
        }
        if let Some(tid) = self.by_pointer.get(&state.thread_id) {
            return KernelThread::Is(*tid);
        }
        let mut recorded = USUAL_TID_OFFSETS.iter().filter_map(|offset| {
            let word = memory.read_u32(Addr(state.thread_id).plus(*offset as u64));
            self.known(word.ok()?.into())
        });
        // Where thread pointers are known, the record of another thread proves nothing.
        let recorded = recorded.next().filter(|_| self.by_pointer.is_empty());
        match (recorded, native.map(i32::try_from)) {
            (Some(tid), _) => KernelThread::Recorded(tid),
            (None, Some(Ok(native))) if !self.are_all => KernelThread::Is(Tid(native)),
            (None, Some(_)) if self.are_all => KernelThread::Gone,
            (None, None) if self.are_all && !self.by_pointer.is_empty() => KernelThread::Gone,
            (None, _) => KernelThread::Unknown,
        }
    }

    fn stack_is_unchanged(&mut self, _: Option<Tid>, _: Addr, _: u64) -> bool {
        false
    }

    fn patience_with(&mut self, _: Option<Tid>, _: &ThreadState) -> Patience {
        Patience::Full
    }
}
