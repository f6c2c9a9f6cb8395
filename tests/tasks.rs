//! asyncio's tasks and greenlets in `spyhole dump`, against what the program itself knows of them.

mod common;
mod harness;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::Command;

use common::interpreters::{cache, one_of_each_version};
use common::look::{mark, script, with_each};
use common::{Interpreter, ProcMemory, Target};
use harness::*;
use serde_json::Value;
use spyhole::cpython::layout;
use spyhole::cpython::locate::{RuntimeAddress, locate};
use spyhole::cpython::tasks::{asyncio, greenlets};
use spyhole::cpython::threads;
use spyhole::memory::{Fault, Memory};
use spyhole::model::Addr;
use spyhole::target::Process;

/// `aio_tree.py` with what it says of its tasks, by name.
fn scene(python: &Interpreter, arguments: &[&str]) -> (Target, BTreeMap<String, Value>) {
    let mut command = python.command();
    command.arg(script("aio_tree.py")).args(arguments);
    let mut target = Target::start(&mut command).expect("a target");
    let account = target.line().expect("an account");
    (target, serde_json::from_str(&account).expect("JSON"))
}

/// All that is under this key of the threads.
fn all(target: &Target, key: &str) -> Vec<Value> {
    let text = dump(&["--json", "--pid", &target.id().to_string()]);
    let threads: Vec<Value> = serde_json::from_str(&text).expect("JSON");
    let lists = threads
        .iter()
        .map(|thread| thread[key].as_array().expect("a list"));
    lists.flatten().cloned().collect()
}

/// The tasks once the program's thread has gone to sleep, so that all are proven.
fn tasks(target: &Target) -> Vec<Value> {
    let mut tasks = Vec::new();
    wait_until("the tasks are proven", || {
        tasks = all(target, "asyncio_tasks");
        !tasks.is_empty() && tasks.iter().all(|task| task["proven"] == true)
    });
    tasks
}

fn names(tasks: &[Value], ids: &Value) -> Vec<String> {
    let ids = ids.as_array().expect("ids").iter();
    let mut names: Vec<String> = ids
        .map(|id| {
            let task = tasks.iter().find(|task| task["id"] == *id);
            task.expect("a task")["name"]
                .as_str()
                .expect("a name")
                .to_owned()
        })
        .collect();
    names.sort();
    names
}

/// Functions and lines, outermost first.
fn stack(task: &Value) -> Value {
    let frames = task["frames"].as_array().expect("frames").iter().rev();
    let frames = frames.map(|frame| {
        let name = frame["name"].as_str().expect("a name");
        let name = name.rsplit('.').next().expect("a name");
        serde_json::json!([name, frame["line"]])
    });
    frames.collect()
}

fn check(target: &Target, account: &BTreeMap<String, Value>) {
    let tasks = tasks(target);
    // And the one that runs the scene.
    assert_eq!(tasks.len(), account.len() + 1, "{tasks:#?}");
    let mut awaited_by: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (name, expected) in account {
        let task = tasks.iter().find(|task| task["id"] == expected["id"]);
        let task = task.unwrap_or_else(|| panic!("no {name}: {tasks:#?}"));
        assert_eq!(task["name"], name.as_str());
        assert_eq!(task["state"], "waiting", "{task:#}");
        assert_eq!(
            serde_json::json!(names(&tasks, &task["awaits"])),
            expected["awaits"],
            "{name}"
        );
        assert_eq!(stack(task), expected["stack"], "{name}");
        let holder = tasks
            .iter()
            .find(|it| it["id"] == task["waits_for_lock_of"]);
        let holder = holder.map_or(Value::Null, |holder| holder["name"].clone());
        assert_eq!(holder, expected["lock"], "{name}");
        for awaited in names(&tasks, &task["awaits"]) {
            awaited_by.entry(awaited).or_default().insert(name.clone());
        }
    }
    for (name, expected) in account {
        if let Some(graph) = expected["graph"].as_array() {
            let graph: BTreeSet<String> = graph
                .iter()
                .map(|name| name.as_str().expect("a name").to_owned())
                .collect();
            assert_eq!(awaited_by.remove(name).unwrap_or_default(), graph, "{name}");
        }
    }
}

fn with_asyncio() -> Vec<Interpreter> {
    let mut pythons = one_of_each_version();
    pythons.retain(|python| python.version >= (3, 8));
    pythons
}

#[test]
fn every_task_is_shown_with_its_stack_and_what_it_awaits() {
    with_each(&with_asyncio(), |python| {
        let (target, account) = scene(python, &["all"]);
        check(&target, &account);
    });
}

#[test]
fn tasks_that_are_written_in_python_are_shown_as_those_in_c() {
    with_each(&with_asyncio(), |python| {
        let (target, account) = scene(python, &["all", "--python-tasks"]);
        check(&target, &account);
    });
}

#[test]
fn a_tree_of_a_thousand_tasks_is_shown_whole() {
    with_each(&with_asyncio(), |python| {
        let (target, account) = scene(python, &["tree"]);
        assert_eq!(account.len(), 1001);
        check(&target, &account);
        let pid = target.id().to_string();
        let text = dump(&[&pid]);
        assert!(text.contains(": 1002\n"), "{text}");
        // At each of the 20 depths 49 are alike, at the last one 50.
        assert_eq!(
            text.matches("; 48 more with the same stack").count(),
            19,
            "{text}"
        );
        assert_eq!(
            text.matches("; 49 more with the same stack").count(),
            1,
            "{text}"
        );
        let whole = dump(&["--all", &pid]);
        assert!(!whole.contains("more with the same stack"), "{whole}");
        let leaf = format!("calls (aio_tree.py:{})", mark("aio_tree.py", "calls"));
        assert_eq!(whole.matches(&leaf).count(), 981, "{whole}");
    });
}

#[test]
fn tasks_that_wait_for_one_another_are_called_a_deadlock() {
    with_each(&with_asyncio(), |python| {
        let (target, account) = scene(python, &["ring"]);
        check(&target, &account);
        let text = dump(&[&target.id().to_string()]);
        let named = [
            "one waits for two waits for one",
            "two waits for one waits for two",
        ];
        let told = named.map(|ring| text.matches(&format!("    Deadlock: {ring}\n")).count());
        assert_eq!(told.iter().sum::<usize>(), 1, "{text}");
    });
}

#[test]
fn tasks_are_shown_with_the_thread_that_runs_their_loop() {
    with_each(&with_asyncio(), |python| {
        let (target, _) = scene(python, &["threads"]);
        tasks(&target);
        let text = dump(&["--json", "--pid", &target.id().to_string()]);
        let threads: Vec<Value> = serde_json::from_str(&text).expect("JSON");
        let of = |name: &str| {
            let thread = threads.iter().find(|it| it["thread_name"] == name);
            let tasks = thread.expect("a thread")["asyncio_tasks"].as_array();
            let tasks = tasks.expect("a list").iter();
            tasks
                .map(|task| task["name"].as_str().expect("a name").to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(of("direct"), ["leaf", "main", "middle", "top"]);
        assert_eq!(of("shield"), ["leaf", "main", "shielding"]);
        assert!(of("MainThread").is_empty());
    });
}

#[test]
fn a_task_that_runs_and_one_that_has_not_begun_are_told_apart() {
    with_each(&with_asyncio(), |python| {
        let (mut target, _) = scene(python, &["ready"]);
        assert_eq!(target.line().as_deref(), Some("new"));
        let states: BTreeMap<String, String> = tasks(&target)
            .iter()
            .map(|task| {
                let text = |key: &str| task[key].as_str().expect("a text").to_owned();
                (text("name"), text("state"))
            })
            .collect();
        let expected = [("main", "running"), ("new", "new")];
        assert_eq!(
            states,
            expected
                .map(|(name, state)| (name.to_owned(), state.to_owned()))
                .into()
        );
        let text = dump(&[&target.id().to_string()]);
        assert!(
            text.contains(", runs\n") && text.contains(", has not begun\n"),
            "{text}"
        );
    });
}

/// Where `.ci/greenlets` put what a Python of this version imports.
fn packages(python: &Interpreter) -> Option<PathBuf> {
    let (major, minor) = python.version;
    let folder = cache().join(format!("greenlets/{major}.{minor}"));
    (folder.exists() && !python.free_threaded).then_some(folder)
}

#[test]
fn every_greenlet_is_shown_where_it_waits() {
    let mut pythons = one_of_each_version();
    pythons.retain(|python| packages(python).is_some());
    with_each(&pythons, |python| {
        let kinds: &[&str] = match python.version {
            (3, 10) => &["greenlet"],
            _ => &["greenlet", "gevent", "eventlet"],
        };
        for kind in kinds {
            // Unlike other targets, it heeds the environment, which names the packages.
            let mut command = Command::new(&python.path);
            command
                .args(["-W", "ignore"])
                .args([&script("green.py"), *kind])
                .env("PYTHONPATH", packages(python).expect("packages"));
            let mut target = Target::start(&mut command).expect("a target");
            let account: BTreeMap<String, BTreeSet<u64>> =
                serde_json::from_str(&target.line().expect("an account")).expect("JSON");
            let mut greenlets = Vec::new();
            wait_until("the greenlets are proven", || {
                greenlets = all(&target, "greenlets");
                !greenlets.is_empty() && greenlets.iter().all(|it| it["proven"] == true)
            });
            let mut parents = BTreeSet::new();
            for (function, other) in [("waits", "odd"), ("sleeps", "even")] {
                let line = mark("green.py", &format!("{function} {kind}"));
                let caller = mark("green.py", &format!("starts_{other}"));
                let mut found = BTreeSet::new();
                for greenlet in &greenlets {
                    let stack = stack(greenlet);
                    let stack = stack.as_array().expect("frames");
                    let at = stack
                        .iter()
                        .position(|it| *it == serde_json::json!([function, line]));
                    if let Some(at) = at {
                        assert_eq!(stack[at - 1], serde_json::json!(["starts", caller]));
                        parents.insert(greenlet["parent"].as_u64());
                        assert!(found.insert(greenlet["id"].as_u64().expect("an id")));
                    }
                }
                assert_eq!(found, account[function], "{kind}");
            }
            // The hub, which runs.
            assert!(
                parents.len() == 1 && parents.first().is_some_and(Option::is_some),
                "{parents:?}"
            );
            let text = dump(&[&target.id().to_string()]);
            assert_eq!(
                text.matches("; 49 more with the same stack").count(),
                2,
                "{text}"
            );
        }
    });
}

/// Memory of a process in which some bytes are others.
struct Damaged {
    memory: ProcMemory,
    random: fastrand::Rng,
    /// One of so many bytes.
    rate: usize,
}

impl Memory for Damaged {
    fn read(&mut self, at: Addr, into: &mut [u8]) -> Result<(), Fault> {
        self.memory.read(at, into)?;
        for _ in 0..into.len() / self.rate {
            let place = self.random.usize(..into.len());
            into[place] = self.random.u8(..);
        }
        Ok(())
    }
}

#[test]
fn damaged_memory_is_read_to_an_end() {
    with_each(&with_asyncio(), |python| {
        let (target, _) = scene(python, &["all"]);
        let process = Process::open(target.pid()).expect("the target runs");
        let mut memory = ProcMemory::open(target.pid()).expect("readable");
        let located = locate(&process, &mut memory).expect("located");
        let layout = match &located.debug_offsets {
            Some(bytes) => layout::from_debug_offsets(bytes),
            None => layout::builtin(located.version),
        };
        let layout = layout.expect("a layout");
        let RuntimeAddress::Runtime(_) = located.runtime else {
            panic!("3.8 and later have it");
        };
        let mut interpreters = Vec::new();
        threads::interpreters(&mut memory, &layout, &located.runtime, &mut interpreters)
            .expect("interpreters");
        let interpreter = interpreters[0];
        let mut states = Vec::new();
        threads::thread_states(&mut memory, &layout, interpreter, &mut states).expect("threads");
        let mut damaged = Damaged {
            memory,
            random: fastrand::Rng::with_seed(7),
            rate: usize::MAX,
        };
        let whole = asyncio::read(&mut damaged, &layout, interpreter, &states).expect("tasks");
        assert!(whole.tasks.len() > 20 && whole.unreadable == 0);
        for rate in [16384, 4096, 1024, 200, 30] {
            damaged.rate = rate;
            for _ in 0..10 {
                if let Ok(tasks) = asyncio::read(&mut damaged, &layout, interpreter, &states) {
                    assert!(tasks.tasks.len() <= asyncio::MAX_TASKS);
                }
                let _ = greenlets::read(&mut damaged, &layout, &located.runtime, interpreter);
            }
        }
    });
}
