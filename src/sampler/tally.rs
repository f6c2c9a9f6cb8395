//! What became of each tick.

use crate::model::{Proof, Sample, TickOutcome};

/// How each expected tick ended. A tick of two processes counts twice.
///
/// `expected` is always the sum of `sampled`, `idle`, `missed` and `lost`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Tally {
    /// Times that all open processes were looked at in turn.
    pub rounds: u64,
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
    pub refused: u64,
}

/// Which samples are counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Keep {
    /// Threads that wait, too (`--idle`).
    pub idle: bool,
    /// Threads that wait within a request or task, too.
    pub at_work: bool,
    /// Of all threads only the one that holds the GIL (`--gil`). Who holds it works, so `idle`
    /// changes nothing then.
    pub gil_only: bool,
}

impl Tally {
    /// Counts a tick that was read, and drops from `samples` what is not to be kept.
    pub(super) fn read(&mut self, outcome: TickOutcome, keep: Keep, samples: &mut Vec<Sample>) {
        samples.retain(|sample| {
            if keep.gil_only {
                let holds = sample.gil == crate::model::GilState::Holds;
                self.left_out_gil += u64::from(!holds);
                holds
            } else {
                let waits_at_work = keep.at_work && sample.at_work;
                let counts = keep.idle || sample.on_cpu || waits_at_work;
                self.left_out_idle += u64::from(!counts);
                counts
            }
        });
        self.expected += 1;
        self.lost_threads += u64::from(outcome.lost);
        self.pauses += u64::from(outcome.pauses);
        self.refused += u64::from(outcome.refused);
        if !samples.is_empty() {
            self.sampled += 1;
        } else if outcome.threads == 0 && outcome.lost > 0 {
            self.lost += 1;
        } else {
            self.idle += 1;
        }
        self.samples += samples.len() as u64;
        self.unproven += samples
            .iter()
            .filter(|sample| sample.proof == Proof::Unproven)
            .count() as u64;
    }

    pub(super) fn unreadable(&mut self) {
        self.expected += 1;
        self.lost += 1;
    }

    pub(super) fn missed(&mut self, ticks: u64) {
        self.expected += ticks;
        self.missed += ticks;
    }
}
