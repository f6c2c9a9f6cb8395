//! Our own engine: reads a live CPython process, one snapshot per tick.
//!
//! In every tick, the threads that can change their Python stack are held still before the first look. A
//! reader that looked first and halted only what it could not prove would favour stacks that do not
//! change. With a GIL, only its holder must be held: while it stands still, no other thread can take the
//! GIL. It stands still because we run on its CPU. When we wake up there, the scheduler takes the thread
//! off that CPU. Afterwards, the kernel's count of how often the thread was scheduled tells whether it
//! ran meanwhile, here or elsewhere. With several GILs, or none, several threads run Python at once, and
//! helpers run on the other CPUs. Where we cannot run, and for all other running threads, a pause by
//! ptrace is used. Sleeping threads are never interrupted: the same count tells that they went on
//! sleeping.
//!
//! Three parts do this, each of which owns what it knows:
//! - [`halting`] decides which threads must stand still, holds them, and proves that they stood still;
//! - [`reading`] makes raw stacks, which are addresses only, from the memory of one moment;
//! - [`resolving`] makes samples from raw stacks.
//!
//! Reading and resolving share the [`code_table`], which belongs to neither and is lent to both. Reading
//! verifies there what code each address means, while it has the memory of that moment. Resolving looks
//! it up. Halting knows what the last look found. Reading and resolving know nothing of halting, and
//! work without it if the memory does not change.

mod code_table;
mod core;
mod doubts;
mod halting;
mod once;
mod open;
mod reading;
mod resolving;
mod short_file;
mod suspended;
#[cfg(test)]
mod tests;
mod variables;
mod watching;

use std::sync::Arc;
use std::time::Duration;

use self::code_table::CodeTable;
use self::doubts::Doubts;
use self::halting::{Activity, Halted, Halter, LiveReader, Strategy, Verdict};
use self::reading::{KernelSide, KernelThread, Motion, Patience, RawThread, ReadStack, Scope};
use self::resolving::{RawLabels, RawSample, Reading, Resolver};
use self::variables::Variables;
use super::{Engine, EngineOptions, EngineReport, TickError};
use crate::cpython::threads::ThreadState;
use crate::memory::Memory;
use crate::model::{
    Addr, Counting, Halting, Interner, Nanos, ProcessId, Proof, PythonVersion, Sample, ThreadKey,
    Tick, TickOutcome, Tid,
};
use crate::sys::linux::stand;
use crate::sys::linux::tasks::own_name;
use crate::target::{Process, Standing};

pub use self::core::look_at_core;
pub use self::once::{Doing, Once, OnceOptions, look_at_each_once, look_once};
pub use self::open::{OpenError, open, open_each};
#[cfg(any(test, feature = "internals"))]
pub use self::resolving::MISSING_FRAMES;
pub use self::suspended::{Suspended, SuspendedGreenlet, SuspendedTask};
pub use self::variables::{FrameFacts, VariableOptions};

/// The most tries per tick to prove what was read. Each try halts the threads anew. Nearly all looks
/// succeed at the first or second try, except in the last moments of a process.
const MAX_TRIES: u32 = 8;

/// The first tries do not pause a thread if we can stand on its CPU.
const TRIES_WITHOUT_PAUSE: u32 = 5;

/// The same where variables are read, which takes a thousand times longer than the stacks.
const MAX_TRIES_WITH_VALUES: u32 = 3;

/// How long the target runs before the second try; each further try waits four times as long. The
/// interpreter takes very little time to finish what it was caught in. The later a look is, the less it
/// belongs to the instant of the tick.
const BEFORE_SECOND_TRY: Duration = Duration::from_micros(1);

/// How often to check that the process is still the same. Failed reads check it, too.
const IDENTITY_INTERVAL: Nanos = Nanos(1_000_000_000);

/// Reads one CPython process.
#[derive(Debug)]
pub struct CpythonEngine {
    process: Arc<Process>,
    process_id: ProcessId,
    options: EngineOptions,
    halter: Halter,
    reader: LiveReader,
    resolver: Resolver,
    codes: CodeTable,
    doubts: Doubts,
    /// What is wanted of frames besides their lines: then every stack is read in every tick.
    variables: Option<Variables>,
    /// The threads that this tick is about.
    scope: Scope,
    /// The CPU that the last tick stood on; `None` if there was nothing to read.
    stood_at: Option<usize>,
    identity_asked: Nanos,
}

impl Engine for CpythonEngine {
    fn name(&self) -> &'static str {
        "cpython"
    }

    fn python(&self) -> PythonVersion {
        self.reader.layout().version
    }

    fn knows_gil_holder(&self) -> bool {
        !self.python().free_threaded && self.reader.knows_gil_holder()
    }

    fn process(&self) -> ProcessId {
        self.process_id
    }

    fn tick(
        &mut self,
        tick: Tick,
        interner: &mut Interner,
        samples: &mut Vec<Sample>,
    ) -> Result<TickOutcome, TickError> {
        if tick.at.saturating_sub(self.identity_asked) >= IDENTITY_INTERVAL {
            self.identity_asked = tick.at;
            self.check_identity()?;
        }
        let before = self.halter.effort();
        let activity = self.halter.begin_tick(&mut self.reader, &mut self.scope);
        match activity {
            // With --gil, a thread that sleeps while it holds the GIL must be found.
            Activity::SleptOn
                if self.options.counting != Counting::Wall
                    && !self.reader.last_look().has_a_gil_holder() =>
            {
                return Ok(self.sample_sleepers(tick, samples));
            }
            Activity::SleptOn | Activity::Slept if self.variables.is_none() => {
                self.reader.keep_last_look();
                self.stood_at = None;
            }
            _ => {
                let read = self.read_until_proven();
                self.stood_at = stand::cpu();
                self.halter.presume_for_next_tick(&mut self.reader);
                if let Err(error) = read {
                    self.check_identity()?;
                    return Err(error);
                }
            }
        }
        let mut outcome = self.sample_threads(tick, interner, samples);
        let effort = self.halter.effort();
        outcome.pauses = u32::try_from(effort.pauses - before.pauses).unwrap_or(u32::MAX);
        outcome.refused = u32::try_from(effort.refused - before.refused).unwrap_or(u32::MAX);
        if self.options.thread_names && self.resolver.wants_names(tick.at, interner) {
            for names in self.reader.thread_names() {
                self.resolver.name_threads(&names, interner);
            }
            for (thread, tid) in self.resolver.lastingly_nameless(interner) {
                if let Some(name) = own_name(self.process.pid(), tid) {
                    let name = interner.intern_text(&name);
                    interner.name_thread(thread, name);
                }
            }
        }
        Ok(outcome)
    }

    fn stands_at(&self) -> Option<usize> {
        self.stood_at
    }

    fn report(&self) -> EngineReport {
        let effort = self.halter.effort();
        let (reads, bytes_read) = self.reader.source().effort();
        EngineReport {
            method: Some(self.halter.method(self.python().free_threaded)),
            moves: effort.moves,
            pauses: effort.pauses,
            paused: effort.paused,
            refused: effort.refused,
            reads,
            bytes_read,
            through_file: self.reader.source().is_through_file(),
        }
    }
}

impl CpythonEngine {
    fn check_identity(&self) -> Result<(), TickError> {
        match self.process.standing() {
            Standing::Same => Ok(()),
            Standing::Replaced => Err(TickError::Replaced),
            Standing::Ended => Err(TickError::Gone),
        }
    }

    /// Looks once before the first tick. Finding each thread's files, frames and code for the first time
    /// takes many times as long as a tick, and with hundreds of threads longer than the time between two.
    /// Errors are ignored, since they will show again in a tick.
    fn warm_up(&mut self, interner: &mut Interner) {
        let before_all = Tick {
            at: Nanos::ZERO,
            stands_for: Nanos::ZERO,
        };
        let _ = self.tick(before_all, interner, &mut Vec::new());
    }

    /// Looks at all threads of this tick, repeatedly while a stack is unproven.
    fn read_until_proven(&mut self) -> Result<(), TickError> {
        let mut result = Ok(());
        self.doubts.begin_tick();
        // Without halting, retrying until a look succeeds would favour code that does not change its
        // stack.
        let tries = match self.options.halting {
            Halting::WhenNeeded | Halting::Always if self.reads_values() => MAX_TRIES_WITH_VALUES,
            Halting::WhenNeeded | Halting::Always => MAX_TRIES,
            // The second look may be at all threads, if the first was not.
            Halting::Never => 1 + u32::from(self.scope.is_partial()),
        };
        let mut may_follow_gil = self.options.halting != Halting::Never;
        let mut attempt = 0;
        let mut strategy = match self.reads_values() {
            // Nobody stands on a CPU alone for so long.
            true => Strategy::ByPausing,
            false => Strategy::WhoCanRunPython,
        };
        while attempt < tries {
            if attempt > 0 {
                self.let_run(attempt);
            }
            let halted = self.halter.halt(strategy, &mut self.reader, &self.scope);
            result = self.look(&halted);
            if !self.halter.presumption_held(&mut self.reader) {
                // This happens at most once per tick: a task that is looked at again is no longer
                // presumed.
                self.discard_look(halted);
                continue;
            }
            if attempt == 0 && may_follow_gil && self.reader.last_look().gil_holders_changed() {
                // The thread that has the GIL now must be held.
                may_follow_gil = false;
                self.discard_look(halted);
                continue;
            }
            attempt += 1;
            if let (Ok(()), Some(variables)) = (&result, &mut self.variables) {
                variables.read(&mut self.reader, &self.codes);
            }
            let verdict = self.halter.prove(&halted, &mut self.reader, &self.scope);
            let unhalted = halted.is_nothing();
            if (unhalted || verdict == Verdict::Moved)
                && let Some(variables) = &mut self.variables
            {
                variables.tell_moved();
            }
            if unhalted || self.reader.last_look().has_unproven() {
                self.codes.distrust_last_look();
            }
            self.halter.release(halted);
            let look = self.reader.last_look();
            let complete = !self.scope.is_partial() || look.includes_every_gil_holder();
            let proven = verdict == Verdict::Proven && complete;
            if result.is_ok() && (proven || unhalted || look.is_full()) {
                break;
            }
            // Standing on its CPU again is usually enough. Where values are read it is paused already.
            let failed = result.is_err();
            let goes_further = failed || attempt >= 2 && (verdict == Verdict::Moved || !complete);
            if goes_further && !self.reads_values() {
                strategy = match attempt < TRIES_WITHOUT_PAUSE {
                    true => Strategy::AllThatRun,
                    false => Strategy::ByPausing,
                };
            }
            // This check costs more with more threads. A look that read something has met the process.
            if result.is_err() && self.process.standing() != Standing::Same {
                break;
            }
        }
        if result.is_ok() {
            self.doubts
                .note(self.reader.last_look(), !self.scope.is_partial());
        }
        result
    }

    fn reads_values(&self) -> bool {
        self.variables.as_ref().is_some_and(Variables::reads_values)
    }

    /// Lets the target run before another try.
    fn let_run(&mut self, attempt: u32) {
        let look = self.reader.last_look();
        // A thread that could run Python was not looked at, so the next look is at all threads.
        if !look.includes_every_gil_holder() {
            self.scope.set_all();
        }
        let time = BEFORE_SECOND_TRY * 4_u32.pow(attempt - 1);
        self.halter.let_run(time, look, &self.scope);
    }

    /// Makes one look. Whether it is proven is not known yet.
    fn look(&mut self, halted: &Halted) -> Result<(), TickError> {
        let motion = match halted {
            Halted::Nothing => Motion::Running,
            Halted::Threads(_) => Motion::Halted,
        };
        self.halter.begin_look();
        let mut kernel = BeforeRead {
            halter: &mut self.halter,
            resolver: &self.resolver,
            doubts: &self.doubts,
            all_anew: self.variables.is_some(),
        };
        let read = self
            .reader
            .look(&self.scope, motion, &mut self.codes, &mut kernel);
        read.map_err(|fault| TickError::Unreadable(fault.to_string()))
    }

    /// Lets the target continue after a look that will be repeated.
    fn discard_look(&mut self, halted: Halted) {
        self.codes.distrust_last_look();
        self.halter.release(halted);
        self.halter.look_again(&self.scope);
    }

    /// Appends samples of the last look's threads.
    fn sample_threads(
        &mut self,
        tick: Tick,
        interner: &mut Interner,
        samples: &mut Vec<Sample>,
    ) -> TickOutcome {
        let mut outcome = TickOutcome::default();
        self.resolver.begin();
        for thread in &self.reader.last_look().threads {
            let Some(stack) = stack_of(thread) else {
                continue;
            };
            let times = self.halter.take_times(thread.tid);
            let raw = RawSample {
                root: thread.root,
                thread: ThreadKey {
                    pid: self.process.pid(),
                    python_id: thread.state.thread_id,
                    tid: thread.tid,
                    started: times.started,
                },
                stack,
                labels: raw_labels(&self.reader, &self.options, thread),
                proof: thread.proof,
                on_cpu: times.on_cpu,
                cpu: times.cpu,
                gil: thread.gil,
                tick,
            };
            let sample = self.resolver.resolve(&raw, &mut self.codes, interner);
            outcome.lost += u32::from(matches!(stack, Reading::Lost));
            if let Some(sample) = sample {
                outcome.threads += 1;
                outcome.unproven += u32::from(sample.proof == Proof::Unproven);
                samples.push(sample);
            }
        }
        if self.scope.is_partial() {
            self.resolver.append_waiting_at_work(tick, samples);
        } else {
            self.resolver.forget_unseen();
        }
        outcome
    }

    /// Appends samples of the threads that wait within a request or task, if nothing in the process ran.
    fn sample_sleepers(&mut self, tick: Tick, samples: &mut Vec<Sample>) -> TickOutcome {
        self.resolver.begin();
        self.resolver.append_waiting_at_work(tick, samples);
        TickOutcome {
            threads: u32::try_from(self.resolver.thread_count()).unwrap_or(u32::MAX),
            ..TickOutcome::default()
        }
    }
}

/// The labels of a thread of the last look.
fn raw_labels<'a>(
    reader: &'a LiveReader,
    options: &'a EngineOptions,
    thread: &RawThread,
) -> Option<RawLabels<'a>> {
    let (watcher, watches) = (reader.watcher()?, options.watches.as_deref()?);
    Some(RawLabels {
        labels: watcher.labels(&thread.labels),
        watches,
        values: watcher.values(),
    })
}

/// The reading of a thread for the resolver; `None` if the thread is gone, or is part of another.
fn stack_of(thread: &RawThread) -> Option<Reading<'_>> {
    match &thread.stack {
        ReadStack::Read(stack) => Some(Reading::Stack(stack)),
        ReadStack::Unchanged => Some(Reading::Unchanged),
        ReadStack::Lost => Some(Reading::Lost),
        ReadStack::Gone | ReadStack::Joined => None,
    }
}

/// What is known about threads before they are read.
struct BeforeRead<'a> {
    halter: &'a mut Halter,
    resolver: &'a Resolver,
    doubts: &'a Doubts,
    /// Each stack is read, whether or not it is known.
    all_anew: bool,
}

impl KernelSide for BeforeRead<'_> {
    fn kernel_thread<M: Memory>(&mut self, memory: &mut M, state: &ThreadState) -> KernelThread {
        self.halter.kernel_thread(memory, state)
    }

    fn stack_is_unchanged(&mut self, tid: Option<Tid>, root: Addr, python_id: u64) -> bool {
        !self.all_anew
            && self.halter.slept_through(tid)
            && self.resolver.has_proven_stack(root, python_id, tid)
    }

    fn patience_with(&mut self, tid: Option<Tid>, state: &ThreadState) -> Patience {
        let slept = || tid.is_none() || self.halter.slept_through(tid);
        self.doubts.patience_with(state, slept)
    }
}
