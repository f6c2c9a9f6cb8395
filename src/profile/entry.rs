//! What is counted together, and what it adds up to.

use std::ops::AddAssign;

use crate::model::{LabelSetId, Nanos, Sample, StackId, ThreadId};

/// What an entry adds up to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Values {
    /// Samples.
    pub count: u64,
    /// Wall time that the samples stand for.
    pub wall: Nanos,
    /// CPU time that the thread used.
    pub cpu: Nanos,
    /// How many of the samples could not be proven whole.
    pub unproven: u64,
}

impl AddAssign for Values {
    fn add_assign(&mut self, more: Values) {
        self.count = self.count.saturating_add(more.count);
        self.wall = self.wall.saturating_add(more.wall);
        self.cpu = self.cpu.saturating_add(more.cpu);
        self.unproven = self.unproven.saturating_add(more.unproven);
    }
}

/// What samples have in common that are counted together.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct EntryKey {
    pub thread: ThreadId,
    pub stack: StackId,
    pub labels: LabelSetId,
}

impl EntryKey {
    pub(super) fn of(sample: &Sample) -> EntryKey {
        EntryKey {
            thread: sample.thread,
            stack: sample.stack,
            labels: sample.labels,
        }
    }
}

/// All samples of one stack of one thread with the same labels.
///
/// Several entries may have the same stack: who does not tell threads or labels apart adds them up.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    pub(super) key: EntryKey,
    pub(super) values: Values,
    /// It changed since the last [`Delta`](super::Delta) and is listed for the next.
    pub(super) changed: bool,
}

impl Entry {
    #[must_use]
    pub fn key(&self) -> EntryKey {
        self.key
    }

    #[must_use]
    pub fn thread(&self) -> ThreadId {
        self.key.thread
    }

    #[must_use]
    pub fn stack(&self) -> StackId {
        self.key.stack
    }

    #[must_use]
    pub fn labels(&self) -> LabelSetId {
        self.key.labels
    }

    #[must_use]
    pub fn values(&self) -> Values {
        self.values
    }
}
