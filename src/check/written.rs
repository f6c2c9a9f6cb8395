//! Profiles for tests, written as lists of stacks.

use crate::model::{
    Frame, FrameKind, Function, GilState, Interner, Label, LabelSetId, Nanos, Pid, Process, Proof,
    PythonVersion, Sample, StackId, TargetStr, ThreadKey, Tid,
};
use crate::profile::{Profile, Recording};

/// Stacks, outermost function first, each frame as `name|file|line`, with the number of their samples. A
/// sample stands for 10 ms, all of it on-CPU.
pub fn profile(stacks: &[(&[&str], u64)]) -> Profile {
    profile_with_labels(stacks, 1)
}

/// The same. Samples take turns in having no label or one of `sets - 1` label sets.
pub fn profile_with_labels(stacks: &[(&[&str], u64)], sets: u64) -> Profile {
    let stacks: Vec<_> = stacks
        .iter()
        .map(|&(stack, count)| (stack, count, 0))
        .collect();
    written(&stacks, sets)
}

/// The same. Before each stack, the process is idle for as long as the second number of samples.
pub fn profile_with_idle(stacks: &[(&[&str], u64, u64)]) -> Profile {
    written(stacks, 1)
}

fn written(stacks: &[(&[&str], u64, u64)], sets: u64) -> Profile {
    let mut recording = Recording::starting_now(Pid(7), vec![TargetStr::new("python3")], 100);
    recording.python = Some(PythonVersion::from_hex(0x030b_07f0, false));
    let mut profile = Profile::new(recording).expect("a temporary file");
    let process = profile.interner.add_process(Process {
        pid: Pid(7),
        parent: None,
        command: Vec::new(),
        python: None,
        generation: None,
    });
    let key = ThreadKey {
        pid: Pid(7),
        python_id: 7,
        tid: Some(Tid(7)),
        started: 0,
    };
    let thread = profile.interner.intern_thread(key, process);
    let period = Nanos(10_000_000);
    let mut at = Nanos::ZERO;
    for (frames, count, idle) in stacks {
        at = at.saturating_add(Nanos(idle * period.0));
        let mut stack = StackId::EMPTY;
        for frame in *frames {
            let [name, file, line] = frame.split('|').collect::<Vec<_>>()[..] else {
                panic!("name|file|line");
            };
            let interner = &mut profile.interner;
            let short_file = file.rsplit('/').take(2).collect::<Vec<_>>();
            let short_file: Vec<_> = short_file.into_iter().rev().collect();
            let function = interner.intern_text(&TargetStr::new(name));
            let function = Function {
                kind: FrameKind::Python,
                name: function,
                file: interner.intern_text(&TargetStr::new(file)),
                short_file: interner.intern_text(&TargetStr::new(short_file.join("/"))),
                first_line: 1,
            };
            let function = interner.intern_function(function);
            let line = line.parse().expect("a line");
            let frame = interner.intern_frame(Frame { function, line });
            stack = interner.intern_stack(stack, frame);
        }
        for number in 0..*count {
            let labels = label_set(&mut profile.interner, number % sets);
            at = at.saturating_add(period);
            profile.add(&Sample {
                thread,
                stack,
                labels,
                at,
                wall: period,
                cpu: period,
                on_cpu: true,
                at_work: false,
                gil: GilState::Holds,
                proof: Proof::Proven,
            });
        }
    }
    profile.recording.duration = at;
    profile
}

fn label_set(interner: &mut Interner, number: u64) -> LabelSetId {
    let label = Label {
        key: interner.intern_text(&TargetStr::new("route")),
        value: interner.intern_text(&TargetStr::new(format!("/{number}"))),
    };
    interner.intern_labels((number > 0).then_some(label))
}
