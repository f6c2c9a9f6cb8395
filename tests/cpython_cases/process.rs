//! What becomes of a process while it is looked at.

use std::time::Instant;

use spyhole::engine::TickError;
use spyhole::model::{Halting, Pid, Tid};
use spyhole::target::Process;

use crate::common::PATIENCE;
use crate::common::look::Look;
use crate::{Interpreter, Target, each, look_at, start};

/// Starts a program that ends, or turns into another, so many seconds after it is ready, and opens
/// it in time: on a busy machine it is given longer.
fn open_in_time(python: &Interpreter, program: &str, how: &[&str]) -> (Target, Look) {
    for seconds in ["0.1", "0.5", "3", "20"] {
        let arguments: Vec<&str> = how.iter().copied().chain([seconds]).collect();
        let target = start(python, program, &arguments);
        if let Ok(look) = Look::with(target.pid(), Halting::WhenNeeded) {
            return (target, look);
        }
    }
    panic!("{program} could not be opened");
}

/// Ticks until there is an error, which it returns.
fn until_error(look: &mut Look) -> TickError {
    let deadline = Instant::now() + PATIENCE;
    loop {
        look.pause();
        match look.try_tick() {
            Ok(_) => assert!(Instant::now() < deadline, "the program goes on"),
            Err(error) => return error,
        }
    }
}

/// Case 27.
#[test]
fn a_process_that_ends_while_it_is_looked_at_is_gone() {
    each(|python| {
        for how in ["0", "raise", "kill", "threads", "_exit"] {
            let (_target, mut look) = open_in_time(python, "ends.py", &[how]);
            // While the interpreter takes itself apart, there may be nothing to read for a moment.
            let error = loop {
                match until_error(&mut look) {
                    TickError::Unreadable(_) => {}
                    error => break error,
                }
            };
            assert!(matches!(error, TickError::Gone), "{how}: {error}");
            // It stays so.
            assert!(matches!(look.try_tick(), Err(TickError::Gone)), "{how}");
        }
    });
}

/// Case 27.
#[test]
fn a_process_that_ends_before_the_first_look_is_gone() {
    each(|python| {
        for collected in [true, false] {
            let mut target = start(python, "busyloop.py", &[]);
            let mut look = look_at(&target);
            target.kill();
            if collected {
                target.end();
            }
            let error = until_error(&mut look);
            assert!(matches!(error, TickError::Gone), "{error}");
            assert!(Look::with(target.pid(), Halting::WhenNeeded).is_err());
        }
    });
}

/// Case 28: what is read fails at some tick while the thread is held; the thread runs on.
#[test]
fn a_process_that_runs_another_program_is_replaced_and_runs_on() {
    each(|python| {
        let (mut target, mut look) = open_in_time(python, "exec_in_place.py", &[]);
        let error = loop {
            match until_error(&mut look) {
                TickError::Unreadable(_) => {}
                error => break error,
            }
        };
        assert!(matches!(error, TickError::Replaced), "{error}");
        assert_eq!(target.line().as_deref(), Some("after"));
        drop(look);
        // The program that is there now is another target.
        look_at(&target).until("the new program works", |seen| {
            assert!(!seen[0].has("before_exec"));
            seen[0].has("after_exec")
        });
    });
}

/// Case 29.
#[test]
fn a_child_that_was_forked_is_read_and_its_parents_threads_are_not_in_it() {
    each(|python| {
        // Each child lives for longer than this looks at it.
        let target = start(python, "fork.py", &["1000"]);
        let mut parent = look_at(&target);
        let deadline = Instant::now() + PATIENCE;
        let children = || Process::open(target.pid()).map(|process| process.descendants());
        let children: Vec<Pid> = loop {
            match children() {
                Ok(children) if children.len() == 2 => break children,
                _ => assert!(Instant::now() < deadline, "no children"),
            }
            std::thread::yield_now();
        };
        for child in children {
            let mut look = Look::at(child);
            // Until it runs Python again, it is in no state that could be proven.
            loop {
                assert!(Instant::now() < deadline, "the child does not work");
                let seen = look.try_tick().map_or(Vec::new(), |(_, seen)| seen);
                if seen.iter().any(|seen| seen.has("child_spins")) {
                    break;
                }
            }
            look.times(20, |seen| {
                assert_eq!(seen.len(), 1);
                assert!(seen[0].has("child_spins") && seen[0].tid == Some(Tid(child.0)));
            });
        }
        parent.until("the parent waits", |seen| {
            assert!(seen.iter().all(|seen| !seen.has("child_spins")));
            seen.iter().any(|seen| seen.has("parent_thread"))
        });
    });
}
