//! Counts what became of each tick.

use crate::model::{Counting, GilState, Nanos, Proof, Sample, TickOutcome, Ticks};

impl Ticks {
    /// Counts a tick that was read and stands for `time`, and removes from `samples` those that do not
    /// count.
    pub(super) fn read(
        &mut self,
        outcome: TickOutcome,
        time: Nanos,
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
            if !counts {
                self.left_out_cpu = self.left_out_cpu.saturating_add(sample.cpu);
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
            self.lost_time = self.lost_time.saturating_add(time);
        } else {
            self.idle += 1;
        }
        self.samples += samples.len() as u64;
        self.unproven += samples
            .iter()
            .filter(|sample| sample.proof == Proof::Unproven)
            .count() as u64;
    }

    /// Counts a tick at which nothing could be read, and the time for which it would have stood.
    pub(super) fn unreadable(&mut self, time: Nanos) {
        self.expected += 1;
        self.lost += 1;
        self.lost_time = self.lost_time.saturating_add(time);
    }

    /// Adds time during which a process was open, and the part of it that was a gap.
    pub(super) fn passed(&mut self, time: Nanos, gap: Nanos) {
        self.open_time = self.open_time.saturating_add(time);
        self.gap_time = self.gap_time.saturating_add(gap);
    }

    pub(super) fn missed(&mut self, ticks: u64) {
        self.expected += ticks;
        self.missed += ticks;
    }
}
