//! Merges several recordings into one profile, such as repeated runs of a program.

use super::import::Importer;
use super::{EntryKey, Profile, Recording};
use crate::model::ThreadId;

impl Profile {
    /// Adds the samples of another recording, and how well it went. The first of several profiles absorbs
    /// the others.
    ///
    /// The same thread of the same process stays one thread; all others stay apart. The description of
    /// the recording (process, version, rate) is not changed.
    ///
    /// The [`timeline`](Self::timeline) is not changed either: the order in time is that of one
    /// recording.
    ///
    /// Memory is bounded as for a single recording: what the tables have no room for is counted as
    /// `TOO_MANY`.
    pub fn absorb(&mut self, other: &Profile) {
        self.absorb_as(other, None);
    }

    /// The same for repeats of one program, whose threads need not be told apart: everything counts for
    /// the first thread. Memory thus grows with distinct stacks and label sets, and not with repeats.
    pub fn absorb_repeat(&mut self, other: &Profile) {
        let first = self.entries.first().map(|entry| entry.thread());
        self.absorb_as(other, first);
    }

    /// If `thread` is given, everything counts for it.
    fn absorb_as(&mut self, other: &Profile, thread: Option<ThreadId>) {
        let mut importer = Importer::new(&other.interner, &mut self.interner);
        if thread.is_none() {
            importer.import_processes(|_| true);
        }
        let imported = other.entries().map(|entry| {
            let key = EntryKey {
                thread: thread.unwrap_or_else(|| importer.thread(entry.thread())),
                stack: importer.stack(entry.stack()),
                labels: importer.labels(entry.labels()),
            };
            (key, entry.values())
        });
        let imported: Vec<_> = imported.collect();
        for (key, values) in imported {
            self.count(key, values);
        }
        if other.interner.labels_are_full() {
            self.interner.set_labels_full();
        }
        self.recording.absorb(&other.recording);
    }
}

impl Recording {
    fn absorb(&mut self, other: &Recording) {
        self.started = self.started.min(other.started);
        self.duration = self.duration.saturating_add(other.duration);
        self.ticks += other.ticks;
        self.labels_read &= other.labels_read;
        self.cpu_outside = match (self.cpu_outside, other.cpu_outside) {
            (Some(own), Some(more)) => Some(own.saturating_add(more)),
            (own, more) => own.or(more),
        };
        for method in &other.halted {
            if !self.halted.contains(method) {
                self.halted.push(*method);
            }
        }
        for note in &other.notes {
            if !self.notes.contains(note) {
                self.notes.push(note.clone());
            }
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::model::{
        GilState, Interner, Label, LabelSetId, Nanos, Pid, Process, ProcessId, Proof, Sample,
        StackId, TargetStr, Thread, ThreadKey,
    };
    use crate::profile::file::{read, tests::written};
    use crate::profile::{Entry, Mirror, Values};

    /// One sample: indices of process, thread, function and labels, the time, and whether it is proven.
    type Step = (i32, u64, u32, u32, u64, bool);

    fn recorded(steps: &[Step]) -> Profile {
        let recording = Recording::starting_now(Pid(1), Vec::new(), 100);
        let mut profile = Profile::new(recording).expect("a temporary file");
        for (index, &(pid, thread, function, labels, wall, proven)) in steps.iter().enumerate() {
            let process = process(&mut profile.interner, pid);
            let key = ThreadKey {
                pid: Pid(pid),
                python_id: thread,
                tid: None,
                started: 0,
            };
            let thread = profile.interner.intern_thread(key, process);
            let name = profile.interner.intern_text(&TargetStr::new("worker"));
            profile.interner.name_thread(thread, name);
            let mut stack = StackId::EMPTY;
            for caller in 0..function {
                let frame = profile.interner.intern_structure(&format!("f{caller}"));
                stack = profile.interner.intern_stack(stack, frame);
            }
            let labels = route(&mut profile.interner, labels);
            profile.add(&Sample {
                thread,
                stack,
                labels,
                at: Nanos(index as u64),
                wall: Nanos(wall),
                cpu: Nanos(wall / 2),
                on_cpu: true,
                at_work: false,
                gil: GilState::Unknown,
                proof: if proven {
                    Proof::Proven
                } else {
                    Proof::Unproven
                },
            });
            profile.recording.ticks.looks += 1;
            profile.recording.notes = vec!["A note.".to_owned()];
        }
        profile
    }

    fn route(interner: &mut Interner, number: u32) -> LabelSetId {
        let mut text = |text: String| interner.intern_text(&TargetStr::new(text));
        let label = Label {
            key: text("route".to_owned()),
            value: text(format!("/{number}")),
        };
        interner.intern_labels((number > 0).then_some(label))
    }

    fn process(interner: &mut Interner, pid: i32) -> ProcessId {
        let known = interner.processes().find(|(_, it)| it.pid == Pid(pid));
        known.map(|(id, _)| id).unwrap_or_else(|| {
            interner.add_process(Process {
                pid: Pid(pid),
                parent: None,
                command: vec![TargetStr::new("python")],
                python: None,
                generation: None,
            })
        })
    }

    /// Values by process, thread, names of frames, and labels.
    pub type Counted = BTreeMap<(Pid, ThreadKey, Vec<String>, Vec<[String; 2]>), Values>;

    /// The values of a profile by names instead of handles.
    pub fn counted(profile: &Profile) -> Counted {
        let interner = &profile.interner;
        let text = |id| interner.text(id).untrusted().to_owned();
        let entry = |entry: &Entry| {
            let Thread { key, process, .. } = *interner.thread(entry.thread());
            let name = |frame| interner.function(interner.frame(frame).function).name;
            let names = interner.frames_of(entry.stack()).map(name).map(text);
            let labels = interner.labels(entry.labels()).iter();
            let labels = labels.map(|label| [text(label.key), text(label.value)]);
            (
                (
                    interner.process(process).pid,
                    key,
                    names.collect(),
                    labels.collect(),
                ),
                entry.values(),
            )
        };
        profile.entries().map(entry).collect()
    }

    fn absorbed<'a>(runs: impl IntoIterator<Item = &'a Vec<Step>>) -> Profile {
        let mut all = recorded(&[]);
        for run in runs {
            all.absorb(&recorded(run));
        }
        all
    }

    proptest! {
        #[test]
        fn totals_add_up_in_whatever_order(
            runs in prop::collection::vec(
                prop::collection::vec(
                    (1i32..4, 1u64..4, 0u32..5, 0u32..4, 0u64..3000, any::<bool>()),
                    0..40,
                ),
                0..5,
            ),
        ) {
            let all = absorbed(&runs);
            let mut total = Values::default();
            for run in &runs {
                total += recorded(run).total();
            }
            prop_assert_eq!(all.total(), total);
            prop_assert_eq!(all.recording.ticks.looks, total.count);
            prop_assert_eq!(counted(&all).len(), all.entries().len());
            prop_assert_eq!(counted(&all), counted(&absorbed(runs.iter().rev())));
            prop_assert_eq!(counted(&all), counted(&recorded(&runs.concat())));
        }
    }

    #[test]
    fn label_sets_that_are_too_many_together_count_as_other() {
        let run = |first: u32| {
            let steps: Vec<Step> = (first..first + 6000)
                .map(|number| (1, 1, 1, number, 5, true))
                .collect();
            recorded(&steps)
        };
        let mut all = run(1);
        assert!(!all.interner.labels_are_full());
        all.absorb(&run(6001));
        assert!(all.interner.labels_are_full());
        let others = all.entries().filter(|it| it.labels() == LabelSetId::OTHER);
        let others: Vec<_> = others.map(|it| it.values().count).collect();
        assert_eq!((others, all.total().count), (vec![2000], 12_000));

        // They stay so when the profile is absorbed.
        let mut into = recorded(&[]);
        into.absorb(&all);
        assert_eq!(counted(&into), counted(&all));
        let again = read(written(&all).as_slice()).expect("a profile");
        assert_eq!(counted(&again), counted(&all));
        let mut mirror = Mirror::default();
        let copy = mirror.update(all.take_delta(0));
        for profile in [&into, &again, copy] {
            assert!(profile.interner.labels_are_full() && !profile.interner.is_full());
        }
    }

    #[test]
    fn a_note_that_all_have_is_one() {
        let mut profile = recorded(&[(1, 1, 1, 0, 1, true)]);
        profile.absorb(&recorded(&[(2, 1, 1, 0, 1, true)]));
        assert_eq!(profile.recording.notes, ["A note."]);
    }

    #[test]
    fn equal_processes_of_one_recording_stay_apart_and_keep_their_parents() {
        let family = || {
            let mut profile = recorded(&[(7, 1, 1, 0, 1, true)]);
            let again = profile.interner.processes().next().unwrap().1.clone();
            let again = profile.interner.add_process(again);
            let parent = process(&mut profile.interner, 3);
            profile.interner.set_parent(again, parent);
            profile
        };
        let mut profile = family();
        profile.absorb(&family());
        let parents: Vec<_> = profile
            .interner
            .processes()
            .map(|(_, process)| process.parent.map(ProcessId::index))
            .collect();
        assert_eq!(parents, [None, Some(2), None]);
    }

    #[test]
    fn the_order_in_time_is_that_of_the_first() {
        let mut profile = recorded(&[(1, 1, 1, 0, 5, true)]);
        profile.absorb(&recorded(&[(1, 1, 1, 0, 7, true)]));
        let runs = profile
            .timeline()
            .threads()
            .flat_map(|thread| profile.timeline().runs(thread));
        let length: u64 = runs.map(|run| run.expect("readable").length.0).sum();
        assert_eq!((length, profile.total().wall), (5, Nanos(12)));
    }

    #[test]
    fn repeats_grow_with_their_stacks_and_not_with_their_number() {
        let mut profile = recorded(&[(1, 1, 1, 0, 7, true), (1, 1, 2, 0, 7, true)]);
        for pid in 2..50 {
            profile.absorb_repeat(&recorded(&[
                (pid, 1, 1, 0, 7, true),
                (pid, 2, 2, 0, 7, false),
            ]));
        }
        // Two stacks, one of them also unproven.
        assert_eq!(profile.entries().len(), 3);
        assert_eq!(profile.interner.processes().len(), 1);
        assert_eq!(profile.total().count, 2 * 49);
        assert_eq!(profile.recording.ticks.looks, 2 * 49);
    }
}
