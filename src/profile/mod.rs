//! The profile: values for each distinct stack of each thread with each set of labels, and separately the
//! order in time. It knows neither how samples are taken nor any output format.

mod absorb;
mod delta;
mod entry;
pub mod file;
mod import;
mod recording;
mod spill;
mod timeline;
pub mod tree;
mod window;

use std::io;

use rustc_hash::FxHashMap;

use crate::model::{
    FrameId, Interner, LabelSetId, Nanos, ProcessId, Proof, Sample, StackId, ThreadKey,
};

pub use delta::{Delta, Mirror};
pub use entry::{Entry, EntryKey, Values};
pub use recording::Recording;
pub use timeline::{Run, Runs, Timeline};
use window::WindowStart;

/// Everything that was recorded. Memory grows with distinct stacks and label sets, not with time.
#[derive(Debug)]
pub struct Profile {
    /// The names behind the handles. An engine fills it while it reads.
    pub interner: Interner,
    pub recording: Recording,
    entries: Vec<Entry>,
    positions: FxHashMap<EntryKey, usize>,
    /// For each stack that could not be proven, the same stack below [`UNPROVEN`].
    unproven: FxHashMap<StackId, StackId>,
    timeline: Timeline,
    /// Positions of the entries that changed since the last [`Delta`].
    changed: Vec<usize>,
    /// Where the next window begins.
    window: WindowStart,
    /// Whether anything was forgotten since the last [`Delta`].
    forgot: bool,
}

/// The root of stacks that could not be proven to be of one moment. A reader sees them, but does not take
/// them for certain.
pub const UNPROVEN: &str = "<unproven>";

/// The root of CPU time that no Python frame used.
pub const OUTSIDE: &str = "<outside of Python>";

impl Profile {
    /// An empty profile.
    ///
    /// # Errors
    /// When no temporary file can be created for the timeline. That should be known before the recording
    /// and not hours into it.
    pub fn new(recording: Recording) -> io::Result<Profile> {
        let timeline = Timeline::new(recording.period())?;
        Ok(Profile::with_timeline(recording, timeline))
    }

    /// An empty profile that keeps no order in time, for a recording that may go on for days: its size on
    /// disk would grow with time.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn without_order(recording: Recording) -> io::Result<Profile> {
        let timeline = Timeline::not_kept(recording.period())?;
        Ok(Profile::with_timeline(recording, timeline))
    }

    fn with_timeline(recording: Recording, timeline: Timeline) -> Profile {
        Profile {
            interner: Interner::default(),
            timeline,
            recording,
            entries: Vec::new(),
            changed: Vec::new(),
            positions: FxHashMap::default(),
            unproven: FxHashMap::default(),
            window: WindowStart::default(),
            forgot: false,
        }
    }

    /// Counts one sample. Samples of a thread must come in the order of time.
    pub fn add(&mut self, sample: &Sample) {
        let mut sample = *sample;
        if sample.proof == Proof::Unproven {
            sample.stack = self.below_unproven(sample.stack);
        }
        let values = Values {
            count: 1,
            wall: sample.wall,
            cpu: sample.cpu,
            unproven: u64::from(sample.proof == Proof::Unproven),
        };
        self.count(EntryKey::of(&sample), values);
        self.timeline.add(&sample);
    }

    fn count(&mut self, key: EntryKey, more: Values) {
        let position = *self.positions.entry(key).or_insert_with(|| {
            self.entries.push(Entry {
                key,
                values: Values::default(),
                changed: false,
            });
            self.entries.len() - 1
        });
        let entry = &mut self.entries[position];
        if !entry.changed {
            entry.changed = true;
            self.changed.push(position);
        }
        entry.values += more;
    }

    /// The same stack below the root [`UNPROVEN`].
    fn below_unproven(&mut self, stack: StackId) -> StackId {
        if let Some(&below) = self.unproven.get(&stack) {
            return below;
        }
        let root = self.interner.intern_structure(UNPROVEN);
        let frames: Vec<FrameId> = self.interner.frames_of(stack).collect();
        let root = self.interner.intern_stack(StackId::EMPTY, root);
        let below = frames.into_iter().rev().fold(root, |caller, frame| {
            self.interner.intern_stack(caller, frame)
        });
        // It has no more entries than there are stacks, which are bounded.
        self.unproven.insert(stack, below);
        below
    }

    /// Counts CPU time of a process that no sample accounts for, such as that of threads without Python.
    /// It is below a root of its own, [`OUTSIDE`].
    pub fn add_outside(&mut self, process: ProcessId, cpu: Nanos) {
        let key = ThreadKey {
            pid: self.interner.process(process).pid,
            python_id: 0,
            tid: None,
            started: 0,
        };
        let thread = self.interner.intern_thread(key, process);
        let frame = self.interner.intern_structure(OUTSIDE);
        let stack = self.interner.intern_stack(StackId::EMPTY, frame);
        let values = Values {
            cpu,
            ..Values::default()
        };
        self.count(
            EntryKey {
                thread,
                stack,
                labels: LabelSetId::EMPTY,
            },
            values,
        );
    }

    /// Whether such time was counted.
    #[must_use]
    pub fn has_outside(&self) -> bool {
        self.entries.iter().any(|entry| entry.values.count == 0)
    }

    /// CPU time of all samples of a process.
    #[must_use]
    pub fn cpu_of(&self, process: ProcessId) -> Nanos {
        let entries = self.entries();
        let own = entries.filter(|it| self.interner.thread(it.thread()).process == process);
        own.fold(Nanos::ZERO, |sum, entry| {
            sum.saturating_add(entry.values().cpu)
        })
    }

    /// The entries, in the order in which their keys were first seen.
    pub fn entries(&self) -> impl ExactSizeIterator<Item = &Entry> + Clone {
        self.entries.iter()
    }

    /// The index of the entry with this key.
    fn position(&self, key: EntryKey) -> Option<usize> {
        self.positions.get(&key).copied()
    }

    /// Adds an entry whose values were summed elsewhere; `false` if its key exists already.
    fn push_entry(&mut self, key: EntryKey, values: Values) -> bool {
        let position = self.entries.len();
        let is_new = *self.positions.entry(key).or_insert(position) == position;
        if is_new {
            self.entries.push(Entry {
                key,
                values,
                changed: true,
            });
            self.changed.push(position);
        }
        is_new
    }

    /// The sum over all entries.
    #[must_use]
    pub fn total(&self) -> Values {
        let mut total = Values::default();
        for entry in self.entries() {
            total += entry.values();
        }
        total
    }

    /// What each thread did, in the order of time.
    #[must_use]
    pub fn timeline(&self) -> &Timeline {
        &self.timeline
    }

    /// Whether no sample was counted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::{GilState, LabelSetId, Nanos, Pid, ThreadId};

    proptest! {
        #[test]
        fn nothing_is_lost_between_samples_entries_and_timeline(
            steps in prop::collection::vec(
                (0u32..4, 1u32..5, 0u32..3, 0u64..3000, any::<bool>()),
                1..300,
            ),
        ) {
            let recording = Recording::starting_now(Pid(1), Vec::new(), 1_000_000);
            let mut profile = Profile::new(recording).expect("a temporary file");
            let stacks: Vec<StackId> = (0..5)
                .map(|number| {
                    let frame = profile.interner.intern_structure(&format!("f{number}"));
                    profile.interner.intern_stack(StackId::EMPTY, frame)
                })
                .collect();
            let (mut at, mut wall, mut unproven) = (0, 0, 0);
            for &(thread, stack, labels, step, proven) in &steps {
                at += step;
                wall += step;
                unproven += u64::from(!proven);
                profile.add(&Sample {
                    thread: ThreadId::from_index(thread),
                    stack: stacks[stack as usize],
                    labels: LabelSetId::from_index(labels),
                    at: Nanos(at),
                    wall: Nanos(step),
                    cpu: Nanos(step / 2),
                    on_cpu: true,
                    at_work: false,
                    gil: GilState::Unknown,
                    proof: if proven { Proof::Proven } else { Proof::Unproven },
                });
            }
            let total = profile.total();
            prop_assert_eq!(total.count, steps.len() as u64);
            prop_assert_eq!(total.wall, Nanos(wall));
            prop_assert_eq!(total.unproven, unproven);

            for entry in profile.entries() {
                let values = entry.values();
                let below = profile.interner.frames_of(entry.stack()).count() == 2;
                prop_assert_eq!(values.unproven, if below { values.count } else { 0 });
            }
            let (mut samples, mut length) = (0, 0);
            for thread in profile.timeline().threads() {
                for run in profile.timeline().runs(thread) {
                    let run = run.expect("readable");
                    samples += run.samples;
                    length += run.length.0;
                }
            }
            prop_assert_eq!(samples, total.count);
            prop_assert_eq!(length, wall);
        }
    }
}
