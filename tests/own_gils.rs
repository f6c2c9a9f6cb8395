//! Interpreters with a GIL of their own (3.12 on), of which several run at the same time.

mod common;
mod harness;

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use common::interpreters::one_of_each_version;
use common::look::{Look, Seen, script, with_each};
use common::{Interpreter, Target};
use harness::signal;
use serde::Deserialize;
use spyhole::model::Pid;

/// What a thread of `own_gils.py` says of itself.
#[derive(Deserialize, Debug)]
struct Account {
    tid: i32,
    quiet_share: f64,
}

/// How often a thread was seen in each phase.
#[derive(Default, Debug)]
struct Phases {
    quiet: u32,
    calling: u32,
}

/// By kernel threads.
type Counts = BTreeMap<i32, Phases>;

const LOOKS: u32 = 500;

/// The tests of this file take turns: each wants all CPUs.
static ALONE: Mutex<()> = Mutex::new(());

/// Looks, and tells how many looks were in vain or needed a pause. Who stands where all of them run needs
/// none, but where a helper is not given its CPU in time.
fn look_many_times(pid: Pid, mut judge: impl FnMut(&[Seen])) -> u32 {
    let mut look = Look::at_running(pid);
    let mut failed = 0;
    for _ in 0..LOOKS {
        look.pause();
        let (outcome, seen) = look.try_tick().expect("a tick");
        failed += u32::from(outcome.unproven + outcome.lost + outcome.pauses > 0);
        judge(&seen);
    }
    failed
}

fn count(seen: &[Seen], counts: &mut Counts) {
    for thread in seen.iter().filter(|thread| thread.on_cpu && thread.proven) {
        let Some(tid) = thread.tid else { continue };
        let phases = counts.entry(tid.0).or_default();
        phases.quiet += u32::from(thread.has("quiet"));
        phases.calling += u32::from(thread.has("calling"));
    }
}

/// Each thread's share is its own account's, but for chance: six standard deviations.
fn assert_agrees(account: &Account, counts: &Counts) {
    let Phases { quiet, calling } = counts[&account.tid];
    let looks = f64::from(quiet + calling);
    assert!(looks >= 30.0, "{account:?} {counts:?}");
    let own = account.quiet_share;
    let by_chance = (own * (1.0 - own) / looks).sqrt();
    let seen = f64::from(quiet) / looks;
    assert!(
        (seen - own).abs() < 6.0 * by_chance,
        "{seen} of {looks} where {account:?} says so"
    );
}

fn see_all_at_once(python: &Interpreter, arguments: &[&str], threads: usize) {
    let mut command = python.command();
    command
        .arg(script("own_gils.py"))
        .args(arguments)
        .arg("apart");
    let mut target = Target::start(&mut command).expect("interpreters of their own");
    let mut counts = Counts::new();
    let failed = look_many_times(target.pid(), |seen| count(seen, &mut counts));
    signal(target.id(), "TERM");
    let told = target.line().expect("its account");
    let accounts: BTreeMap<String, Account> = serde_json::from_str(&told).expect("JSON");
    eprintln!("{} {arguments:?}: {failed} of {LOOKS}", python.name);
    assert!(failed * 4 <= LOOKS, "{failed} of {LOOKS} looks");
    assert_eq!(accounts.len(), threads);
    for account in accounts.values() {
        assert_agrees(account, &counts);
    }
}

fn with_each_that_has_own_gils(test: impl Fn(&Interpreter)) {
    let mut pythons = one_of_each_version();
    pythons.retain(|python| python.version >= (3, 12) && !python.free_threaded);
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    with_each(&pythons, test);
}

#[test]
fn two_interpreters_that_run_at_once_are_seen_as_they_say() {
    with_each_that_has_own_gils(|python| see_all_at_once(python, &["2"], 2));
}

#[test]
fn three_interpreters_on_fewer_cpus_are_seen_as_they_say() {
    with_each_that_has_own_gils(|python| see_all_at_once(python, &["3"], 3));
}

#[test]
fn the_main_interpreter_is_seen_beside_another() {
    with_each_that_has_own_gils(|python| see_all_at_once(python, &["1", "main"], 2));
}

#[test]
fn threads_that_share_the_gil_of_another_interpreter_are_seen_as_they_say() {
    with_each_that_has_own_gils(|python| see_all_at_once(python, &["1", "threads"], 2));
}
