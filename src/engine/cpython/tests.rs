//! Reading and resolving without a live process: from recorded memory, and from stacks made by hand.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::code_table::{CodeTable, Verified};
use super::reading::{KernelSide, KernelThread, Look, Motion, Patience, ReadStack, Reader, Scope};
use super::resolving::{MISSING_FRAMES, RawSample, Reading, Resolver, WorkSearch};
use super::short_file::{FileSystem, ShortFiles};
use super::stack_of;
use crate::cpython::frames::{FrameKind, RawFrame, RawStack};
use crate::cpython::layout::{self, Layout};
use crate::cpython::locate::RuntimeAddress;
use crate::cpython::threads::ThreadState;
use crate::memory::Memory;
use crate::memory::recorded::RecordedMemory;
use crate::model::{
    Addr, GilState, Interner, Nanos, Pid, Process, Proof, PythonVersion, Sample, ThreadKey, Tick,
    Tid,
};

/// Where to begin in a recording, and what other readers found in it.
#[derive(Deserialize)]
struct Roots {
    version: u32,
    free_threaded: bool,
    runtime: Option<u64>,
    interp_head: u64,
    current_thread: Option<u64>,
    found: Vec<String>,
}

impl Roots {
    fn version(&self) -> PythonVersion {
        PythonVersion::from_hex(self.version, self.free_threaded)
    }

    fn layout(&self) -> Layout {
        layout::builtin(self.version()).expect("a known version")
    }

    fn runtime(&self) -> RuntimeAddress {
        match self.runtime {
            Some(runtime) => RuntimeAddress::Runtime(Addr(runtime)),
            None => RuntimeAddress::Variables {
                interp_head: Addr(self.interp_head),
                current_thread: self.current_thread.map(Addr),
            },
        }
    }
}

fn recording(roots: &Path) -> (Roots, RecordedMemory) {
    let memory = std::fs::read(roots.with_extension("mem")).expect("memory");
    let roots = std::fs::read(roots).expect("roots");
    (
        serde_json::from_slice(&roots).expect("roots"),
        RecordedMemory::from_bytes(&memory).expect("memory"),
    )
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/memory")
}

fn recordings() -> Vec<(Roots, RecordedMemory)> {
    let files = std::fs::read_dir(folder()).expect("recordings");
    let files = files.map(|file| file.expect("a file").path());
    files
        .filter(|file| file.extension().is_some_and(|ending| ending == "json"))
        .map(|roots| recording(&roots))
        .collect()
}

/// A kernel side without a kernel: thread ids come from the thread states, where these have them.
struct NoKernel;

impl KernelSide for NoKernel {
    fn kernel_thread<M: Memory>(&mut self, _: &mut M, state: &ThreadState) -> KernelThread {
        let native = state.native_thread_id.map(i32::try_from);
        match native {
            Some(Ok(tid)) => KernelThread::Is(Tid(tid)),
            _ => KernelThread::Unknown,
        }
    }

    fn stack_is_unchanged(&mut self, _: Option<Tid>, _: Addr, _: u64) -> bool {
        false
    }

    fn patience_with(&mut self, _: Option<Tid>, _: &ThreadState) -> Patience {
        Patience::Full
    }
}

/// A reader of a recording after one look.
fn look_at(roots: &Roots, memory: RecordedMemory, codes: &mut CodeTable) -> Reader<RecordedMemory> {
    let mut reader = Reader::new(memory, roots.layout(), roots.runtime());
    reader
        .look(&Scope::default(), Motion::Halted, codes, &mut NoKernel)
        .expect("readable");
    reader
}

fn raw_stacks(look: &Look) -> Vec<&RawStack> {
    let stacks = look.threads.iter().map(|thread| match &thread.stack {
        ReadStack::Read(stack) => stack,
        other => panic!("{other:?}"),
    });
    stacks.collect()
}

fn resolver(interner: &mut Interner) -> Resolver {
    let process = interner.add_process(Process {
        pid: Pid(7),
        parent: None,
        command: Vec::new(),
        python: None,
        generation: None,
    });
    Resolver::new(process, ShortFiles::new(FileSystem::None), WorkSearch::Off)
}

fn key(python_id: u64, tid: Option<Tid>) -> ThreadKey {
    ThreadKey {
        pid: Pid(7),
        python_id,
        tid,
        started: 0,
    }
}

/// Name and line of each frame of a sample, leaf first.
fn lines(sample: &Sample, interner: &Interner) -> Vec<String> {
    let frames = interner.frames_of(sample.stack).map(|frame| {
        let frame = interner.frame(frame);
        let name = interner.text(interner.function(frame.function).name);
        format!("{name:?} {}", frame.line)
    });
    frames.collect()
}

#[test]
fn recorded_memory_becomes_named_stacks_of_named_threads() {
    let recordings = recordings();
    assert!(recordings.len() >= 11);
    for (roots, memory) in recordings {
        let (mut codes, mut interner) = (CodeTable::default(), Interner::default());
        let mut reader = look_at(&roots, memory, &mut codes);
        let mut resolver = resolver(&mut interner);
        resolver.begin();
        let mut samples = Vec::new();
        for thread in &reader.last_look().threads {
            assert_eq!(thread.proof, Proof::Proven);
            let raw = RawSample {
                labels: None,
                root: thread.root,
                thread: key(thread.state.thread_id, thread.tid),
                stack: stack_of(thread).expect("a stack"),
                proof: thread.proof,
                on_cpu: false,
                cpu: Nanos::ZERO,
                gil: thread.gil,
                tick: TICK,
            };
            samples.extend(resolver.resolve(&raw, &mut codes, &mut interner));
        }
        for names in reader.thread_names() {
            resolver.name_threads(&names, &mut interner);
        }
        let mut found: Vec<String> = samples
            .iter()
            .map(|sample| format!("Ok(Reached) false {:?}", lines(sample, &interner)))
            .collect();
        let mut expected = roots.found.clone();
        expected.retain(|line| line.contains("Reached"));
        found.sort();
        expected.sort();
        assert_eq!(found, expected, "{}", roots.version());
        assert_eq!(found.len(), 3);
        let mut names: Vec<&str> = samples
            .iter()
            .filter_map(|sample| interner.thread(sample.thread).name)
            .map(|name| interner.text(name).untrusted())
            .collect();
        names.sort_unstable();
        assert_eq!(names, ["MainThread", "one", "two"], "{}", roots.version());
    }
}

#[test]
fn raw_stacks_say_where_each_frame_lies_and_where_eval_loops_begin() {
    for (roots, memory) in recordings() {
        let mut codes = CodeTable::default();
        let reader = look_at(&roots, memory, &mut codes);
        let version = roots.version();
        let look = reader.last_look();
        for (thread, stack) in look.threads.iter().zip(raw_stacks(look)) {
            let first = stack.frames.first().expect("a frame");
            assert_eq!(first.address, thread.state.leaf, "{version}");
            let kinds: Vec<FrameKind> = stack.frames.iter().map(|frame| frame.kind).collect();
            let outermost = *kinds.last().expect("a frame");
            match (version.major, version.minor) {
                (3, 12..) => assert_eq!(outermost, FrameKind::Shim, "{version}"),
                (3, 11) => assert_eq!(outermost, FrameKind::Entry),
                _ => assert!(
                    kinds.iter().all(|kind| *kind == FrameKind::Entry),
                    "{version}"
                ),
            }
        }
    }
}

const TICK: Tick = Tick {
    at: Nanos(1000),
    stands_for: Nanos(10),
};

/// Code objects of a recording, and the frames of a waiting thread, leaf first.
struct ByHand {
    codes: CodeTable,
    interner: Interner,
    resolver: Resolver,
    frames: Vec<RawFrame>,
}

impl ByHand {
    /// The memory only serves to verify the code objects.
    fn new() -> ByHand {
        let (roots, mut memory) = recording(&folder().join("3.13.0.json"));
        let reader = look_at(&roots, memory.clone(), &mut CodeTable::default());
        let stacks = raw_stacks(reader.last_look());
        let waits = stacks.iter().max_by_key(|stack| stack.frames.len());
        let frames: Vec<RawFrame> = waits.expect("a stack").functions().copied().collect();
        let mut codes = CodeTable::default();
        codes.begin_look(None);
        for frame in &frames {
            assert!(codes.verify(&mut memory, &roots.layout(), frame.code, 0) != Verified::No);
        }
        let mut interner = Interner::default();
        ByHand {
            resolver: resolver(&mut interner),
            codes,
            interner,
            frames,
        }
    }

    /// Resolves a stack of thread 5 and returns its lines.
    fn resolve(&mut self, stack: Reading<'_>, tick: Tick, cpu: Nanos) -> Option<Sample> {
        let raw = RawSample {
            labels: None,
            root: Addr(0x5000),
            thread: key(5, None),
            stack,
            proof: Proof::Proven,
            on_cpu: true,
            cpu,
            gil: GilState::Holds,
            tick,
        };
        let (codes, interner) = (&mut self.codes, &mut self.interner);
        self.resolver.resolve(&raw, codes, interner)
    }

    fn lines_of(&mut self, frames: &[RawFrame], cut: bool) -> Vec<String> {
        let stack = RawStack {
            frames: frames.to_vec(),
            cut,
        };
        let sample = self.resolve(Reading::Stack(&stack), TICK, Nanos::ZERO);
        lines(&sample.expect("a sample"), &self.interner)
    }
}

const WHOLE: [&str; 4] = [
    "\"wait\" 7",
    "\"Thread.run\" 992",
    "\"Thread._bootstrap_inner\" 1041",
    "\"Thread._bootstrap\" 1012",
];

#[test]
fn stacks_made_by_hand_become_samples() {
    let mut by_hand = ByHand::new();
    let whole = RawStack {
        frames: by_hand.frames.clone(),
        cut: false,
    };
    by_hand.resolver.begin();
    // Two samples of one thread in one round, each with its own time, as from a buffer.
    for (at, cpu) in [(3, 1), (5, 2)] {
        let tick = Tick {
            at: Nanos(at),
            stands_for: Nanos(2),
        };
        let sample = by_hand.resolve(Reading::Stack(&whole), tick, Nanos(cpu));
        let sample = sample.expect("a sample");
        assert_eq!(lines(&sample, &by_hand.interner), WHOLE);
        assert_eq!((sample.at, sample.wall), (Nanos(at), Nanos(2)));
        assert_eq!((sample.cpu, sample.on_cpu), (Nanos(cpu), true));
        assert_eq!(sample.gil, GilState::Holds);
    }
    let again = by_hand.resolve(Reading::Unchanged, TICK, Nanos::ZERO);
    let again = again.expect("a sample");
    assert_eq!(lines(&again, &by_hand.interner), WHOLE);
    assert_eq!(again.at, TICK.at);
    assert_eq!(by_hand.resolve(Reading::Lost, TICK, Nanos::ZERO), None);
    let nothing = RawStack::default();
    let sample = by_hand.resolve(Reading::Stack(&nothing), TICK, Nanos::ZERO);
    assert_eq!(sample, None);
}

#[test]
fn a_stack_is_resolved_anew_from_where_it_differs_from_the_last() {
    let mut by_hand = ByHand::new();
    let frames = by_hand.frames.clone();
    assert_eq!(by_hand.lines_of(&frames, false), WHOLE);
    assert_eq!(by_hand.lines_of(&frames[1..], false), WHOLE[1..]);
    assert_eq!(by_hand.lines_of(&frames[..3], false), WHOLE[..3]);
    let mut elsewhere = frames.clone();
    elsewhere[0].instruction = -1;
    let lines = by_hand.lines_of(&elsewhere, false);
    // A frame that has not reached its first instruction.
    assert_eq!(lines, WHOLE[1..]);
    let mut cut = WHOLE[..2].to_vec();
    let mark = format!("{MISSING_FRAMES:?} 0");
    cut.push(&mark);
    assert_eq!(by_hand.lines_of(&frames[..2], true), cut);
    assert_eq!(by_hand.lines_of(&frames, false), WHOLE);
}

#[test]
fn what_runs_no_function_is_in_no_sample() {
    let mut by_hand = ByHand::new();
    let shim = RawFrame {
        address: Addr(0x9000),
        kind: FrameKind::Shim,
        instruction: -1,
        may_be_incomplete: false,
        ..by_hand.frames[0]
    };
    let mut frames = by_hand.frames.clone();
    for at in [4, 2, 0] {
        frames.insert(at, shim);
    }
    assert_eq!(by_hand.lines_of(&frames, false), WHOLE);
}

#[test]
fn a_stack_ends_where_its_code_was_not_verified() {
    let mut by_hand = ByHand::new();
    let mut frames = by_hand.frames.clone();
    frames[1].code.0 = Addr(0x1000);
    assert_eq!(by_hand.lines_of(&frames, false), WHOLE[2..]);
}

#[test]
fn threads_that_are_not_seen_in_a_round_are_forgotten() {
    let mut by_hand = ByHand::new();
    let frames = by_hand.frames.clone();
    by_hand.resolver.begin();
    by_hand.lines_of(&frames, false);
    by_hand.resolver.forget_unseen();
    assert!(by_hand.resolver.has_proven_stack(Addr(0x5000), 5, None));
    assert!(!by_hand.resolver.has_proven_stack(Addr(0x5000), 6, None));
    by_hand.resolver.begin();
    by_hand.resolver.forget_unseen();
    assert_eq!(by_hand.resolver.thread_count(), 0);
}
