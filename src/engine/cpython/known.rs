//! What is known of a thread from tick to tick, and how a look becomes samples.

use super::CpythonEngine;
use super::codes::Codes;
use super::read::ReadStack;
use super::short_file::ShortFiles;
use super::work::Work;
use crate::cpython::frames::{RawFrame, RawStack};
use crate::cpython::thread_names;
use crate::cpython::threads::ThreadState;
use crate::model::{
    GilState, Interner, Nanos, ProcessId, Proof, Sample, StackId, ThreadId, ThreadKey, Tick,
    TickOutcome, Tid,
};
use crate::sys::linux::tasks::own_name;

/// How a stack shows that frames are missing at its root.
pub const MISSING_FRAMES: &str = "<more frames>";

/// Names of threads are looked up again at most this often while some thread has none.
const NAME_INTERVAL: Nanos = Nanos(1_000_000_000);

/// What is remembered of a thread from tick to tick.
#[derive(Debug)]
pub(super) struct KnownThread {
    pub(super) key: ThreadKey,
    pub(super) id: ThreadId,
    /// The stack of the last tick and its handles, both root first, and the generation of code
    /// objects that they belong to.
    pub(super) frames: Vec<RawFrame>,
    pub(super) stacks: Vec<StackId>,
    /// Whether some frame up to each of these is one of a request or task.
    works: Vec<bool>,
    pub(super) generation: u64,
    /// Whether the stack's root is the mark of frames that are missing.
    pub(super) cut: bool,
    /// Whether that stack was proven: only then may a thread that slept since be passed over.
    pub(super) proven: bool,
    /// Its name was looked for, whether or not it was found.
    pub(super) asked_for_name: bool,
    pub(super) seen: bool,
}

impl CpythonEngine {
    /// Turns what was read into samples.
    pub(super) fn resolve(
        &mut self,
        tick: Tick,
        interner: &mut Interner,
        samples: &mut Vec<Sample>,
    ) -> TickOutcome {
        let mut outcome = TickOutcome::default();
        for known in self.threads.values_mut() {
            known.seen = false;
        }
        for index in 0..self.scratch.read.len() {
            let Some(thread) = self.scratch.read.get(index) else {
                break;
            };
            if matches!(thread.stack, ReadStack::Gone) {
                continue;
            }
            let task = thread.tid.and_then(|tid| self.tasks.get(tid));
            let (started, on_cpu, cpu) = task.map_or((0, false, Nanos::ZERO), |task| {
                // What a thread used that sleeps now is told by its next sample that runs: where
                // it sleeps is not where it used it.
                let used = match task.running {
                    true => task.take_cpu(),
                    false => Nanos::ZERO,
                };
                (task.started, task.works(), used)
            });
            let key = ThreadKey {
                pid: self.process.pid(),
                python_id: thread.state.thread_id,
                tid: thread.tid,
                started,
            };
            let known = self
                .threads
                .entry(thread.state.address)
                .or_insert_with(|| KnownThread::new(key, self.process_id, interner));
            if known.key != key {
                *known = KnownThread::new(key, self.process_id, interner);
            }
            known.seen = true;
            known.proven = thread.proof == Proof::Proven;
            match &thread.stack {
                ReadStack::Unchanged => {}
                ReadStack::Read(stack) => {
                    let (codes, files) = (&mut self.codes, &mut self.short_files);
                    known.adopt(stack, codes, interner, files, &mut self.work);
                }
                ReadStack::Lost | ReadStack::Gone => {
                    outcome.lost += 1;
                    continue;
                }
            }
            // A thread state without frames is a thread that runs no Python now.
            let Some(&stack) = known.stacks.last() else {
                continue;
            };
            outcome.threads += 1;
            outcome.unproven += u32::from(thread.proof == Proof::Unproven);
            samples.push(Sample {
                thread: known.id,
                stack,
                at: tick.at,
                wall: tick.stands_for,
                cpu,
                on_cpu,
                at_work: known.is_at_work(),
                gil: thread.gil,
                proof: thread.proof,
            });
        }
        if self.scratch.partial {
            self.tell_who_waits_at_work(tick, samples, |known| !known.seen);
        } else {
            self.threads.retain(|_, known| known.seen);
        }
        outcome
    }

    /// Samples of the threads that were not looked at in this tick, since they sleep on, and are within
    /// a request or task.
    pub(super) fn tell_who_waits_at_work(
        &self,
        tick: Tick,
        samples: &mut Vec<Sample>,
        sleeps_on: impl Fn(&KnownThread) -> bool,
    ) {
        let known = self.threads.values();
        let waiting = known.filter(|it| it.is_at_work() && it.proven && sleeps_on(it));
        samples.extend(waiting.filter_map(|known| {
            Some(Sample {
                thread: known.id,
                stack: *known.stacks.last()?,
                at: tick.at,
                wall: tick.stands_for,
                cpu: Nanos::ZERO,
                on_cpu: false,
                at_work: true,
                gil: GilState::DoesNotHold,
                proof: Proof::Proven,
            })
        }));
    }

    /// Looks for the names of threads while one has none, at most once a second; a thread that is
    /// new is looked for at once.
    pub(super) fn name_threads(&mut self, now: Nanos, interner: &mut Interner) {
        let nameless = |known: &&KnownThread| interner.thread(known.id).name.is_none();
        let newcomer = self
            .threads
            .values()
            .any(|known| !known.asked_for_name && nameless(&known));
        let due = self
            .names_asked
            .is_none_or(|asked| now.saturating_sub(asked) >= NAME_INTERVAL);
        if !(newcomer || due) || !self.threads.values().any(|known| nameless(&known)) {
            return;
        }
        self.names_asked = Some(now);
        for &interpreter in &self.scratch.interpreters {
            // Read while the target runs: what does not fit together is tried again next time.
            let Ok(names) = thread_names::read(self.memory.source(), &self.layout, interpreter)
            else {
                continue;
            };
            for known in self.threads.values() {
                if let Some(name) = names.get(&known.key.python_id) {
                    let name = interner.intern_text(name);
                    interner.name_thread(known.id, name);
                }
            }
            let idents = self.threads.values().map(|known| known.key.python_id);
            let main = Tid(self.process.pid().0);
            let mut threads = self.threads.values();
            if let Some(known) = threads.find(|known| known.key.tid == Some(main))
                && interner.thread(known.id).name.is_none()
                && let Some(name) = thread_names::of_main_thread(&names, idents)
            {
                let name = interner.intern_text(name);
                interner.name_thread(known.id, name);
            }
        }
        for known in self.threads.values_mut() {
            // The second time: its own name may only not have been there yet.
            let again = std::mem::replace(&mut known.asked_for_name, true);
            if again
                && interner.thread(known.id).name.is_none()
                && let Some(tid) = known.key.tid
                && let Some(name) = own_name(self.process.pid(), tid)
            {
                let name = interner.intern_text(&name);
                interner.name_thread(known.id, name);
            }
        }
    }
}

impl KnownThread {
    fn new(key: ThreadKey, process: ProcessId, interner: &mut Interner) -> KnownThread {
        KnownThread {
            key,
            id: interner.intern_thread(key, process),
            frames: Vec::new(),
            stacks: Vec::new(),
            works: Vec::new(),
            generation: 0,
            cut: false,
            proven: false,
            asked_for_name: false,
            seen: true,
        }
    }

    /// Whether it was within a request or task when it was seen last.
    fn is_at_work(&self) -> bool {
        self.works.last().copied().unwrap_or(false)
    }

    pub(super) fn is(&self, tid: Option<Tid>, state: &ThreadState) -> bool {
        self.key.tid == tid && self.key.python_id == state.thread_id
    }

    /// Takes over a stack as it was read. What it shares with the last one, from the root on, is
    /// not looked up again.
    fn adopt(
        &mut self,
        stack: &RawStack,
        codes: &mut Codes,
        interner: &mut Interner,
        short_files: &mut ShortFiles,
        work: &mut Work,
    ) {
        let fresh = stack.frames.iter().rev();
        let mut shared = fresh
            .clone()
            .zip(&self.frames)
            .take_while(|(new, old)| new == old)
            .count();
        if self.generation != codes.generation() || self.cut != stack.cut {
            shared = 0;
        }
        self.generation = codes.generation();
        self.cut = stack.cut;
        self.frames.truncate(shared);
        self.stacks.truncate(shared);
        self.works.truncate(shared);
        let root = if stack.cut {
            let mark = interner.intern_structure(MISSING_FRAMES);
            interner.intern_stack(StackId::EMPTY, mark)
        } else {
            StackId::EMPTY
        };
        for frame in fresh.skip(shared) {
            let caller = self.stacks.last().copied().unwrap_or(root);
            let Some(resolved) = codes.resolve(*frame, interner, short_files) else {
                break;
            };
            let above = self.is_at_work();
            self.works
                .push(above || work.begins_with(resolved, interner));
            self.frames.push(*frame);
            self.stacks.push(interner.intern_stack(caller, resolved));
        }
    }
}
