//! What is new in the tables since the last time, to bring a copy elsewhere up to date. Texts,
//! functions, frames, stacks and label sets are only ever added; threads and processes may also change.

use rustc_hash::FxHashSet;

use super::Interner;
use crate::model::table::next_index;
use crate::model::{
    Frame, Function, Label, Process, ProcessId, Stack, TargetStr, Thread, ThreadId,
};

/// How much of each table was already taken.
#[derive(Debug, Default)]
pub(super) struct Taken {
    texts: usize,
    functions: usize,
    frames: usize,
    stacks: usize,
    label_sets: usize,
    /// Threads that are new or changed since then; below, the same of processes.
    pub(super) threads: FxHashSet<ThreadId>,
    pub(super) processes: FxHashSet<ProcessId>,
}

/// What is new or changed since the last time.
#[derive(Debug)]
pub struct Growth {
    texts: Vec<TargetStr>,
    functions: Vec<Function>,
    frames: Vec<Frame>,
    stacks: Vec<Option<Stack>>,
    label_sets: Vec<Box<[Label]>>,
    threads: Vec<(ThreadId, Thread)>,
    processes: Vec<(ProcessId, Process)>,
    full: bool,
    labels_full: bool,
}

impl Taken {
    /// Everything that the interner holds now.
    pub(super) fn all_of(interner: &Interner) -> Taken {
        Taken {
            texts: interner.texts.items.len(),
            functions: interner.functions.items.len(),
            frames: interner.frames.items.len(),
            stacks: interner.stacks.items.len(),
            label_sets: interner.label_sets.table.items.len(),
            threads: FxHashSet::default(),
            processes: FxHashSet::default(),
        }
    }
}

impl Interner {
    /// What is new since the last call, or since the beginning.
    pub fn take_growth(&mut self) -> Growth {
        let mut threads: Vec<_> = self.taken.threads.drain().collect();
        threads.sort_unstable();
        let mut processes: Vec<_> = self.taken.processes.drain().collect();
        processes.sort_unstable();
        let growth = Growth {
            texts: self.texts.after(self.taken.texts),
            functions: self.functions.after(self.taken.functions),
            frames: self.frames.after(self.taken.frames),
            stacks: self.stacks.after(self.taken.stacks),
            label_sets: self.label_sets.table.after(self.taken.label_sets),
            threads: threads
                .into_iter()
                .map(|id| (id, self.thread(id).clone()))
                .collect(),
            processes: processes
                .into_iter()
                .map(|id| (id, self.process(id).clone()))
                .collect(),
            full: self.full,
            labels_full: self.label_sets.full,
        };
        self.taken = Taken::all_of(self);
        growth
    }

    /// Brings a copy up to date with the interner from which the growth was taken. The copy must have
    /// been given every earlier growth, in order, and nothing else.
    pub fn grow(&mut self, growth: Growth) {
        let lengths = growth.texts.iter().map(|text| text.untrusted().len());
        self.text_bytes += lengths.sum::<usize>();
        self.texts.extend(growth.texts);
        self.functions.extend(growth.functions);
        self.frames.extend(growth.frames);
        self.stacks.extend(growth.stacks);
        self.label_sets.table.extend(growth.label_sets);
        for (id, thread) in growth.threads {
            match self.threads.get_mut(id.index()) {
                Some(known) => *known = thread,
                None => {
                    let id = ThreadId(next_index(self.threads.len()));
                    self.thread_ids.insert((thread.process, thread.key), id);
                    self.threads.push(thread);
                }
            }
        }
        for (id, process) in growth.processes {
            match self.processes.get_mut(id.index()) {
                Some(known) => *known = process,
                None => self.processes.push(process),
            }
        }
        self.full = growth.full;
        self.label_sets.full = growth.labels_full;
    }
}
