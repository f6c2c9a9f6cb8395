//! What came to the tables since they were last looked at: they only grow, so a copy elsewhere is
//! brought up to date by what is new.

use super::{Frame, Function, Interner, Process, Stack, Table, Thread, ThreadId, next_index};
use crate::model::TargetStr;

/// How far the tables had grown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mark {
    texts: usize,
    functions: usize,
    frames: usize,
    stacks: usize,
}

/// What came after a mark. Threads and processes are all there: they change after they were entered.
#[derive(Debug)]
pub struct Growth {
    texts: Vec<TargetStr>,
    functions: Vec<Function>,
    frames: Vec<Frame>,
    stacks: Vec<Option<Stack>>,
    threads: Vec<Thread>,
    processes: Vec<Process>,
    full: bool,
}

impl Interner {
    #[must_use]
    pub fn mark(&self) -> Mark {
        Mark {
            texts: self.texts.items.len(),
            functions: self.functions.items.len(),
            frames: self.frames.items.len(),
            stacks: self.stacks.items.len(),
        }
    }

    /// What came after a mark of this interner's.
    #[must_use]
    pub fn growth_since(&self, mark: Mark) -> Growth {
        Growth {
            texts: self.texts.since(mark.texts),
            functions: self.functions.since(mark.functions),
            frames: self.frames.since(mark.frames),
            stacks: self.stacks.since(mark.stacks),
            threads: self.threads.clone(),
            processes: self.processes.clone(),
            full: self.full,
        }
    }

    /// Makes a copy that was like the other at the mark like it again.
    pub fn grow(&mut self, growth: Growth) {
        self.text_bytes += growth
            .texts
            .iter()
            .map(|text| text.untrusted().len())
            .sum::<usize>();
        self.texts.extend(growth.texts);
        self.functions.extend(growth.functions);
        self.frames.extend(growth.frames);
        self.stacks.extend(growth.stacks);
        let known = self.threads.len();
        self.threads = growth.threads;
        for (index, thread) in self.threads.iter().enumerate().skip(known) {
            self.thread_ids
                .insert(thread.key, ThreadId(next_index(index)));
        }
        self.processes = growth.processes;
        self.full = growth.full;
    }
}

impl<T: Clone + Eq + std::hash::Hash> Table<T> {
    fn since(&self, len: usize) -> Vec<T> {
        self.items.get(len..).unwrap_or_default().to_vec()
    }

    fn extend(&mut self, items: Vec<T>) {
        for item in items {
            self.add(item);
        }
    }
}
