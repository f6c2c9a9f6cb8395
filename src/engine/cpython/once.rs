//! One look at a process, to tell what it is in the middle of, not where its time goes.

use std::ops::Range;

use syscalls::Sysno;

use super::open::Pythons;
use super::reading::{RawThread, ReadStack};
use super::variables::{FrameFacts, VariableOptions, Variables};
use super::{CpythonEngine, OpenError, Suspended, open, suspended};
use crate::cpython::frames::RawFrame;
use crate::cpython::locks::LockSearch;
use crate::engine::{Engine, EngineOptions, EngineReport, TickError};
use crate::model::{
    Addr, Counting, Halting, Interner, Nanos, Pid, PythonVersion, Sample, Tick, Tid,
};
use crate::sys::linux::stand;
use crate::sys::linux::tasks::InKernel;
use crate::target::Process;

/// When the look is made, as far as the engine knows: so long after the one that it warms up with that it
/// asks again what is not asked in every tick, as for the names of threads.
const LATER: Nanos = Nanos(3_600_000_000_000);

/// The lock that a thread waits for is looked for in so many of its innermost frames.
const LOCK_FRAMES: usize = 3;

/// How to look, and what to find out besides the stacks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct OnceOptions {
    pub halting: Halting,
    pub thread_names: bool,
    /// What each thread waits for.
    pub waits: bool,
    /// What is known of each frame.
    pub frames: bool,
    /// And what its variables hold.
    pub variables: Option<VariableOptions>,
    /// asyncio's tasks, and greenlets.
    pub suspended: bool,
}

/// Every thread, waiting or not, at one moment.
#[derive(Debug)]
pub struct Once {
    pub python: PythonVersion,
    pub interner: Interner,
    pub samples: Vec<Sample>,
    /// What the thread of each sample did when the look was over, if that was asked for.
    pub doings: Vec<Doing>,
    /// Of the frames of each sample, leaf first, if that was asked for.
    pub frames: Vec<Vec<FrameFacts>>,
    /// Variables of some frames were left out, since reading all would take too long.
    pub variables_are_cut: bool,
    /// Threads went on while their variables were read.
    pub variables_may_have_moved: bool,
    /// What is suspended, if that was asked for.
    pub suspended: Suspended,
    #[cfg_attr(
        not(feature = "cli"),
        allow(dead_code, reason = "for who tells how it was read")
    )]
    pub report: EngineReport,
    /// Why there are no samples, if nothing could be read.
    pub failure: Option<TickError>,
}

/// What a thread does, for all that the kernel knows.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Doing {
    /// It has a CPU, or is ready to run.
    Runs,
    WaitsForGil,
    /// It waits for a lock that the thread with this Python id has.
    WaitsForLockOf(u64),
    /// It waits in the system call of this name.
    WaitsIn(&'static str),
    /// It waits elsewhere, as for a page of memory, or is stopped.
    Waits,
    /// That may not be known.
    Unknown,
}

/// Looks once at every thread.
///
/// # Errors
/// As [`open`].
pub fn look_once(process: Process, options: OnceOptions) -> Result<Once, OpenError> {
    let mut interner = Interner::default();
    let engine = open(process, None, options.of_engine(), &mut interner)?;
    Ok(look_with(engine, interner, options))
}

/// Looks once at every thread of each Python of a process, at one after the other, the most likely first.
/// Further ones with an unknown layout are left out.
///
/// # Errors
/// As [`open`].
pub fn look_at_each_once(process: Process, options: OnceOptions) -> Result<Vec<Once>, OpenError> {
    let mut pythons = Pythons::find(process)?;
    let mut looks = Vec::new();
    loop {
        let mut interner = Interner::default();
        match pythons.open_next(None, options.of_engine(), &mut interner) {
            None => return Ok(looks),
            Some(Ok(engine)) => looks.push(look_with(engine, interner, options)),
            Some(Err(error)) if looks.is_empty() => return Err(error),
            Some(Err(_)) => {}
        }
    }
}

fn look_with(mut engine: CpythonEngine, mut interner: Interner, options: OnceOptions) -> Once {
    let pid = engine.process.pid();
    if options.frames || options.variables.is_some() {
        engine.variables = Some(Variables::new(options.variables));
    }
    let mut samples = Vec::new();
    let tick = Tick {
        at: LATER,
        stands_for: Nanos(1),
    };
    let failure = engine.tick(tick, &mut interner, &mut samples).err();
    // What follows is no reading of stacks, and must not take the target's CPU.
    stand::leave();
    let mut doings = Vec::new();
    if options.waits {
        let gils = engine.reader.gil_memory();
        let mut locks = LockSearch::default();
        for sample in &samples {
            let key = interner.thread(sample.thread).key;
            let doing = key
                .tid
                .map_or(Doing::Unknown, |tid| Doing::of(pid, tid, &gils));
            let mut owner = None;
            if let (Some(tid), Doing::WaitsIn("futex")) = (key.tid, doing) {
                owner = lock_owner(&mut engine, &mut locks, key.python_id, tid);
            }
            doings.push(owner.map_or(doing, Doing::WaitsForLockOf));
        }
    }
    let mut frames = Vec::new();
    let (mut variables_are_cut, mut variables_may_have_moved) = (false, false);
    if let Some(variables) = &mut engine.variables {
        variables_are_cut = variables.is_cut();
        variables_may_have_moved = variables.may_have_moved();
        frames.extend(samples.iter().map(|sample| {
            let key = interner.thread(sample.thread).key;
            variables.take(key.python_id, key.tid)
        }));
    }
    let suspended = match options.suspended && failure.is_none() {
        true => suspended::read(&engine, &mut interner),
        false => Suspended::default(),
    };
    Once {
        frames,
        variables_are_cut,
        variables_may_have_moved,
        python: engine.python(),
        report: engine.report(),
        interner,
        samples,
        doings,
        suspended,
        failure,
    }
}

/// The thread that has the lock which another waits for, where that can be told.
fn lock_owner(
    engine: &mut CpythonEngine,
    locks: &mut LockSearch,
    python_id: u64,
    tid: Tid,
) -> Option<u64> {
    let Some(InKernel::Call(_, futex)) = InKernel::of(engine.process.pid(), tid) else {
        return None;
    };
    let layout = engine.reader.layout().clone();
    let threads = &engine.reader.last_look().threads;
    let of_thread = |it: &&RawThread| it.state.thread_id == python_id && it.tid == Some(tid);
    let ReadStack::Read(stack) = &threads.iter().find(of_thread)?.stack else {
        return None;
    };
    let innermost: Vec<RawFrame> = stack.functions().take(LOCK_FRAMES).copied().collect();
    let memory = engine.reader.memory().source();
    let owner = locks.owner_of_awaited(memory, &layout, &innermost, Addr(futex))?;
    (owner != python_id).then_some(owner)
}

impl OnceOptions {
    fn of_engine(&self) -> EngineOptions {
        EngineOptions {
            watches: None,
            halting: self.halting,
            thread_names: self.thread_names,
            counting: Counting::Wall,
        }
    }
}

impl Doing {
    /// `gils` is where the GILs lie, with what a thread waits for them by.
    fn of(pid: Pid, tid: Tid, gils: &[Range<u64>]) -> Doing {
        match InKernel::of(pid, tid) {
            None => Doing::Unknown,
            Some(InKernel::Runs) => Doing::Runs,
            Some(InKernel::Outside) => Doing::Waits,
            // A thread waits for the GIL in a futex of its condition variable or mutex.
            Some(InKernel::Call(_, argument)) if gils.iter().any(|gil| gil.contains(&argument)) => {
                Doing::WaitsForGil
            }
            Some(InKernel::Call(number, _)) => {
                let number = usize::try_from(number).ok().and_then(Sysno::new);
                number.map_or(Doing::Waits, |call| Doing::WaitsIn(call.name()))
            }
        }
    }
}
