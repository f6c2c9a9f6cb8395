//! What a target's memory holds cannot make a reader panic, hang or take memory without bound.
//!
//! `fixtures/memory` has what readers looked at in real interpreters, and where they began. To
//! record it anew:
//!
//! ```text
//! cargo test --test hostile_memory -- --ignored
//! ```

mod common;

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use common::{Interpreter, ProcMemory, Target};
use peak_alloc::PeakAlloc;
use proptest::prelude::*;
use serde::{Deserialize, Serialize};
use spyhole::cpython::code::Code;
use spyhole::cpython::fingerprint::Fingerprint;
use spyhole::cpython::frames::{self, FrameKind, RawFrame, RawStack};
use spyhole::cpython::layout::{Layout, builtin};
use spyhole::cpython::linetable;
use spyhole::cpython::locate::{RuntimeAddress, locate};
use spyhole::cpython::values::{Limits, Secrets, Values};
use spyhole::cpython::{objects, thread_names, threads};
use spyhole::memory::recorded::{RecordedMemory, Recorder};
use spyhole::memory::{Fault, Memory, Moments, Snapshot, Source};
use spyhole::model::{Addr, CodeAddr, PythonVersion, is_unsafe_to_show};
use spyhole::target::Process;

/// Where the readers begin, and what they should find.
#[derive(Serialize, Deserialize, PartialEq, Debug)]
struct Roots {
    version: u32,
    free_threaded: bool,
    interpreter: u64,
    /// `_PyRuntime`, or the variables before there was one.
    runtime: Option<u64>,
    interp_head: u64,
    current_thread: Option<u64>,
    /// Texts, ints, dicts, instances and code objects alike: every reader tries each.
    objects: Vec<u64>,
    found: Vec<String>,
}

const PROGRAM: &str = "\
import sys, threading, time
class Plain(object):
    def __init__(self):
        self.first = 1
        self.second = u'caf\\xe9'
def wait():
    time.sleep(600)
for name in ('one', 'two'):
    thread = threading.Thread(target=wait, name=name)
    thread.daemon = True
    thread.start()
plain = Plain()
objects = [plain, plain.second, u'text', u'\\u043f', 12345678901, dict(a=1, b=2), wait.__code__]
sys.stdout.write('ready\\n' + ' '.join(str(id(some)) for some in objects) + '\\n')
sys.stdout.flush()
time.sleep(600)
";

/// As the engine: so many frames of all threads together.
const FRAMES: usize = 4 * frames::MAX_FRAMES;

/// Everything between a process's interpreters and the lines of its threads' frames.
fn unwind<M: Memory>(memory: &mut M, layout: &Layout, roots: &Roots) -> Vec<String> {
    let runtime = match roots.runtime {
        Some(runtime) => RuntimeAddress::Runtime(Addr(runtime)),
        None => RuntimeAddress::Variables {
            interp_head: Addr(roots.interp_head),
            current_thread: roots.current_thread.map(Addr),
        },
    };
    let (mut interpreters, mut states) = (Vec::new(), Vec::new());
    let mut told = Vec::new();
    let listed = threads::interpreters(memory, layout, &runtime, &mut interpreters);
    told.push(format!("{} {}", listed.is_ok(), interpreters.len()));
    for &interpreter in &interpreters {
        let gil = threads::gil(memory, layout, &runtime, interpreter);
        let before = states.len();
        let listed = threads::thread_states(memory, layout, interpreter, &mut states);
        let count = states.len() - before;
        told.push(format!("{} {} {count}", gil.is_ok(), listed.is_ok()));
    }
    let mut codes = HashMap::new();
    let (mut stack, mut witnesses) = (RawStack::default(), Vec::new());
    let (mut left, mut kept) = (FRAMES, 0);
    for state in states {
        if left == 0 {
            break;
        }
        witnesses.clear();
        let walked = frames::walk(
            memory,
            layout,
            &state,
            left,
            &mut stack,
            Some(&mut witnesses),
        );
        assert!(stack.functions().count() <= left.min(frames::MAX_FRAMES));
        assert!(stack.frames.len() <= 2 * left.min(frames::MAX_FRAMES) + 1);
        assert!(witnesses.len() <= 3 * (2 * left.min(frames::MAX_FRAMES) + 1));
        left -= stack.functions().count().clamp(1, left);
        let mut lines = Vec::new();
        for frame in stack.functions() {
            if kept > 16 << 20 {
                break;
            }
            let code = codes.entry(frame.code).or_insert_with(|| {
                let fingerprint = Fingerprint::read(memory, layout, frame.code).ok()?;
                assert!(fingerprint.size() <= 3 * (8 + 1024));
                let code = Code::read(memory, layout, frame.code).ok()?;
                kept += 512 + code.size();
                Some(code)
            });
            if let Some(code) = code {
                assert!(code.size() <= (4 << 20) + 2 * 4 * 4096 + 100);
                let line = code.line_at(frame.instruction);
                lines.push(format!("{:?} {line}", code.name));
            }
        }
        lines.truncate(100);
        told.push(format!("{walked:?} {} {lines:?}", stack.cut));
    }
    told.truncate(100);
    told
}

/// Tries every reader on every object and tells what came of it.
fn read_everything<M: Memory>(memory: &mut M, layout: &Layout, roots: &Roots) -> Vec<String> {
    let mut found = unwind(memory, layout, roots);
    let names = thread_names::read(memory, layout, Addr(roots.interpreter));
    let names: Option<BTreeMap<_, _>> = names.ok().map(|names| names.into_iter().collect());
    found.push(format!(
        "{:?}",
        names.map(|names| names.into_values().collect::<Vec<_>>())
    ));
    let objects = objects::with_unicode_unit(memory, layout, Addr(roots.interpreter))
        .unwrap_or(layout.object.clone());
    for object in roots.objects.iter().copied().map(Addr) {
        let layout_of_code = &layout.code;
        let layout = &objects;
        found.push(format!(
            "{:?}",
            objects::type_name(memory, layout, object).ok()
        ));
        found.push(format!(
            "{:?}",
            objects::read_text(memory, layout, object, 500).ok()
        ));
        found.push(format!(
            "{:?}",
            objects::read_int(memory, layout, object).ok()
        ));
        for name in ["second", "missing"] {
            let value = objects::attribute(memory, layout, object, name);
            found.push(format!("{:?}", value.map(|value| value.is_some()).ok()));
        }
        let mut count = 0;
        if let Ok(mut entries) = objects::dict_entries(memory, layout, object, 500) {
            while let Some(entry) = entries.next(memory) {
                count += u32::from(entry.is_ok());
            }
        }
        found.push(count.to_string());
        let table = memory.read_addr(object.plus(layout_of_code.line_table.into()));
        let table = table
            .ok()
            .and_then(|table| objects::read_bytes(memory, layout, table, 8192).ok());
        let table = table.unwrap_or_default();
        let lines = linetable::ranges(layout_of_code.line_format, &table, 1).count();
        found.push(lines.to_string());
    }
    found
}

/// Shows every object, and the variables of every frame, within bounds.
fn show_values<M: Memory>(memory: &mut M, layout: &Layout, roots: &Roots) -> Vec<String> {
    let mut shown = Vec::new();
    for limits in [Limits::LINE, Limits::WHOLE] {
        let mut values = Values::new(layout, limits, Secrets::Masked, 20_000);
        for object in roots.objects.iter().copied().map(Addr) {
            shown.push(values.show(memory, object));
        }
        for frame in roots.objects.iter().copied().map(Addr) {
            // Anything may be taken for a frame and its code.
            let frame = RawFrame {
                address: frame,
                kind: FrameKind::Function,
                code: CodeAddr(frame),
                instruction: 0,
                may_be_incomplete: false,
            };
            let locals = values.locals(memory, &frame).unwrap_or_default();
            assert!(locals.len() <= 3_000);
            shown.extend(locals.into_iter().map(|local| local.shown));
        }
        let longest = shown.iter().map(|it| it.chars().count()).max();
        assert!(longest.is_none_or(|longest| longest <= 2 * limits.characters + 1_000));
    }
    assert!(shown.iter().all(|it| !it.contains(is_unsafe_to_show)));
    shown
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/memory")
}

fn recordings() -> Vec<(Roots, RecordedMemory)> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder())
        .expect("recordings")
        .map(|file| file.expect("a file").path())
        .filter(|file| file.extension().is_some_and(|ending| ending == "json"))
        .collect();
    files.sort();
    files
        .iter()
        .map(|file| {
            let roots = std::fs::read(file).expect("roots");
            let memory = std::fs::read(file.with_extension("mem")).expect("memory");
            (
                serde_json::from_slice(&roots).expect("roots"),
                RecordedMemory::from_bytes(&memory).expect("memory"),
            )
        })
        .collect()
}

fn layout_of(roots: &Roots) -> Layout {
    builtin(PythonVersion::from_hex(roots.version, roots.free_threaded)).expect("a known version")
}

#[test]
#[ignore = "writes fixtures/memory"]
fn record() {
    std::fs::create_dir_all(folder()).expect("a folder");
    for python in common::interpreters::one_of_each_version() {
        record_one(&python);
    }
}

fn record_one(python: &Interpreter) {
    let mut command = python.command();
    command.args(["-c", PROGRAM]).current_dir("/");
    let mut target = Target::start(&mut command).expect("starts");
    let printed = target.line().expect("addresses");
    let process = Process::open(target.pid()).expect("the target runs");
    let mut memory = ProcMemory::open(target.pid()).expect("readable");
    let located = locate(&process, &mut memory).expect("located");
    let version = located.version;
    let mut roots = Roots {
        version: u32::from_be_bytes([version.major, version.minor, version.micro, version.level]),
        free_threaded: version.free_threaded,
        interpreter: 0,
        runtime: None,
        interp_head: 0,
        current_thread: None,
        objects: printed
            .split(' ')
            .map(|at| at.parse().expect("an address"))
            .collect(),
        found: Vec::new(),
    };
    let layout = layout_of(&roots);
    let head = match located.runtime {
        RuntimeAddress::Runtime(runtime) => {
            roots.runtime = Some(runtime.0);
            runtime.plus(layout.runtime.interpreters_head.into())
        }
        RuntimeAddress::Variables {
            interp_head,
            current_thread,
        } => {
            roots.current_thread = current_thread.map(|at| at.0);
            interp_head
        }
    };
    roots.interp_head = head.0;
    roots.interpreter = memory.read_u64(head).expect("an interpreter");
    let mut recorder = Recorder::new(memory);
    roots.found = read_everything(&mut recorder, &layout, &roots);
    let file = folder().join(version.to_string());
    // Not with_extension: the version has a dot.
    let with_ending = |ending: &str| PathBuf::from(format!("{}.{ending}", file.display()));
    let mut memory = recorder.finish().to_bytes();
    hide(&mut memory, &std::env::var("HOME").expect("a home"));
    std::fs::write(with_ending("mem"), memory).expect("written");
    let json = serde_json::to_string_pretty(&roots).expect("JSON");
    std::fs::write(with_ending("json"), json + "\n").expect("written");
}

/// Whose machine it was is nobody's business.
fn hide(memory: &mut [u8], path: &str) {
    for start in 0..memory.len().saturating_sub(path.len()) {
        let place = &mut memory[start..start + path.len()];
        if place == path.as_bytes() {
            place.fill(b'x');
        }
    }
}

#[test]
fn recordings_are_read_as_the_processes_were() {
    let recordings = recordings();
    assert!(recordings.len() >= 11);
    for (roots, mut memory) in recordings {
        let found = read_everything(&mut memory, &layout_of(&roots), &roots);
        assert_eq!(found, roots.found, "{:#x}", roots.version);
        let (stacks, names): (Vec<_>, Vec<_>) =
            found.iter().partition(|told| told.contains("Reached"));
        // The main thread, and two that wait.
        assert_eq!(stacks.len(), 3, "{stacks:#?}");
        assert_eq!(
            stacks.iter().filter(|told| told.contains("wait")).count(),
            2
        );
        assert!(
            names
                .iter()
                .any(|told| told.contains(r#""one""#) && told.contains(r#""two""#)),
            "{names:#?}"
        );
    }
}

/// Counts what is asked of a memory, and holds it to bounds.
struct Watched<M> {
    memory: M,
    reads: u64,
}

impl<M: Memory> Memory for Watched<M> {
    fn read(&mut self, at: Addr, into: &mut [u8]) -> Result<(), Fault> {
        assert!(into.len() <= 1 << 16, "{} bytes at once", into.len());
        self.reads += 1;
        // Threads' names 200,000, each search for an attribute or in a dict half of that.
        assert!(self.reads < 3_000_000, "no end of reading");
        self.memory.read(at, into)
    }
}

impl<M: Memory> Source for Watched<M> {
    fn read_ranges(&mut self, ranges: &[(Addr, usize)], into: &mut [u8]) -> usize {
        self.reads += 1;
        let mut done = 0;
        for &(at, len) in ranges {
            let Some(into) = into.get_mut(done..done + len) else {
                break;
            };
            if self.memory.read(at, into).is_err() {
                break;
            }
            done += len;
        }
        done
    }
}

/// Counts what all tests of this file have at a time.
#[global_allocator]
static ALLOCATED: PeakAlloc = PeakAlloc;

const MOST_ALLOCATED: usize = 64 << 20;

#[track_caller]
fn assert_little_was_allocated() {
    let peak = ALLOCATED.peak_usage();
    assert!(peak <= MOST_ALLOCATED, "{peak} bytes at a time");
}

/// Reads through a snapshot, as the engine does, twice.
fn read_in_ticks<M: Memory>(memory: M, roots: &Roots) {
    let mut memory = Snapshot::new(Watched { memory, reads: 0 });
    for _ in 0..2 {
        memory.refresh();
        unwind(&mut memory, &layout_of(roots), roots);
    }
}

/// Every address holds something, of which a hash decides what it is: small and large numbers, and
/// pointers to more of the same.
struct Endless {
    seed: u64,
}

impl Memory for Endless {
    fn read(&mut self, at: Addr, into: &mut [u8]) -> Result<(), Fault> {
        for (byte, place) in into.iter_mut().zip(at.0..=u64::MAX) {
            let word = ((place / 8) ^ self.seed)
                .wrapping_mul(0x9e37_79b9_7f4a_7c15)
                .rotate_left(29);
            let value = match word % 5 {
                0 => 0,
                1 => word >> 60,
                2 => u64::MAX,
                3 => word & 0xffff_ffff,
                _ => word,
            };
            *byte = value.to_le_bytes()[(place % 8) as usize];
        }
        Ok(())
    }
}

#[test]
fn no_memory_at_all_is_an_error() {
    for (roots, _) in recordings() {
        let mut memory = RecordedMemory::default();
        read_everything(&mut memory, &layout_of(&roots), &roots);
        let names = thread_names::read(&mut memory, &layout_of(&roots), Addr(roots.interpreter));
        assert!(names.is_err());
    }
}

#[test]
fn memory_that_is_the_same_everywhere_ends() {
    struct Constant(u8);
    impl Memory for Constant {
        fn read(&mut self, _: Addr, into: &mut [u8]) -> Result<(), Fault> {
            into.fill(self.0);
            Ok(())
        }
    }
    for (roots, _) in recordings() {
        read_in_ticks(Constant(0), &roots);
        for byte in [0, 1, 0x02, 0x20, 0x41, 0x7f, 0x80, 0xff] {
            let mut memory = Watched {
                memory: Constant(byte),
                reads: 0,
            };
            read_everything(&mut memory, &layout_of(&roots), &roots);
        }
    }
    assert_little_was_allocated();
}

/// Interpreters, threads and frames that lead back to themselves, each at its first step or later.
#[test]
fn rings_are_noticed() {
    for (roots, recorded) in recordings() {
        let layout = layout_of(&roots);
        let read = |memory: &mut Watched<RecordedMemory>| unwind(memory, &layout, &roots);
        let mut whole = Watched {
            memory: recorded.clone(),
            reads: 0,
        };
        let told = read(&mut whole);
        assert_eq!(told[0], "true 1");
        let ring = |at: Addr, to: Addr| {
            let mut memory = recorded.clone();
            memory.insert(at, &to.0.to_le_bytes());
            let mut memory = Watched { memory, reads: 0 };
            let told = read(&mut memory);
            assert!(memory.reads < 10 * whole.reads, "{}", memory.reads);
            told
        };
        let interpreter = Addr(roots.interpreter);
        let next = interpreter.plus(layout.interpreter.next.into());
        assert!(ring(next, interpreter)[0].starts_with("false"));

        let mut memory = recorded.clone();
        let head = interpreter.plus(layout.interpreter.threads_head.into());
        let mut states = Vec::new();
        threads::thread_states(&mut memory, &layout, interpreter, &mut states).expect("threads");
        assert_eq!(memory.read_addr(head), Ok(states[0].address));
        for last in [0, 2] {
            let next = states[last].address.plus(layout.thread.next.into());
            assert!(ring(next, states[0].address)[1].contains("true false"));
        }
        let previous = states[0].leaf.plus(layout.frame.previous.into());
        let told = ring(previous, states[0].leaf);
        assert!(
            told.iter().any(|told| told.starts_with("Ok(Missed) false")),
            "{told:#?}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn bits_turned_over_do_no_harm(
        which in any::<prop::sample::Index>(),
        flips in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..200),
        cut in any::<prop::sample::Index>(),
        cuts in any::<bool>(),
    ) {
        let mut recordings = recordings();
        let (roots, mut recorded) = recordings.swap_remove(which.index(recordings.len()));
        let len = recorded.len();
        for (place, value) in flips {
            if let Some(byte) = recorded.byte_mut(place.index(len)) {
                *byte = value;
            }
        }
        if cuts {
            let mut left = RecordedMemory::default();
            let count = cut.index(recorded.ranges().count());
            for (at, bytes) in recorded.ranges().take(count) {
                left.insert(at, bytes);
            }
            recorded = left;
        }
        let mut memory = Watched { memory: recorded, reads: 0 };
        read_everything(&mut memory, &layout_of(&roots), &roots);
        show_values(&mut memory, &layout_of(&roots), &roots);
        read_in_ticks(memory.memory, &roots);
        assert_little_was_allocated();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn endless_memory_is_not_read_without_end(
        which in any::<prop::sample::Index>(),
        seed in any::<u64>(),
    ) {
        let mut recordings = recordings();
        let (roots, _) = recordings.swap_remove(which.index(recordings.len()));
        let mut memory = Watched { memory: Endless { seed }, reads: 0 };
        read_everything(&mut memory, &layout_of(&roots), &roots);
        show_values(&mut memory, &layout_of(&roots), &roots);
        read_in_ticks(memory.memory, &roots);
        assert_little_was_allocated();
    }

    #[test]
    fn a_file_that_is_no_recording_is_refused(
        bytes in proptest::collection::vec(any::<u8>(), 0..500),
    ) {
        let mut file = b"spyhole memory 1\n".to_vec();
        file.extend(bytes);
        if let Ok(memory) = RecordedMemory::from_bytes(&file) {
            prop_assert!(memory.len() <= file.len());
        }
    }
}
