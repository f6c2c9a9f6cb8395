//! What became of the ticks of a recording.

use std::ops::AddAssign;

use super::Nanos;

/// How many ticks ended in which way, and what was seen at them. A tick of two processes counts twice.
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
    /// Ticks that were read but at which no thread counted.
    pub idle: u64,
    /// Ticks skipped because the one before was late; the next one stands for their time.
    pub missed: u64,
    /// Ticks at which nothing could be read.
    pub lost: u64,
    /// Samples that were counted.
    pub samples: u64,
    /// How many of these samples could not be proven whole.
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
    /// Time for which processes were open, summed over all processes.
    pub open_time: Nanos,
    /// The part of it for which no tick stands: the sampler itself was held up for many ticks.
    pub gap_time: Nanos,
    /// The part of it for which lost ticks would have stood.
    pub lost_time: Nanos,
    /// CPU time of the samples that were read and left out.
    pub left_out_cpu: Nanos,
}

impl Ticks {
    /// The share of the open time, from 0 to 1, for which nothing is known: the sampler did not look, or
    /// nothing could be read.
    #[must_use]
    pub fn unseen_share(&self) -> f64 {
        self.share_of_open_time(self.gap_time.saturating_add(self.lost_time))
    }

    /// The share of the open time, from 0 to 1, during which the sampler did not look.
    #[must_use]
    pub fn gap_share(&self) -> f64 {
        self.share_of_open_time(self.gap_time)
    }

    fn share_of_open_time(&self, time: Nanos) -> f64 {
        match self.open_time {
            Nanos::ZERO => 0.0,
            open_time => (time.as_secs_f64() / open_time.as_secs_f64()).min(1.0),
        }
    }

    /// What was counted since `before`, an earlier state of these counts.
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
            open_time: self.open_time.saturating_sub(before.open_time),
            gap_time: self.gap_time.saturating_sub(before.gap_time),
            lost_time: self.lost_time.saturating_sub(before.lost_time),
            left_out_cpu: self.left_out_cpu.saturating_sub(before.left_out_cpu),
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
        self.open_time = self.open_time.saturating_add(more.open_time);
        self.gap_time = self.gap_time.saturating_add(more.gap_time);
        self.lost_time = self.lost_time.saturating_add(more.lost_time);
        self.left_out_cpu = self.left_out_cpu.saturating_add(more.left_out_cpu);
    }
}
