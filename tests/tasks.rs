//! `spyhole dump` of programs with asyncio's tasks, beside what the programs say of themselves.

mod common;
mod harness;

use std::collections::BTreeMap;

use common::interpreters::{cache, interpreters, one_of_each_version};
use common::look::{mark, script, with_each};
use common::{Interpreter, Target, lacking};
use harness::*;
use serde::Deserialize;

/// What the program says of a task.
#[derive(Deserialize, Debug)]
struct Account {
    id: u64,
    awaits: Vec<String>,
    /// The task that has the lock that it waits for.
    lock: Option<String>,
    /// Who awaits it, by the interpreter's own account (3.14 on).
    graph: Option<Vec<String>>,
    /// Functions and lines, outermost first.
    stack: Vec<(String, u32)>,
}

/// What a dump says of it.
#[derive(Deserialize, Debug)]
struct Task {
    id: u64,
    name: String,
    awaits: Vec<u64>,
    waits_for_lock_of: Option<u64>,
    frames: Vec<Frame>,
    proven: bool,
}

#[derive(Deserialize, Debug)]
struct Frame {
    name: String,
    line: u32,
}

#[derive(Deserialize, Debug)]
struct Greenlet {
    id: u64,
    parent: Option<u64>,
    frames: Vec<Frame>,
    proven: bool,
}

#[derive(Deserialize, Debug)]
struct Thread {
    asyncio_tasks: Vec<Task>,
    greenlets: Vec<Greenlet>,
}

const SCENES: &[&str] = &[
    "direct", "gather", "nested", "shield", "wait_for", "wait", "group", "queue", "lock", "ring",
    "crossed", "kinds", "threads", "tree",
];

fn each(
    scenes: &[&str],
    options: &[&str],
    test: impl Fn(&str, &Target, &BTreeMap<String, Account>),
) {
    let mut pythons = one_of_each_version();
    pythons.retain(|python| python.version >= (3, 8));
    with_each(&pythons, |python: &Interpreter| {
        for scene in scenes {
            // TaskGroup is new in 3.11.
            if *scene == "group" && python.version < (3, 11) {
                continue;
            }
            let mut command = python.command();
            command.arg(script("aio_tree.py")).arg(scene).args(options);
            let mut target = Target::start(&mut command).expect("a program");
            let account = target.line().expect("its account");
            let account = serde_json::from_str(&account).expect("JSON");
            test(scene, &target.asleep(), &account);
        }
    });
}

/// What `.ci/servers` installs is for 3.11.
#[test]
fn every_greenlet_is_shown_where_it_is_suspended() {
    let packages = cache().join("servers");
    let pythons = interpreters();
    let python = pythons.iter().find(|python| python.version == (3, 11));
    let Some(python) = python.filter(|_| packages.join("gevent").exists()) else {
        return lacking("greenlets", "no Python 3.11 with gevent and eventlet here");
    };
    for library in ["gevent", "eventlet"] {
        // Not as others are started: `-E` would keep the packages from it.
        let mut command = std::process::Command::new(&python.path);
        command.arg(script("greenlets.py")).arg(library);
        command.env("PYTHONPATH", &packages);
        let mut target = Target::start(&mut command).expect("a program");
        let account = target.line().expect("its account");
        let account: BTreeMap<u64, String> = serde_json::from_str(&account).expect("JSON");
        assert_eq!(account.len(), 100);
        let target = target.asleep();
        let threads: Vec<Thread> = serde_json::from_str(&dump(&target, "--json")).expect("JSON");
        let greenlets = threads.into_iter().flat_map(|thread| thread.greenlets);
        let greenlets: BTreeMap<u64, Greenlet> = greenlets.map(|it| (it.id, it)).collect();
        let mut parents = std::collections::BTreeSet::new();
        for (id, function) in &account {
            let greenlet = greenlets.get(id);
            let greenlet = greenlet.unwrap_or_else(|| panic!("{library}: {function} is missing"));
            let frame = greenlet.frames.iter().find(|frame| frame.name == *function);
            let line = frame.map(|frame| frame.line);
            assert_eq!(line, Some(mark("greenlets.py", function)), "{greenlet:?}");
            assert!(greenlet.proven, "{library}");
            parents.insert(greenlet.parent);
        }
        // That of all is the hub, which runs.
        assert_eq!(parents.len(), 1, "{library}: {parents:?}");
        let hub = parents.first().copied().flatten().expect("a parent");
        assert!(!greenlets.contains_key(&hub), "{library}");
        let text = dump(&target, "--full-filenames");
        assert!(text.contains("\nSuspended greenlets: 101\n"), "{text}");
    }
}

fn dump(target: &Target, option: &str) -> String {
    let output = Place::new()
        .spyhole(["dump", option, "--pid", &target.id().to_string()])
        .output()
        .expect("spyhole");
    assert_code(&output, 0);
    stdout(&output)
}

#[track_caller]
fn assert_agrees(scene: &str, target: &Target, account: &BTreeMap<String, Account>) {
    let threads: Vec<Thread> = serde_json::from_str(&dump(target, "--json")).expect("JSON");
    let tasks: BTreeMap<u64, Task> = threads
        .into_iter()
        .flat_map(|thread| thread.asyncio_tasks)
        .map(|task| (task.id, task))
        .collect();
    let name = |id: &u64| {
        tasks
            .get(id)
            .map(|task| task.name.clone())
            .expect("it is there")
    };
    for (own_name, account) in account {
        let task = tasks.get(&account.id);
        let task = task.unwrap_or_else(|| panic!("{scene}: {own_name} is missing"));
        assert_eq!(task.name, *own_name, "{scene}");
        let mut awaits: Vec<String> = task.awaits.iter().map(name).collect();
        awaits.sort();
        let mut expected = account.awaits.clone();
        expected.sort();
        assert_eq!(awaits, expected, "{scene}: {own_name}");
        let lock = task.waits_for_lock_of.as_ref().map(name);
        assert_eq!(lock, account.lock, "{scene}: {own_name}");
        // JSON has the innermost first and qualified names, from 3.11 on.
        let frames = task.frames.iter().rev().map(|frame| {
            let function = frame.name.rsplit('.').next().expect("a name");
            (function.to_owned(), frame.line)
        });
        assert_eq!(
            frames.collect::<Vec<_>>(),
            account.stack,
            "{scene}: {own_name}"
        );
        assert!(task.proven, "{scene}: {own_name}");
        if let Some(by) = &account.graph {
            let awaited_by = tasks.values().filter(|it| it.awaits.contains(&task.id));
            let mut awaited_by: Vec<&str> = awaited_by.map(|it| it.name.as_str()).collect();
            awaited_by.sort_unstable();
            assert_eq!(awaited_by, *by, "{scene}: {own_name}");
        }
    }
}

#[test]
fn every_task_is_shown_with_its_stack_and_what_it_awaits() {
    each(SCENES, &[], assert_agrees);
}

#[test]
fn tasks_written_in_python_are_shown_as_well() {
    each(&["nested", "crossed"], &["--python-tasks"], assert_agrees);
}

#[test]
fn tasks_that_wait_for_one_another_are_a_deadlock() {
    each(&["ring", "crossed"], &[], |scene, target, _| {
        let text = dump(target, "--all");
        let told = [
            "one waits for two waits for one",
            "two waits for one waits for two",
        ];
        let told = told
            .iter()
            .any(|told| text.contains(&format!("Deadlock: {told}\n")));
        assert!(told, "{scene}: {text}");
    });
}

#[test]
fn tasks_that_are_alike_are_shown_once_unless_each_is_asked_for() {
    each(&["tree"], &[], |_, target, account| {
        let text = dump(target, "--full-filenames");
        assert!(text.contains("; 49 more with the same stack: "), "{text}");
        assert!(text.lines().count() < 100, "{text}");
        let all = dump(target, "--all");
        for name in account.keys() {
            assert!(all.contains(&format!(" {name}: ")), "{name}: {all}");
        }
    });
}
