//! The order in time: a sequence of runs for each thread. Equal neighbours are merged, so a thread that
//! does one thing for an hour has one run. Completed runs go to an unnamed file, so memory stays bounded
//! however long a recording takes.

mod delta;

pub(super) use delta::TimelineDelta;

use std::collections::BTreeMap;
use std::io;

use super::EntryKey;
use super::spill::{Extent, Spill};
use crate::model::{LabelSetId, Nanos, Sample, StackId, ThreadId};

/// Completed runs that are kept in memory and then written together.
const RUNS_IN_MEMORY: usize = 8192;

/// The reason that is told for missing runs that were not wanted.
const NOT_KEPT: &str = "the order in time was not kept";

/// Runs that are read together.
const RUNS_A_READ: usize = 1024;

/// A period in which a thread was always found with the same stack and labels.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Run {
    pub thread: ThreadId,
    pub stack: StackId,
    pub labels: LabelSetId,
    /// Since the start of the recording.
    pub start: Nanos,
    /// The sum of the times that its samples stand for.
    pub length: Nanos,
    pub samples: u64,
}

impl Run {
    /// The key of the entry that counts its samples.
    #[must_use]
    pub fn key(&self) -> EntryKey {
        EntryKey {
            thread: self.thread,
            stack: self.stack,
            labels: self.labels,
        }
    }
}

/// What each thread did, in the order of time.
///
/// Where nothing was counted for a thread (it was idle, or could not be read), there is a gap between its
/// runs.
#[derive(Debug)]
pub struct Timeline {
    /// The longest gap between two samples of a thread that belong to one run.
    slack: Nanos,
    threads: BTreeMap<ThreadId, ThreadRuns>,
    /// Number of threads with an open run.
    open: u64,
    /// The threads that changed since the last delta.
    changed: Vec<ThreadId>,
    /// Runs that are completed and not yet written, in the order in which they ended.
    closed: Vec<Run>,
    closed_limit: usize,
    spill: Spill,
    /// Set once the spill file could not be written. Runs are dropped from then on.
    failure: Option<io::Error>,
    dropped: u64,
    /// Whether runs that are over are kept.
    is_kept: bool,
}

#[derive(Clone, Debug, Default)]
struct ThreadRuns {
    open: Option<OpenRun>,
    /// The extents of this thread's runs in the spill file, in order.
    extents: Vec<Extent>,
    /// An upper bound for the number of its runs in `Timeline::closed`.
    closed: u64,
    /// Whether it is in the list of changed threads.
    changed: bool,
}

#[derive(Clone, Copy, Debug)]
struct OpenRun {
    run: Run,
    /// The time of its last sample.
    last: Nanos,
}

impl Timeline {
    pub(super) fn new(period: Nanos) -> io::Result<Timeline> {
        Ok(Timeline {
            // Two samples are neighbours if they are at most one and a half periods apart, that is if at
            // most half a period between them is not accounted for.
            slack: Nanos(period.0 / 2),
            threads: BTreeMap::new(),
            open: 0,
            changed: Vec::new(),
            closed: Vec::new(),
            closed_limit: RUNS_IN_MEMORY,
            spill: Spill::open()?,
            failure: None,
            dropped: 0,
            is_kept: true,
        })
    }

    /// One that keeps no more than the run that each thread is in.
    pub(super) fn not_kept(period: Nanos) -> io::Result<Timeline> {
        let mut timeline = Timeline::new(period)?;
        timeline.set_failure(NOT_KEPT.to_owned(), 0);
        timeline.is_kept = false;
        Ok(timeline)
    }

    /// An empty one, kept if this one is.
    pub(super) fn next(&self, period: Nanos) -> io::Result<Timeline> {
        match self.is_kept {
            true => Timeline::new(period),
            false => Timeline::not_kept(period),
        }
    }

    pub(super) fn add(&mut self, sample: &Sample) {
        let runs = self.threads.entry(sample.thread).or_default();
        runs.mark_changed(sample.thread, &mut self.changed);
        let start = sample.at.saturating_sub(sample.wall);
        if let Some(open) = &mut runs.open
            && open.run.key() == EntryKey::of(sample)
            && start <= open.last.saturating_add(self.slack)
        {
            open.run.length = open.run.length.saturating_add(sample.wall);
            open.run.samples += 1;
            open.last = sample.at;
            return;
        }
        let next = OpenRun {
            run: Run {
                thread: sample.thread,
                stack: sample.stack,
                labels: sample.labels,
                start,
                length: sample.wall,
                samples: 1,
            },
            last: sample.at,
        };
        match runs.open.replace(next) {
            Some(over) => {
                runs.closed += 1;
                self.close(over.run);
            }
            None => self.open += 1,
        }
    }

    fn close(&mut self, run: Run) {
        if self.failure.is_some() {
            self.dropped += 1;
            return;
        }
        self.closed.push(run);
        if self.closed.len() >= self.closed_limit
            && let Err(error) = self.spill_closed()
        {
            // What is in memory stays there, but nothing is added to it.
            self.failure = Some(error);
        }
    }

    /// Adds a completed run that was read from a file. The runs of a thread must come in order.
    pub(super) fn push_run(&mut self, run: Run) -> io::Result<()> {
        let runs = self.threads.entry(run.thread).or_default();
        runs.mark_changed(run.thread, &mut self.changed);
        runs.closed += 1;
        self.closed.push(run);
        if self.closed.len() >= self.closed_limit {
            self.spill_closed()?;
        }
        Ok(())
    }

    /// Notes that runs are missing, if a file says so.
    pub(super) fn set_failure(&mut self, why: String, dropped: u64) {
        self.failure = Some(io::Error::other(why));
        self.dropped = dropped;
    }

    #[cfg(test)]
    pub(super) fn spill_after(&mut self, runs: usize) {
        self.closed_limit = runs;
    }

    /// The number of runs.
    #[must_use]
    pub fn run_count(&self) -> u64 {
        self.spill.len() + self.closed.len() as u64 + self.open
    }

    /// Writes the completed runs, sorted by thread, so that a thread can be read back without all others.
    fn spill_closed(&mut self) -> io::Result<()> {
        // The sort is stable, so the runs of a thread keep their order.
        self.closed.sort_by_key(|run| run.thread);
        let Extent { mut first, .. } = self.spill.append(&self.closed)?;
        for group in self.closed.chunk_by(|a, b| a.thread == b.thread) {
            let count = group.len() as u64;
            let thread = group[0].thread;
            let runs = self.threads.entry(thread).or_default();
            runs.mark_changed(thread, &mut self.changed);
            runs.closed = 0;
            runs.push_extent(Extent { first, count });
            first += count;
        }
        self.closed.clear();
        Ok(())
    }

    /// The threads that have runs, in the order in which they were first seen.
    pub fn threads(&self) -> impl Iterator<Item = ThreadId> + '_ {
        self.threads.keys().copied()
    }

    /// The runs of one thread, in the order of time. They are read piece by piece, so reading a long
    /// recording takes little memory.
    #[must_use]
    pub fn runs(&self, thread: ThreadId) -> Runs<'_> {
        let runs = self.threads.get(&thread);
        Runs {
            spill: &self.spill,
            extents: runs.map_or(&[][..], |runs| &runs.extents).iter(),
            extent: Extent::default(),
            piece: Vec::new().into_iter(),
            // There may be many threads without a run here. They need no search.
            closed: match runs {
                Some(runs) if runs.closed > 0 => self.closed.iter(),
                _ => [].iter(),
            },
            open: runs.and_then(|runs| runs.open).map(|open| open.run),
            thread,
        }
    }

    /// Why runs are missing: the spill file could not be written, for example because the disk is full.
    /// Everything recorded before that is there, and so is each thread's last run.
    #[must_use]
    pub fn failure(&self) -> Option<&io::Error> {
        self.failure.as_ref()
    }

    /// The number of runs that are missing since [`failure`](Self::failure).
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped
    }
}

impl ThreadRuns {
    fn mark_changed(&mut self, thread: ThreadId, changed: &mut Vec<ThreadId>) {
        if !self.changed {
            self.changed = true;
            changed.push(thread);
        }
    }

    fn push_extent(&mut self, extent: Extent) {
        match self.extents.last_mut() {
            Some(last) if last.first + last.count == extent.first => last.count += extent.count,
            _ => self.extents.push(extent),
        }
    }
}

/// Iterator over the runs of one thread: see [`Timeline::runs`].
#[derive(Debug)]
pub struct Runs<'a> {
    spill: &'a Spill,
    extents: std::slice::Iter<'a, Extent>,
    /// The rest of the extent that is being read.
    extent: Extent,
    piece: std::vec::IntoIter<Run>,
    closed: std::slice::Iter<'a, Run>,
    open: Option<Run>,
    thread: ThreadId,
}

impl Iterator for Runs<'_> {
    type Item = io::Result<Run>;

    fn next(&mut self) -> Option<io::Result<Run>> {
        loop {
            if let Some(run) = self.piece.next() {
                return Some(Ok(run));
            }
            if self.extent.count == 0 {
                let Some(&extent) = self.extents.next() else {
                    break;
                };
                self.extent = extent;
            }
            match self.spill.read(&mut self.extent, RUNS_A_READ) {
                Ok(runs) => self.piece = runs.into_iter(),
                Err(error) => {
                    // Later runs would seem to follow directly on those before the gap.
                    self.extent = Extent::default();
                    self.extents = [].iter();
                    self.closed = [].iter();
                    self.open = None;
                    return Some(Err(error));
                }
            }
        }
        let thread = self.thread;
        self.closed
            .find(|run| run.thread == thread)
            .copied()
            .or_else(|| self.open.take())
            .map(Ok)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::{GilState, Proof};

    const PERIOD: Nanos = Nanos(1000);

    fn sample(thread: u32, stack: u32, at: Nanos, wall: Nanos) -> Sample {
        Sample {
            thread: ThreadId::from_index(thread),
            stack: StackId::from_index(stack),
            labels: LabelSetId::EMPTY,
            at,
            wall,
            cpu: Nanos::ZERO,
            on_cpu: true,
            at_work: false,
            gil: GilState::Unknown,
            proof: Proof::Proven,
        }
    }

    fn timeline(closed_limit: usize) -> Timeline {
        Timeline {
            closed_limit,
            ..Timeline::new(PERIOD).expect("a temporary file")
        }
    }

    fn runs(timeline: &Timeline, thread: u32) -> Vec<Run> {
        timeline
            .runs(ThreadId::from_index(thread))
            .collect::<io::Result<_>>()
            .expect("readable")
    }

    #[test]
    fn a_thread_that_does_one_thing_is_one_run() {
        let mut timeline = timeline(10);
        for tick in 1..=3600 {
            timeline.add(&sample(0, 1, Nanos(tick * PERIOD.0), PERIOD));
        }
        let [run] = runs(&timeline, 0)[..] else {
            panic!("more than one run");
        };
        assert_eq!(
            (run.start, run.length, run.samples),
            (Nanos::ZERO, Nanos(3_600_000), 3600)
        );
    }

    #[test]
    fn a_late_tick_goes_on_with_its_run_and_an_idle_one_ends_it() {
        let mut timeline = timeline(10);
        timeline.add(&sample(0, 1, Nanos(1000), PERIOD));
        // Three ticks were missed, and this sample accounts for them.
        timeline.add(&sample(0, 1, Nanos(5000), Nanos(4000)));
        assert_eq!(runs(&timeline, 0).len(), 1);
        // The thread was idle at the tick in between.
        timeline.add(&sample(0, 1, Nanos(7000), PERIOD));
        let starts: Vec<_> = runs(&timeline, 0).iter().map(|run| run.start).collect();
        assert_eq!(starts, [Nanos::ZERO, Nanos(6000)]);
    }

    #[test]
    fn when_the_disk_is_full_what_came_before_is_kept_and_the_loss_is_told() {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        // A file that cannot be written behaves like a full disk.
        let read_only = std::fs::File::open(file.path()).expect("it is there");
        let mut timeline = timeline(4);
        timeline.spill = Spill::in_file(read_only);
        for tick in 1..=20 {
            timeline.add(&sample(
                0,
                tick % 2,
                Nanos(u64::from(tick) * PERIOD.0),
                PERIOD,
            ));
        }
        assert!(timeline.failure().is_some());
        assert_eq!(timeline.dropped(), 20 - 4 - 1);
        let kept = runs(&timeline, 0);
        assert_eq!(kept.len(), 4 + 1);
        assert_eq!(kept.last().map(|run| run.start), Some(Nanos(19_000)));
    }

    #[test]
    fn memory_stays_bounded() {
        let mut timeline = timeline(64);
        for tick in 1..10_000 {
            timeline.add(&sample(
                0,
                tick % 2,
                Nanos(u64::from(tick) * PERIOD.0),
                PERIOD,
            ));
            assert!(timeline.closed.len() < 64);
        }
        assert_eq!(timeline.threads[&ThreadId::from_index(0)].extents.len(), 1);
    }

    proptest! {
        #[test]
        fn what_goes_in_comes_out_in_order(
            steps in prop::collection::vec(
                (0u32..3, 0u32..3, 0u32..2, 0u64..4, 0u64..2000),
                0..300,
            ),
            closed_limit in 1usize..40,
        ) {
            let mut timeline = timeline(closed_limit);
            let mut expected: [Vec<(Run, Nanos)>; 3] = Default::default();
            let mut now = Nanos::ZERO;
            for (thread, stack, labels, ticks, wall) in steps {
                now = Nanos(now.0 + ticks * PERIOD.0);
                let sample = Sample {
                    labels: LabelSetId::from_index(labels),
                    ..sample(thread, stack, now, Nanos(wall))
                };
                timeline.add(&sample);

                let start = now.saturating_sub(sample.wall);
                let own = &mut expected[thread as usize];
                match own.last_mut() {
                    Some((run, end))
                        if (run.stack, run.labels) == (sample.stack, sample.labels)
                            && start.0 <= end.0 + PERIOD.0 / 2 =>
                    {
                        run.length.0 += wall;
                        run.samples += 1;
                        *end = now;
                    }
                    _ => own.push((
                        Run {
                            thread: sample.thread,
                            stack: sample.stack,
                            labels: sample.labels,
                            start,
                            length: sample.wall,
                            samples: 1,
                        },
                        now,
                    )),
                }
            }
            for (thread, expected) in expected.iter().enumerate() {
                let expected: Vec<Run> = expected.iter().map(|(run, _)| *run).collect();
                prop_assert_eq!(runs(&timeline, thread as u32), expected);
            }
        }
    }
}
