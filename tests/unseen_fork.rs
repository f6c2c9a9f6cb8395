//! A process that C code forked, so that its Python does not know: threads of the parent are still in the
//! list, though no kernel thread runs them, and one of the child's own has the id of one of them.

mod common;

use common::Target;
use common::interpreters::one_of_each_version;
use common::look::{Look, Seen, script, with_each};
use spyhole::model::Pid;

/// At how many moments each child is looked at.
const LOOKS: u32 = 40;

/// Where the child's threads are.
const OWN: [&str; 2] = ["child_waits", "child_thread"];

/// Runs a test with the child of each Python that can be brought to it.
fn with_each_child(mode: &[&str], test: impl Fn(Pid)) {
    let mut pythons = one_of_each_version();
    // The one on musl is without ctypes.
    pythons.retain(|python| !python.name.starts_with("musl"));
    with_each(&pythons, |python| {
        let mut command = python.command();
        command.arg(script("unseen_fork.py")).args(mode);
        let mut parent = match Target::start(&mut command) {
            Ok(parent) => parent,
            Err(error) => return common::skipped("a child that was forked unseen", &error),
        };
        let child = parent.line().and_then(|line| line.parse().ok());
        test(Pid(child.expect("the child's id")));
    });
}

/// The child's own threads, and none of the parent's.
fn assert_only_its_own(seen: &[Seen]) {
    assert_eq!(seen.len(), 2, "{seen:#?}");
    for own in OWN {
        let one = seen.iter().find(|seen| seen.has(own));
        let one = one.unwrap_or_else(|| panic!("{own} is not seen: {seen:#?}"));
        assert!(one.proven && one.tid.is_some(), "{seen:#?}");
    }
    assert_ne!(seen[0].tid, seen[1].tid);
}

fn assert_only_its_own_are_seen(child: Pid) {
    let mut look = Look::at(child);
    look.until("it works and waits", |seen| {
        let is_there = |own: &&str| seen.iter().any(|seen| seen.has(own));
        OWN.iter().all(is_there)
    });
    look.times(LOOKS, assert_only_its_own);
}

#[test]
fn a_thread_that_has_the_id_of_one_of_the_parents_is_seen_and_that_one_is_not() {
    with_each_child(&[], assert_only_its_own_are_seen);
}

#[test]
fn a_thread_of_the_parent_whose_memory_is_gone_is_not_seen() {
    with_each_child(&["unmapped"], assert_only_its_own_are_seen);
}
