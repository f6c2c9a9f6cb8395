//! Counts what became of each tick.

use crate::model::{Counting, GilState, Proof, Sample, TickOutcome, Ticks};

impl Ticks {
    /// Counts a tick that was read, and drops from `samples` what is not to be counted.
    pub(super) fn read(
        &mut self,
        outcome: TickOutcome,
        counting: Counting,
        samples: &mut Vec<Sample>,
    ) {
        samples.retain(|sample| {
            let counts = match counting {
                Counting::Wall => true,
                Counting::Work => sample.on_cpu || sample.at_work,
                Counting::Cpu => sample.on_cpu,
                Counting::Gil => sample.gil == GilState::Holds,
            };
            match counting {
                Counting::Gil => self.left_out_gil += u64::from(!counts),
                _ => self.left_out_idle += u64::from(!counts),
            }
            counts
        });
        self.expected += 1;
        self.lost_threads += u64::from(outcome.lost);
        self.pauses += u64::from(outcome.pauses);
        self.pauses_refused += u64::from(outcome.refused);
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
