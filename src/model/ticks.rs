//! What became of the ticks of a recording.

use std::ops::AddAssign;

/// How each expected tick ended, and what was seen in them. A tick of two processes counts twice.
///
/// `expected` is always the sum of `sampled`, `idle`, `missed` and `lost`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Ticks {
    /// Times that all open processes were looked at in turn.
    pub looks: u64,
    /// Ticks that fell due.
    pub expected: u64,
    /// Ticks that yielded at least one counted sample.
    pub sampled: u64,
    /// Ticks that were read and at which no thread was to be counted.
    pub idle: u64,
    /// Ticks skipped because the one before was late; the next one stands for their time.
    pub missed: u64,
    /// Ticks at which nothing could be read.
    pub lost: u64,
    /// Samples that were counted.
    pub samples: u64,
    /// How many of these could not be proven whole.
    pub unproven: u64,
    /// Threads that could not be read at a tick at which others could.
    pub lost_threads: u64,
    /// Stacks that were read and left out because their thread was idle.
    pub left_out_idle: u64,
    /// Stacks that were read and left out because their thread did not hold the GIL.
    pub left_out_gil: u64,
    /// Times that a thread was paused.
    pub pauses: u64,
    /// Times that a thread was to be paused and we were not allowed to.
    pub pauses_refused: u64,
}

impl Ticks {
    /// What came after `before` was counted, of which this is the continuation.
    #[must_use]
    pub fn since(self, before: Ticks) -> Ticks {
        Ticks {
            looks: self.looks.saturating_sub(before.looks),
            expected: self.expected.saturating_sub(before.expected),
            sampled: self.sampled.saturating_sub(before.sampled),
            idle: self.idle.saturating_sub(before.idle),
            missed: self.missed.saturating_sub(before.missed),
            lost: self.lost.saturating_sub(before.lost),
            samples: self.samples.saturating_sub(before.samples),
            unproven: self.unproven.saturating_sub(before.unproven),
            lost_threads: self.lost_threads.saturating_sub(before.lost_threads),
            left_out_idle: self.left_out_idle.saturating_sub(before.left_out_idle),
            left_out_gil: self.left_out_gil.saturating_sub(before.left_out_gil),
            pauses: self.pauses.saturating_sub(before.pauses),
            pauses_refused: self.pauses_refused.saturating_sub(before.pauses_refused),
        }
    }
}

impl AddAssign for Ticks {
    fn add_assign(&mut self, more: Ticks) {
        self.looks += more.looks;
        self.expected += more.expected;
        self.sampled += more.sampled;
        self.idle += more.idle;
        self.missed += more.missed;
        self.lost += more.lost;
        self.samples += more.samples;
        self.unproven += more.unproven;
        self.lost_threads += more.lost_threads;
        self.left_out_idle += more.left_out_idle;
        self.left_out_gil += more.left_out_gil;
        self.pauses += more.pauses;
        self.pauses_refused += more.pauses_refused;
    }
}
