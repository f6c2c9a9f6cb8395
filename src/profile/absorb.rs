//! Several recordings as one profile: what repeated runs of a program came to together.

use rustc_hash::FxHashMap;

use super::{Profile, Recording};
use crate::model::{
    Frame, FrameId, Function, Interner, Process, ProcessId, StackId, TextId, Thread, ThreadId,
};

impl Profile {
    /// Adds what another recording counted, and how it went, to this one. The first of several
    /// profiles absorbs the others.
    ///
    /// The same thread of the same process stays one; all others stay apart. What the recording is
    /// about (process, version, rate) stays as it is here.
    ///
    /// The order in time is of one recording: [`timeline`](Self::timeline) stays that of this one.
    ///
    /// Memory is bounded as that of a single recording is: what the tables have no room for is
    /// counted as [`TOO_MANY`](crate::model::TOO_MANY).
    pub fn absorb(&mut self, other: &Profile) {
        self.absorb_as(other, None);
    }

    /// The same for repeats of one program, of which nobody asks what thread it was: all of it counts for
    /// the thread that was met first, so that memory grows with distinct stacks and not with repeats.
    pub fn absorb_repeat(&mut self, other: &Profile) {
        let first = self.entries.first().map(|entry| entry.key.0);
        self.absorb_as(other, first);
    }

    /// `thread` is what all counts for, if not for its own.
    fn absorb_as(&mut self, other: &Profile, thread: Option<ThreadId>) {
        let mut move_in = MoveIn::new(&other.interner, &mut self.interner);
        if thread.is_none() {
            move_in.enter_processes();
        }
        let entered = other.entries().map(|((own, stack), values)| {
            let thread = thread.unwrap_or_else(|| move_in.thread(own));
            ((thread, move_in.stack(stack)), values)
        });
        let entered: Vec<_> = entered.collect();
        for (key, values) in entered {
            self.count(key, values);
        }
        self.recording.absorb(&other.recording);
    }
}

impl Recording {
    fn absorb(&mut self, other: &Recording) {
        self.started = self.started.min(other.started);
        self.duration = self.duration.saturating_add(other.duration);
        self.ticks += other.ticks;
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

/// Handles of one interner as those of another, in which it enters what they stand for.
struct MoveIn<'a> {
    from: &'a Interner,
    to: &'a mut Interner,
    /// By the index of the process in `from`.
    processes: Vec<ProcessId>,
    threads: FxHashMap<ThreadId, ThreadId>,
    frames: FxHashMap<FrameId, FrameId>,
    stacks: FxHashMap<StackId, StackId>,
}

impl<'a> MoveIn<'a> {
    fn new(from: &'a Interner, to: &'a mut Interner) -> MoveIn<'a> {
        MoveIn {
            processes: Vec::new(),
            from,
            to,
            threads: FxHashMap::default(),
            frames: FxHashMap::default(),
            stacks: FxHashMap::from_iter([(StackId::EMPTY, StackId::EMPTY)]),
        }
    }

    /// To be called before threads are entered.
    fn enter_processes(&mut self) {
        self.processes = enter_processes(self.from, self.to);
    }

    fn thread(&mut self, thread: ThreadId) -> ThreadId {
        if let Some(&known) = self.threads.get(&thread) {
            return known;
        }
        let Thread { key, process, name } = *self.from.thread(thread);
        let entered = self.to.intern_thread(key, self.processes[process.index()]);
        if let Some(name) = name
            && self.to.thread(entered).name.is_none()
        {
            let name = self.text(name);
            self.to.name_thread(entered, name);
        }
        self.threads.insert(thread, entered);
        entered
    }

    /// Not by recursion: a target may have recursed deeper than our own stack is.
    fn stack(&mut self, stack: StackId) -> StackId {
        let mut above = Vec::new();
        let mut at = stack;
        let mut entered = loop {
            if let Some(&known) = self.stacks.get(&at) {
                break known;
            }
            let Some(entry) = self.from.stack(at) else {
                break StackId::EMPTY;
            };
            above.push((at, entry.frame));
            at = entry.caller;
        };
        while let Some((stack, frame)) = above.pop() {
            let frame = self.frame(frame);
            entered = self.to.intern_stack(entered, frame);
            self.stacks.insert(stack, entered);
        }
        entered
    }

    fn frame(&mut self, frame: FrameId) -> FrameId {
        if let Some(&known) = self.frames.get(&frame) {
            return known;
        }
        let Frame { function, line } = self.from.frame(frame);
        let function = self.from.function(function);
        let function = Function {
            name: self.text(function.name),
            file: self.text(function.file),
            short_file: self.text(function.short_file),
            first_line: function.first_line,
        };
        let function = self.to.intern_function(function);
        let entered = self.to.intern_frame(Frame { function, line });
        self.frames.insert(frame, entered);
        entered
    }

    fn text(&mut self, text: TextId) -> TextId {
        self.to.intern_text(self.from.text(text))
    }
}

/// Where each process of `from` is in `to`. A process has no key of its own: it is the one that
/// says the same of itself. No two of `from` become one.
fn enter_processes(from: &Interner, to: &mut Interner) -> Vec<ProcessId> {
    let mut free: Vec<ProcessId> = to.processes().map(|(id, _)| id).collect();
    let mut entered = Vec::new();
    for (_, process) in from.processes() {
        let same = free.iter().position(|&id| is_same(to.process(id), process));
        entered.push(match same {
            Some(position) => free.remove(position),
            None => to.add_process(Process {
                parent: None,
                ..process.clone()
            }),
        });
    }
    // A parent may have been found after its child.
    for (id, process) in from.processes() {
        let child = entered[id.index()];
        if let Some(parent) = process.parent
            && to.process(child).parent.is_none()
        {
            to.set_parent(child, entered[parent.index()]);
        }
    }
    entered
}

fn is_same(one: &Process, other: &Process) -> bool {
    (one.pid, &one.command, one.python, one.generation)
        == (other.pid, &other.command, other.python, other.generation)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::model::{GilState, Nanos, Pid, Proof, Sample, TargetStr, ThreadKey};
    use crate::profile::Values;

    /// One sample: process, thread and function by number, what it stands for, whether it is proven.
    type Step = (i32, u64, u32, u64, bool);

    fn recorded(steps: &[Step]) -> Profile {
        let recording = Recording::starting_now(Pid(1), Vec::new(), 100);
        let mut profile = Profile::new(recording).expect("a temporary file");
        for (index, &(pid, thread, function, wall, proven)) in steps.iter().enumerate() {
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
            profile.add(&Sample {
                thread,
                stack,
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

    /// What was counted, by what the handles stand for.
    fn counted(profile: &Profile) -> BTreeMap<(Pid, ThreadKey, Vec<String>), Values> {
        let interner = &profile.interner;
        let entry = |((thread, stack), values)| {
            let Thread { key, process, .. } = *interner.thread(thread);
            let name = |frame| interner.function(interner.frame(frame).function).name;
            let names = interner.frames_of(stack).map(name);
            let names = names.map(|name| interner.text(name).untrusted().to_owned());
            (
                (interner.process(process).pid, key, names.collect()),
                values,
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
                prop::collection::vec((1i32..4, 1u64..4, 0u32..5, 0u64..3000, any::<bool>()), 0..40),
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
    fn a_note_that_all_have_is_one() {
        let mut profile = recorded(&[(1, 1, 1, 1, true)]);
        profile.absorb(&recorded(&[(2, 1, 1, 1, true)]));
        assert_eq!(profile.recording.notes, ["A note."]);
    }

    #[test]
    fn equal_processes_of_one_recording_stay_apart_and_keep_their_parents() {
        let family = || {
            let mut profile = recorded(&[(7, 1, 1, 1, true)]);
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
        let mut profile = recorded(&[(1, 1, 1, 5, true)]);
        profile.absorb(&recorded(&[(1, 1, 1, 7, true)]));
        let runs = profile
            .timeline()
            .threads()
            .flat_map(|thread| profile.timeline().runs(thread));
        let length: u64 = runs.map(|run| run.expect("readable").length.0).sum();
        assert_eq!((length, profile.total().wall), (5, Nanos(12)));
    }

    #[test]
    fn repeats_grow_with_their_stacks_and_not_with_their_number() {
        let mut profile = recorded(&[(1, 1, 1, 7, true), (1, 1, 2, 7, true)]);
        for pid in 2..50 {
            profile.absorb_repeat(&recorded(&[(pid, 1, 1, 7, true), (pid, 2, 2, 7, false)]));
        }
        // Two stacks, one of them also unproven.
        assert_eq!(profile.entries().len(), 3);
        assert_eq!(profile.interner.processes().len(), 1);
        assert_eq!(profile.total().count, 2 * 49);
        assert_eq!(profile.recording.ticks.looks, 2 * 49);
    }
}
