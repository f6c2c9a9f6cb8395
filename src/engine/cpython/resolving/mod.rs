//! Resolving: from stacks as addresses to samples with frames, functions and threads.
//!
//! The raw stacks may come from a tick that has just read them, a core file, or a buffer with many
//! samples of a thread, each with its own time. The input, [`RawSample`], therefore holds everything that
//! a sample needs, and resolving never reads memory. It looks the meaning of code addresses up in the
//! [`CodeTable`], in which the reader of the stacks has verified them.
//!
//! It remembers each thread's last stack. The part that a new stack shares with it, from the root on, is
//! not resolved again.

mod labels;
mod thread;
mod work_functions;

use rustc_hash::FxHashMap;

use self::labels::LabelSets;
pub use self::labels::RawLabels;
use self::thread::ResolvedThread;
use self::work_functions::WorkFunctions;
pub use self::work_functions::WorkSearch;
use super::code_table::CodeTable;
use super::short_file::ShortFiles;
use crate::cpython::frames::RawStack;
use crate::cpython::thread_names;
use crate::model::{
    Addr, GilState, Interner, LabelSetId, Nanos, ProcessId, Proof, Sample, TargetStr, ThreadId,
    ThreadKey, Tick, Tid,
};

/// The frame that stands for missing frames at the root of a stack.
pub const MISSING_FRAMES: &str = "<more frames>";

/// The shortest time between two searches for names while some thread has none.
const NAME_INTERVAL: Nanos = Nanos(1_000_000_000);

/// Resolves the threads of one process, for one interner.
#[derive(Debug)]
pub struct Resolver {
    process: ProcessId,
    /// By the address of the thread state at the root.
    threads: FxHashMap<Addr, ResolvedThread>,
    /// The number of calls of [`begin`](Self::begin).
    round: u64,
    short_files: ShortFiles,
    work_functions: WorkFunctions,
    label_sets: LabelSets,
    names_asked: Option<Nanos>,
}

/// One thread at one instant, as it was read.
#[derive(Clone, Copy, Debug)]
pub struct RawSample<'a> {
    /// The address of its thread state. If there are several, the one at the root of its stack.
    pub root: Addr,
    pub thread: ThreadKey,
    pub stack: Reading<'a>,
    /// Of a stack that was read; of one that is unchanged the labels are, too.
    pub labels: Option<RawLabels<'a>>,
    pub proof: Proof,
    pub on_cpu: bool,
    /// CPU time since the thread's last sample.
    pub cpu: Nanos,
    pub gil: GilState,
    /// The instant, and the time that the sample stands for.
    pub tick: Tick,
}

/// A thread's stack, as it was read.
#[derive(Clone, Copy, Debug)]
pub enum Reading<'a> {
    /// The code object of each function must have been verified in the code table.
    Stack(&'a RawStack),
    /// The same as at the thread's last sample.
    Unchanged,
    /// Nothing could be read. There is no sample, but the thread is still there.
    Lost,
}

impl Resolver {
    pub fn new(process: ProcessId, short_files: ShortFiles, work: WorkSearch) -> Resolver {
        Resolver {
            process,
            threads: FxHashMap::default(),
            round: 0,
            short_files,
            work_functions: WorkFunctions::new(work),
            label_sets: LabelSets::default(),
            names_asked: None,
        }
    }

    /// The number of threads that it remembers.
    pub fn thread_count(&self) -> usize {
        self.threads.len()
    }

    /// Whether the stack of a thread's last sample is proven. Only then may it be passed as
    /// [`Reading::Unchanged`].
    pub fn has_proven_stack(&self, root: Addr, python_id: u64, tid: Option<Tid>) -> bool {
        self.threads.get(&root).is_some_and(|thread| {
            thread.proven && thread.key.tid == tid && thread.key.python_id == python_id
        })
    }

    /// Begins a round, in which no thread was seen yet.
    pub fn begin(&mut self) {
        self.round += 1;
    }

    /// Resolves a raw sample; `None` if the thread runs no Python, or its stack is lost.
    pub fn resolve(
        &mut self,
        raw: &RawSample<'_>,
        codes: &mut CodeTable,
        interner: &mut Interner,
    ) -> Option<Sample> {
        let process = self.process;
        let new = |interner: &mut Interner| ResolvedThread::new(raw.thread, process, interner);
        let thread = self
            .threads
            .entry(raw.root)
            .or_insert_with(|| new(interner));
        if thread.key != raw.thread {
            *thread = new(interner);
        }
        thread.seen_in = self.round;
        thread.proven = raw.proof == Proof::Proven;
        match raw.stack {
            Reading::Unchanged => {}
            Reading::Stack(stack) => {
                let (files, work) = (&mut self.short_files, &mut self.work_functions);
                thread.update(stack, codes, interner, files, work);
                let sets = &mut self.label_sets;
                thread.labels = raw
                    .labels
                    .map_or(LabelSetId::EMPTY, |labels| sets.resolve(&labels, interner));
            }
            Reading::Lost => return None,
        }
        // A thread whose state has no frames runs no Python now.
        let stack = thread.stack()?;
        Some(Sample {
            thread: thread.id,
            stack,
            labels: thread.labels,
            at: raw.tick.at,
            wall: raw.tick.stands_for,
            cpu: raw.cpu,
            on_cpu: raw.on_cpu,
            at_work: thread.is_at_work(),
            gil: raw.gil,
            proof: raw.proof,
        })
    }

    /// Appends samples of threads within a request or task that were not seen in this round because they
    /// went on sleeping.
    pub fn append_waiting_at_work(&self, tick: Tick, samples: &mut Vec<Sample>) {
        let threads = self.threads.values();
        let waiting = threads
            .filter(|it| it.is_at_work() && it.proven && it.seen_in != self.round)
            .filter_map(|thread| {
                Some(Sample {
                    thread: thread.id,
                    stack: thread.stack()?,
                    labels: thread.labels,
                    at: tick.at,
                    wall: tick.stands_for,
                    cpu: Nanos::ZERO,
                    on_cpu: false,
                    at_work: true,
                    gil: GilState::DoesNotHold,
                    proof: Proof::Proven,
                })
            });
        samples.extend(waiting);
    }

    /// Forgets the threads that were not seen in this round, since they have ended.
    pub fn forget_unseen(&mut self) {
        let round = self.round;
        self.threads.retain(|_, thread| thread.seen_in == round);
    }

    /// Whether to look for thread names now: at once for a new thread, and at most once a second while
    /// some thread has no name.
    pub fn wants_names(&mut self, now: Nanos, interner: &Interner) -> bool {
        let mut nameless = false;
        let mut newcomer = false;
        for thread in self.threads.values() {
            let is_nameless = interner.thread(thread.id).name.is_none();
            nameless |= is_nameless;
            newcomer |= is_nameless && thread.times_asked_for_name == 0;
        }
        let due = self
            .names_asked
            .is_none_or(|asked| now.saturating_sub(asked) >= NAME_INTERVAL);
        if !nameless || !(newcomer || due) {
            return false;
        }
        self.names_asked = Some(now);
        for thread in self.threads.values_mut() {
            thread.times_asked_for_name = thread.times_asked_for_name.saturating_add(1);
        }
        true
    }

    /// Sets the names of threads by their Python ids.
    pub fn name_threads(&self, names: &FxHashMap<u64, TargetStr>, interner: &mut Interner) {
        for thread in self.threads.values() {
            if let Some(name) = names.get(&thread.key.python_id) {
                let name = interner.intern_text(name);
                interner.name_thread(thread.id, name);
            }
        }
        let mut threads = self.threads.values();
        let is_main = |thread: &&ResolvedThread| thread.key.tid == Some(Tid(thread.key.pid.0));
        let idents = self.threads.values().map(|thread| thread.key.python_id);
        if let Some(main) = threads.find(is_main)
            && interner.thread(main.id).name.is_none()
            && let Some(name) = thread_names::of_main_thread(names, idents)
        {
            let name = interner.intern_text(name);
            interner.name_thread(main.id, name);
        }
    }

    /// Threads without a name after more than one search. At the first, the name may not have been set
    /// yet.
    pub fn lastingly_nameless(&self, interner: &Interner) -> Vec<(ThreadId, Tid)> {
        let threads = self.threads.values().filter(|thread| {
            thread.times_asked_for_name > 1 && interner.thread(thread.id).name.is_none()
        });
        threads
            .filter_map(|thread| Some((thread.id, thread.key.tid?)))
            .collect()
    }
}
