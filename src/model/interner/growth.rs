//! What came to the tables since that was asked last. Texts, functions, frames and stacks only ever
//! come, so a copy elsewhere is brought up to date by what is new.

use rustc_hash::FxHashSet;

use super::{
    Frame, Function, Interner, Process, ProcessId, Stack, Table, Thread, ThreadId, next_index,
};
use crate::model::TargetStr;

/// What was taken already.
#[derive(Debug, Default)]
pub(super) struct Handed {
    texts: usize,
    functions: usize,
    frames: usize,
    stacks: usize,
    /// Not these, which are new or changed since.
    pub(super) threads: FxHashSet<ThreadId>,
    pub(super) processes: FxHashSet<ProcessId>,
}

/// What is new, or changed.
#[derive(Debug)]
pub struct Growth {
    texts: Vec<TargetStr>,
    functions: Vec<Function>,
    frames: Vec<Frame>,
    stacks: Vec<Option<Stack>>,
    threads: Vec<(ThreadId, Thread)>,
    processes: Vec<(ProcessId, Process)>,
    full: bool,
}

impl Handed {
    /// All that is there now.
    pub(super) fn all_of(interner: &Interner) -> Handed {
        Handed {
            texts: interner.texts.items.len(),
            functions: interner.functions.items.len(),
            frames: interner.frames.items.len(),
            stacks: interner.stacks.items.len(),
            threads: FxHashSet::default(),
            processes: FxHashSet::default(),
        }
    }
}

impl Interner {
    /// What is new since this was last asked, or since the beginning.
    pub fn take_growth(&mut self) -> Growth {
        let mut threads: Vec<_> = self.handed.threads.drain().collect();
        threads.sort_unstable();
        let mut processes: Vec<_> = self.handed.processes.drain().collect();
        processes.sort_unstable();
        let growth = Growth {
            texts: self.texts.after(self.handed.texts),
            functions: self.functions.after(self.handed.functions),
            frames: self.frames.after(self.handed.frames),
            stacks: self.stacks.after(self.handed.stacks),
            threads: threads
                .into_iter()
                .map(|id| (id, self.thread(id).clone()))
                .collect(),
            processes: processes
                .into_iter()
                .map(|id| (id, self.process(id).clone()))
                .collect(),
            full: self.full,
        };
        self.handed = Handed::all_of(self);
        growth
    }

    /// Makes a copy like the other was when the growth was taken: a copy to which nothing else is
    /// added, and which was given all that was taken before, from the first on.
    pub fn grow(&mut self, growth: Growth) {
        let lengths = growth.texts.iter().map(|text| text.untrusted().len());
        self.text_bytes += lengths.sum::<usize>();
        self.texts.extend(growth.texts);
        self.functions.extend(growth.functions);
        self.frames.extend(growth.frames);
        self.stacks.extend(growth.stacks);
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
    }
}

impl<T: Clone + Eq + std::hash::Hash> Table<T> {
    fn after(&self, count: usize) -> Vec<T> {
        self.items.get(count..).unwrap_or_default().to_vec()
    }

    fn extend(&mut self, items: Vec<T>) {
        for item in items {
            self.add(item);
        }
    }
}
