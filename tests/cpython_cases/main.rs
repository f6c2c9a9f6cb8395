//! The cases that CPython's own tests of `profiling.sampling` cover, on every version that we read.
//!
//! | case | where |
//! |---|---|
//! | 1 nested calls, 2 non-ASCII names, 3 next line, 4 same depth, 5 alternating chains, 6 recursion, 7 cached and uncached reading, 9 second and restarted profiler, 11 and 12 generators, 13 very deep stacks, 14 long names, 15 large line tables | `stacks` |
//! | 8 two threads, 10 many threads, 17 the GIL's holder, 18 states, 20 subinterpreters, 21 free-threaded lines | `threads` |
//! | 27 ends, 28 exec while it is looked at, 29 a forked child, 30 a script that raises | `process` |
//! | 29 children of a recording, 31 a slow sampler | `src/sampler/tests.rs` |
//! | 28 we are killed while pausing | `tests/killed.rs` |
//! | 29 processes below, 30 exit codes and messages | `tests/record/program.rs` |
//!
//! Not here, since nothing shows them yet: the columns and opcodes of 16 (its lines are in
//! `tests/own_account.rs`), exception flags (19), the markers `<GC>` and `<native>` (22), asyncio's
//! graph of tasks (23 to 26), and saved profiles (32).

#[path = "../common/mod.rs"]
mod common;

mod process;
mod stacks;
mod threads;

use common::look::{Look, script, with_each};
use common::{Interpreter, Target};

/// Starts a program of `fixtures/targets`.
#[track_caller]
fn start(python: &Interpreter, program: &str, arguments: &[&str]) -> Target {
    let mut command = python.command();
    command.arg(script(program)).args(arguments);
    Target::start(&mut command).expect("a running program")
}

/// Every version, free-threaded builds apart.
fn each(test: impl Fn(&Interpreter)) {
    with_each(&common::interpreters::one_of_each_version(), test);
}

/// Those versions that fit.
fn each_where(fits: impl Fn(&Interpreter) -> bool, test: impl Fn(&Interpreter)) {
    let mut pythons = common::interpreters::one_of_each_version();
    pythons.retain(|python| fits(python));
    with_each(&pythons, test);
}

fn look_at(target: &Target) -> Look {
    Look::at(target.pid())
}
