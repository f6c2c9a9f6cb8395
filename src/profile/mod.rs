//! What was counted: values for each distinct stack of each thread, and apart from that the order
//! in time. Knows nothing of how samples are taken, nor of any output.

mod absorb;
mod delta;
pub mod file;
mod recording;
mod spill;
mod timeline;
pub mod tree;

use std::io;
use std::ops::AddAssign;

use rustc_hash::FxHashMap;

use crate::model::{FrameId, Interner, Nanos, Proof, Sample, StackId, ThreadId};

pub use delta::{Delta, Mirror};
pub use recording::Recording;
pub use timeline::{Run, Runs, Timeline};

/// What one stack of one thread adds up to.
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

/// All that a recording found out. Memory grows with distinct stacks, not with time.
#[derive(Debug)]
pub struct Profile {
    /// The names behind the handles. An engine fills it in while it reads.
    pub interner: Interner,
    pub recording: Recording,
    entries: Vec<Entry>,
    positions: FxHashMap<(ThreadId, StackId), usize>,
    /// Stacks that could not be proven whole, as they are shown.
    unproven: FxHashMap<StackId, StackId>,
    timeline: Timeline,
    /// Positions of the entries that changed since the last [`Delta`].
    touched: Vec<usize>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    key: (ThreadId, StackId),
    values: Values,
    /// It changed since the last [`Delta`] and is listed for the next.
    touched: bool,
}

/// The root below which stacks stand that could not be proven to be of one moment: who reads the
/// profile shall neither miss them nor take them for right.
pub const UNPROVEN: &str = "<unproven>";

impl Profile {
    /// An empty profile.
    ///
    /// # Errors
    /// When no temporary file can be had for the timeline: better known before the recording than
    /// hours into it.
    pub fn new(recording: Recording) -> io::Result<Profile> {
        let timeline = Timeline::new(recording.period())?;
        Ok(Profile::with_timeline(recording, timeline))
    }

    fn with_timeline(recording: Recording, timeline: Timeline) -> Profile {
        Profile {
            interner: Interner::default(),
            timeline,
            recording,
            entries: Vec::new(),
            touched: Vec::new(),
            positions: FxHashMap::default(),
            unproven: FxHashMap::default(),
        }
    }

    /// Counts one sample. Samples of a thread come in the order of their time.
    pub fn add(&mut self, sample: &Sample) {
        let mut sample = *sample;
        if sample.proof == Proof::Unproven {
            sample.stack = self.set_apart(sample.stack);
        }
        let values = Values {
            count: 1,
            wall: sample.wall,
            cpu: sample.cpu,
            unproven: u64::from(sample.proof == Proof::Unproven),
        };
        self.count((sample.thread, sample.stack), values);
        self.timeline.add(&sample);
    }

    fn count(&mut self, key: (ThreadId, StackId), more: Values) {
        let position = *self.positions.entry(key).or_insert_with(|| {
            self.entries.push(Entry {
                key,
                values: Values::default(),
                touched: false,
            });
            self.entries.len() - 1
        });
        let entry = &mut self.entries[position];
        if !entry.touched {
            entry.touched = true;
            self.touched.push(position);
        }
        entry.values += more;
    }

    /// The same stack below [`UNPROVEN`].
    fn set_apart(&mut self, stack: StackId) -> StackId {
        if let Some(&apart) = self.unproven.get(&stack) {
            return apart;
        }
        let root = self.interner.intern_structure(UNPROVEN);
        let frames: Vec<FrameId> = self.interner.frames_of(stack).collect();
        let root = self.interner.intern_stack(StackId::EMPTY, root);
        let apart = frames.into_iter().rev().fold(root, |caller, frame| {
            self.interner.intern_stack(caller, frame)
        });
        // No more than there are stacks, and these are bounded.
        self.unproven.insert(stack, apart);
        apart
    }

    /// What was counted, in the order in which each stack was first met.
    pub fn entries(
        &self,
    ) -> impl ExactSizeIterator<Item = ((ThreadId, StackId), Values)> + Clone + '_ {
        self.entries.iter().map(|entry| (entry.key, entry.values))
    }

    /// Where among the entries that of a stack of a thread is.
    fn position(&self, thread: ThreadId, stack: StackId) -> Option<usize> {
        self.positions.get(&(thread, stack)).copied()
    }

    /// Makes an entry of what was added up elsewhere, unless there is one.
    fn push_entry(&mut self, key: (ThreadId, StackId), values: Values) -> bool {
        let position = self.entries.len();
        let is_new = *self.positions.entry(key).or_insert(position) == position;
        if is_new {
            self.entries.push(Entry {
                key,
                values,
                touched: true,
            });
            self.touched.push(position);
        }
        is_new
    }

    /// The sum over all entries.
    #[must_use]
    pub fn total(&self) -> Values {
        let mut total = Values::default();
        for (_, values) in self.entries() {
            total += values;
        }
        total
    }

    /// What each thread did in the order of time.
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
    use crate::model::{GilState, Pid};

    proptest! {
        #[test]
        fn nothing_is_lost_between_samples_entries_and_timeline(
            steps in prop::collection::vec((0u32..4, 1u32..5, 0u64..3000, any::<bool>()), 1..300),
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
            for &(thread, stack, step, proven) in &steps {
                at += step;
                wall += step;
                unproven += u64::from(!proven);
                profile.add(&Sample {
                    thread: ThreadId::from_index(thread),
                    stack: stacks[stack as usize],
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

            for ((_, stack), values) in profile.entries() {
                let apart = profile.interner.frames_of(stack).count() == 2;
                prop_assert_eq!(values.unproven, if apart { values.count } else { 0 });
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
