//! A thread that can never be proven: it costs the others nothing, and soon next to nothing itself.

mod common;

use common::Target;
use common::interpreters::one_of_each_version;
use common::look::{Look, script, with_each};
use spyhole::cpython::layout::{LeafFrame, builtin};
use spyhole::engine::Engine;
use spyhole::model::PythonVersion;

/// Where a thread state has the pointer that leads to its frames.
fn offset_of_leaf(version: PythonVersion) -> u32 {
    match builtin(version).expect("a known version").thread.leaf {
        LeafFrame::Direct { offset } => offset,
        LeafFrame::ThroughCFrame(cframe) => cframe.newest,
    }
}

/// How often a tick tries at most.
const TRIES: u64 = 8;

/// Ticks of a process that sleeps, of which those at which the thread is tried in earnest are few.
const TICKS: u64 = 100;

#[test]
fn a_thread_that_is_never_proven_is_soon_left_alone_and_the_others_are_read() {
    let mut pythons = one_of_each_version();
    // The one on musl is without ctypes.
    pythons.retain(|python| !python.name.starts_with("musl"));
    with_each(&pythons, |python| {
        let (major, minor) = python.version;
        let version = PythonVersion {
            free_threaded: python.free_threaded,
            ..PythonVersion::from_hex(u32::from_be_bytes([major, minor, 9, 0xf0]), false)
        };
        let mut command = python.command();
        command.arg(script("damaged_state.py"));
        command.arg(offset_of_leaf(version).to_string());
        let target = Target::start(&mut command).expect("two threads").asleep();
        let mut look = Look::at(target.pid());
        let mut in_earnest = 0;
        for _ in 0..TICKS {
            let before = look.engine.report().reads;
            let (outcome, seen) = look.try_tick().expect("a tick");
            in_earnest += u64::from(look.engine.report().reads - before >= TRIES);
            // What is not read is told.
            assert_eq!((outcome.lost, outcome.unproven), (1, 0), "{outcome:?}");
            assert_eq!(seen.len(), 1, "{seen:#?}");
            assert!(seen[0].has("main_waits") && seen[0].proven, "{seen:#?}");
        }
        assert!(in_earnest * 4 < TICKS, "{in_earnest}");
    });
}
