//! Processes that their main thread left with `pthread_exit`: all is read through the threads that run
//! on, and where the main thread stood last is nobody's time.

mod common;
mod harness;

use std::process::Command;
use std::time::Duration;

use common::held::{scheduling_of_all, task_states};
use common::interpreters::one_of_each_version;
use common::look::{Look, Seen, script, with_each};
use common::{Interpreter, Target};
use harness::{
    Place, assert_code, counts, python, signal, stderr, stdout, wait_until, wait_until_sampling,
};
use spyhole::memory::{LiveMemory, Memory};
use spyhole::model::{Pid, Tid};
use spyhole::target::diagnosis::{Attempt, Reason, explain};
use spyhole::target::{Process, Standing};

fn start(command: &mut Command, mode: &str) -> Target {
    command.arg(script("leaderless.py")).arg(mode);
    Target::start(command).expect("a process without its main thread")
}

fn with_each_that_has_ctypes(test: impl Fn(&Interpreter)) {
    let mut pythons = one_of_each_version();
    // The one on musl is without it, and is no version's first where there is another.
    pythons.retain(|python| !python.name.starts_with("musl"));
    with_each(&pythons, test);
}

fn assert_works(seen: &[Seen], pid: i32) {
    assert_eq!(seen.len(), 1, "{seen:#?}");
    assert!(seen[0].has("work") && !seen[0].has("leave"), "{seen:#?}");
    assert!(seen[0].tid.is_some_and(|tid| tid != Tid(pid)), "{seen:#?}");
}

#[test]
fn the_threads_that_run_on_are_seen_and_no_other() {
    with_each_that_has_ctypes(|python| {
        let target = start(&mut python.command(), "");
        let pid = target.pid();
        let mut look = Look::at(pid);
        look.until("it works", |seen| seen.iter().any(|it| it.has("work")));
        look.times(20, |seen| assert_works(seen, pid.0));
        let process = Process::open(pid).expect("runs");
        assert_eq!(process.living_threads(), 1);
        assert!(!process.command().is_empty() && process.executable().is_some());
    });
}

#[test]
fn the_main_thread_is_seen_until_it_leaves_and_no_longer() {
    with_each_that_has_ctypes(|python| {
        let target = start(&mut python.command(), "later");
        let pid = target.pid();
        let process = Process::open(pid).expect("runs");
        let mut look = Look::at(pid);
        look.until("both are seen", |seen| seen.len() == 2);
        signal(pid.0.cast_unsigned(), "USR1");
        wait_until("the main thread leaves", || process.living_threads() == 1);
        look.times(20, |seen| assert_works(seen, pid.0));
        assert_eq!(process.standing(), Standing::Same);
        assert!(process.maps().is_ok_and(|maps| !maps.is_empty()));
    });
}

#[test]
fn it_is_read_through_whichever_thread_lives() {
    let target = start(&mut Command::new(python()), "hands-on");
    let process = Process::open(target.pid()).expect("runs");
    let mut memory = LiveMemory::new(target.pid());
    let mut at = None;
    for _ in 0..3 {
        let through = process.living_thread();
        assert_ne!(through, Tid(target.pid().0));
        wait_until("another thread has taken over", || {
            process.living_thread() != through
        });
        assert_eq!(process.standing(), Standing::Same);
        let maps = process.maps().expect("its mappings");
        let first = maps.first().expect("a mapping").start;
        assert_eq!(*at.get_or_insert(first), first);
        assert_eq!(memory.read_array::<4>(first), Ok(*b"\x7fELF"));
    }
    // The one whose number names the process is none of those that are told.
    let reason = explain(target.pid(), Attempt::Read).reason;
    assert!(
        !matches!(reason, Reason::Zombie | Reason::Undumpable),
        "{reason:?}"
    );
}

#[test]
fn an_exec_by_another_thread_is_noticed() {
    let target = start(&mut Command::new(python()), "execs");
    let process = Process::open(target.pid()).expect("runs");
    assert_eq!(process.standing(), Standing::Same);
    // It says that it is ready before it stops itself.
    wait_until("it has stopped itself", || {
        task_states(target.pid()).is_some_and(|states| states.contains(&'T'))
    });
    signal(target.pid().0.cast_unsigned(), "CONT");
    wait_until("it runs another program", || {
        process.standing() != Standing::Same
    });
    assert_eq!(process.standing(), Standing::Replaced);
}

#[test]
fn each_command_finds_and_reads_it() {
    let place = Place::new();
    let target = start(&mut Command::new(python()), "");
    let pid = target.pid().to_string();
    let listed = place.spyhole(["ps"]).output().expect("runs");
    let listed = stdout(&listed);
    let line = listed
        .lines()
        .find(|line| line.trim_start().starts_with(&pid));
    let line = line.unwrap_or_else(|| panic!("{listed}"));
    assert!(
        line.contains("leaderless.py") && line.contains("3."),
        "{line}"
    );

    let doctor = place.spyhole(["doctor", &pid]).output().expect("runs");
    assert_code(&doctor, 0);
    assert!(
        stdout(&doctor).contains("1 stack with "),
        "{}",
        stdout(&doctor)
    );

    let recorded = place
        .attach(&target, ["--idle", "-d", "1", "-f", "raw", "-o", "-"])
        .output()
        .expect("runs");
    assert_code(&recorded, 0);
    let (all, at_work) = counts(&stdout(&recorded), "work (leaderless.py:");
    assert!(all > 0 && at_work == all, "{}", stdout(&recorded));
}

#[test]
fn time_goes_on_when_the_main_thread_leaves_in_the_middle() {
    let place = Place::new();
    let target = start(&mut Command::new(python()), "later");
    let recording = place
        .attach(&target, ["-r", "1000", "-d", "3", "-f", "raw", "-o", "-"])
        .spawn()
        .expect("runs");
    wait_until_sampling(&recording);
    let before = on_cpu(target.pid());
    signal(target.id(), "USR1");
    let output = recording.wait_with_output().expect("ends");
    let got = (on_cpu(target.pid()) - before).as_millis() as u64;
    assert_code(&output, 0);
    let (all, at_work) = counts(&stdout(&output), "work (leaderless.py:");
    assert!(at_work * 20 >= all * 19, "{}", stdout(&output));
    let told = stderr(&output);
    assert!(
        told.contains("Errors: 0") && !told.contains("ended"),
        "{told}"
    );
    // A look a millisecond while it has a CPU: what was looked at, and what is told as missed. Before
    // the first and after the last look something is measured that no look can show.
    let missed = told.split("; ").find_map(|part| part.split_once(" missed"));
    let missed: u64 = missed.map_or(0, |(number, _)| number.parse().unwrap_or(0));
    assert!(
        at_work + missed + 150 >= got * 9 / 10,
        "{at_work} {missed} {got}: {told}"
    );
}

/// CPU time that all threads of a process have used.
fn on_cpu(pid: Pid) -> Duration {
    let threads = scheduling_of_all(pid);
    threads.values().map(|thread| thread.on_cpu).sum()
}
