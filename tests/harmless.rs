//! A program that is looked at does what it would do if nobody looked.

mod common;
mod harness;

use std::collections::BTreeMap;

use common::interpreters::one_of_each_version;
use common::look::{script, with_each};
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
        let mut target = Target::start(python.command().arg(script("waits.py"))).expect("it runs");
        let pid = target.pid();
        let spyhole = place
            .record(["-p", &pid.to_string(), "-r", "1000", "-o", "x.txt"])
            .spawn()
            .expect("spyhole runs");
        wait_until_sampling(&spyhole);
        let mut tell = |at: Signal| -> Waits {
            kill(nix::unistd::Pid::from_raw(pid.0), at).expect("it runs still");
            let told = target.line().expect("its account");
            serde_json::from_str(&told).expect("JSON")
        };
        let before = tell(Signal::SIGUSR1);
        assert_eq!(before.waits.len(), 3);
        wait_until("each has waited many times", || {
            let now = tell(Signal::SIGUSR1);
            let mut waits = now.waits.iter();
            waits.all(|(call, &times)| times >= before.waits[call] + 10)
        });
        signal(spyhole.id(), "INT");
        assert_code(&spyhole.wait_with_output().expect("it ends"), 0);
        let told = tell(Signal::SIGTERM);
        assert!(
            told.interrupted.values().all(|&times| times == 0),
            "{told:?}"
        );
    });
}
