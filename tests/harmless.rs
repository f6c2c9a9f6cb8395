//! A program that is looked at does what it would do if nobody looked.

mod common;
mod harness;

use std::collections::BTreeMap;

use common::interpreters::one_of_each_version;
use common::look::{script, with_each};
use common::skipped;
use harness::*;
use nix::sys::signal::{Signal, kill};
use serde::Deserialize;

#[derive(Deserialize, Debug)]
struct Waits {
    waits: BTreeMap<String, u64>,
    interrupted: BTreeMap<String, u64>,
}

/// A thread that is stopped while it waits comes back from some system calls with an error that
/// many a program does not expect.
#[test]
fn no_call_is_interrupted_in_which_a_thread_waits() {
    with_each(&one_of_each_version(), |python| {
        // What the interpreter on musl was built without.
        if python.name.starts_with("musl") {
            return;
        }
        let place = Place::new();
        // No signal asks for it: a thread that waits might be chosen to take it.
        let kept = place.path("waits");
        let mut command = python.command();
        command.arg(script("waits.py")).arg(&kept);
        let mut target = Target::start(&mut command).expect("it runs");
        let pid = target.pid();
        let spyhole = place
            .record(["-p", &pid.to_string(), "-r", "1000", "-o", "x.txt"])
            .spawn()
            .expect("spyhole runs");
        wait_until_sampling(&spyhole);
        wait_until("each waits", || kept.exists());
        let told_now = || -> Waits {
            let told = std::fs::read_to_string(&kept).expect("its account");
            serde_json::from_str(&told).expect("JSON")
        };
        let before = told_now();
        assert_eq!(before.waits.len(), 3);
        wait_until("each has waited many times", || {
            let now = told_now();
            let mut waits = now.waits.iter();
            waits.all(|(call, &times)| times >= before.waits[call] + 10)
        });
        signal(spyhole.id(), "INT");
        assert_code(&spyhole.wait_with_output().expect("it ends"), 0);
        kill(nix::unistd::Pid::from_raw(pid.0), Signal::SIGTERM).expect("it runs still");
        let told = target.line().expect("its account");
        let told: Waits = serde_json::from_str(&told).expect("JSON");
        assert!(
            told.interrupted.values().all(|&times| times == 0),
            "{told:?}"
        );
    });
}

/// Who follows the GIL and comes too late does not pause all for that: who is paused just when it begins to
/// wait has its call interrupted.
#[test]
fn threads_that_hand_the_gil_on_are_followed_before_all_are_paused() {
    if !nix::unistd::geteuid().is_root() {
        return skipped("the GIL handed on", "without priority, others have our CPU");
    }
    with_each(&one_of_each_version(), |python| {
        // It cannot bind its threads.
        if python.version < (3, 3) {
            return;
        }
        let mut command = python.command();
        let target = Target::start(command.arg(script("handing_on.py"))).expect("it runs");
        let pid = target.pid().to_string();
        let place = Place::new();
        let mut record = place.record(["-p", &pid, "-r", "1000", "-d", "1", "-o", "x.txt"]);
        let said = stderr(&record.output().expect("spyhole runs"));
        let (_, how) = said.split_once("Looked ").expect("how it went");
        let looks = number_before(" times a second", how).expect("how often it looked");
        let pauses = number_before(" pause", how).unwrap_or(0.0);
        eprintln!("{}: {pauses} pauses in {looks} looks", python.name);
        // All eight, in most looks, would be far more.
        assert!(pauses <= 7.0 * looks, "{said}");
    });
}

/// The number that stands before these words.
fn number_before(words: &str, text: &str) -> Option<f64> {
    let before = text.split_once(words)?.0;
    before.rsplit(' ').next()?.parse().ok()
}
