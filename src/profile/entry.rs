//! What samples are counted by, and their sums.

use std::ops::AddAssign;

use crate::model::{LabelSetId, Nanos, Sample, StackId, ThreadId};

/// The sums over the samples of an entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Values {
    /// Number of samples.
    pub count: u64,
    /// Wall time that the samples stand for.
    pub wall: Nanos,
    /// CPU time that the thread used.
    pub cpu: Nanos,
    /// Number of samples that could not be proven.
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

impl Values {
    /// What was added since `before`, an earlier state of these values.
    #[must_use]
    pub fn since(self, before: Values) -> Values {
        Values {
            count: self.count.saturating_sub(before.count),
            wall: self.wall.saturating_sub(before.wall),
            cpu: self.cpu.saturating_sub(before.cpu),
            unproven: self.unproven.saturating_sub(before.unproven),
        }
    }
}

/// Samples with the same key are counted together.
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
/// Several entries may have the same stack. Readers that do not distinguish threads or labels add them
/// up.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    pub(super) key: EntryKey,
    pub(super) values: Values,
    /// Whether it has changed since the last [`Delta`](super::Delta) and is listed for the next.
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
