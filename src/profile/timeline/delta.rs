//! The changes to a timeline since the last delta, for a copy that shares its spill file.

use std::collections::BTreeMap;
use std::io;

use super::{Run, Spill, ThreadRuns, Timeline};
use crate::model::{Nanos, ThreadId};

#[derive(Debug)]
pub(in crate::profile) struct TimelineDelta {
    slack: Nanos,
    /// The threads that changed; `None` if all runs are left out.
    threads: Option<Vec<(ThreadId, ThreadRuns)>>,
    open: u64,
    /// All of them, since they are few.
    closed: Vec<Run>,
    spill: Spill,
    failure: Option<String>,
    dropped: u64,
}

impl Timeline {
    /// The changes since the last call. If there are more runs than `most_runs`, all are left out, and
    /// the copy says so.
    pub(in crate::profile) fn take_delta(&mut self, most_runs: u64) -> TimelineDelta {
        let threads = self.changed.drain(..).filter_map(|thread| {
            let runs = self.threads.get_mut(&thread)?;
            runs.changed = false;
            Some((thread, runs.clone()))
        });
        let threads: Vec<_> = threads.collect();
        let delta = TimelineDelta {
            slack: self.slack,
            threads: Some(threads),
            open: self.open,
            closed: Vec::new(),
            spill: self.spill.for_reading(),
            failure: self.failure.as_ref().map(ToString::to_string),
            dropped: self.dropped,
        };
        if self.run_count() <= most_runs {
            TimelineDelta {
                closed: self.closed.clone(),
                ..delta
            }
        } else {
            TimelineDelta {
                threads: None,
                open: 0,
                failure: Some("it is long, and the recording was still going on".to_owned()),
                dropped: self.run_count().saturating_add(self.dropped),
                ..delta
            }
        }
    }

    /// A copy that starts with this delta, which must be the first.
    pub(in crate::profile) fn begun_with(delta: TimelineDelta) -> Timeline {
        let mut timeline = Timeline {
            slack: delta.slack,
            threads: BTreeMap::new(),
            open: 0,
            changed: Vec::new(),
            closed: Vec::new(),
            // Only the original may write to the spill file.
            closed_limit: usize::MAX,
            spill: delta.spill.for_reading(),
            failure: None,
            dropped: 0,
            is_kept: true,
        };
        timeline.update(delta);
        timeline
    }

    /// Brings the copy to the state in which the delta was taken.
    pub(in crate::profile) fn update(&mut self, delta: TimelineDelta) {
        match delta.threads {
            Some(threads) => self.threads.extend(threads),
            None => self.threads.clear(),
        }
        self.open = delta.open;
        self.closed = delta.closed;
        self.spill = delta.spill;
        self.failure = delta.failure.map(io::Error::other);
        self.dropped = delta.dropped;
    }
}
