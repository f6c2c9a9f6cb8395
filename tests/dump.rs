//! `spyhole dump`: what each thread does at one moment.

mod common;
mod harness;

use std::process::{Child, Command, Stdio};

use common::interpreters::one_of_each_version;
use common::look::{mark, script, with_each};
use common::{Interpreter, Target};
use harness::*;
use serde_json::Value;

/// `moment.py`, whose input never comes.
fn moment(python: &Interpreter, argument: Option<&str>) -> (Target, Child) {
    let mut silence = Command::new("sleep");
    let mut silence = silence
        .arg("600")
        .stdout(Stdio::piped())
        .spawn()
        .expect("sleeps");
    let input = silence.stdout.take().expect("its output");
    let mut command = python.command();
    command.arg(script("moment.py")).args(argument);
    let target = Target::start_with_input(&mut command, input).expect("a target");
    (target, silence)
}

fn threads(pid: u32) -> Vec<Value> {
    let text = dump(&["--json", "--pid", &pid.to_string()]);
    serde_json::from_str(&text).expect("JSON")
}

/// The frames of the thread of this name, as `function:line`, innermost first.
fn frames(threads: &[Value], name: &str) -> Vec<String> {
    let mut named = threads.iter().filter(|it| it["thread_name"] == name);
    let thread = named
        .next()
        .unwrap_or_else(|| panic!("no {name}: {threads:#?}"));
    assert!(named.next().is_none(), "{name} is there twice");
    let frames = thread["frames"].as_array().expect("frames").iter();
    frames
        .map(|frame| {
            format!(
                "{}:{}",
                frame["name"].as_str().expect("a name"),
                frame["line"]
            )
        })
        .collect()
}

#[test]
fn every_thread_is_shown_with_what_it_waits_for() {
    with_each(&one_of_each_version(), |python| {
        let (target, mut silence) = moment(python, Some("quiet"));
        let at = |function: &str| format!("{function}:{}", mark("moment.py", function));
        let lines = |threads: &[Value]| {
            let mut lines = vec![frames(threads, "reader")[0].clone()];
            lines.extend(
                (0..3).map(|number| frames(threads, &format!("alike-{number}"))[0].clone()),
            );
            lines
        };
        let expected = || {
            let mut expected = vec![at("waits_for_input")];
            expected.extend((0..3).map(|_| at("waits_for_lock")));
            expected
        };
        // They say that they have begun a moment before they wait.
        wait_until("all wait", || {
            let threads = threads(target.id());
            lines(&threads) == expected() && threads.iter().all(|it| it["active"] == false)
        });
        let seen = threads(target.id());
        assert_eq!(seen.len(), 5, "{seen:#?}");
        for thread in &seen {
            assert_eq!(thread["pid"], target.id());
            assert_eq!(thread["owns_gil"], false, "{thread:#}");
            assert_eq!(thread["proven"], true, "{thread:#}");
            let waits_in = thread["waits_in"].as_str().expect("a system call");
            let expected: &[&str] = match thread["thread_name"].as_str() {
                Some("reader") => &["read"],
                Some("MainThread") => &["clock_nanosleep", "select", "pselect6", "nanosleep"],
                _ => &["futex"],
            };
            assert!(expected.contains(&waits_in), "{thread:#}");
        }
        assert_eq!(
            frames(&seen, "MainThread"),
            [format!("<module>:{}", mark("moment.py", "main"))]
        );

        let pid = target.id().to_string();
        let text = dump(&[&pid]);
        assert!(text.starts_with(&format!("Process {pid}: ")), "{text}");
        let of_version = format!("\nPython v{}.{}", python.version.0, python.version.1);
        assert!(text.contains(&of_version), "{text}");
        // Three are alike, and shown once.
        assert_eq!(text.matches("\nThread ").count(), 3, "{text}");
        assert!(
            text.contains("\"alike-0\", waits in futex; 2 more with the same stack: "),
            "{text}"
        );
        let all = dump(&["--all", &pid]);
        assert_eq!(all.matches("\nThread ").count(), 5, "{all}");
        assert!(!all.contains("Note:"), "{all}");
        let line = format!(
            "    waits_for_lock (moment.py:{})\n",
            mark("moment.py", "waits_for_lock")
        );
        assert_eq!(
            (all.matches(&line).count(), text.matches(&line).count()),
            (3, 1),
            "{all}"
        );
        silence.kill().expect("ends");
        silence.wait().expect("has ended");
    });
}

#[test]
fn who_has_the_gil_and_who_waits_for_it_is_told() {
    let mut pythons = one_of_each_version();
    // Before 3.7 it is not known where threads wait for it.
    pythons.retain(|python| python.version >= (3, 7) && !python.free_threaded);
    with_each(&pythons, |python| {
        let (target, mut silence) = moment(python, None);
        let busy = |threads: &[Value], what: &str| {
            let of_busy = threads.iter().filter(|it| {
                let name = it["thread_name"].as_str();
                name.is_some_and(|name| name.starts_with("busy"))
            });
            of_busy.filter(|it| it[what] == true).count()
        };
        wait_until("one has it and the other waits for it", || {
            let threads = threads(target.id());
            assert!(busy(&threads, "owns_gil") <= 1, "{threads:#?}");
            busy(&threads, "owns_gil") == 1 && busy(&threads, "waits_for_gil") == 1
        });
        wait_until("the text says so", || {
            let text = dump(&["--pid", &target.id().to_string()]);
            text.contains(" (active+gil): \"busy-") && text.contains(", waits for the GIL\n")
        });
        silence.kill().expect("ends");
        silence.wait().expect("has ended");
    });
}

/// A parent that waits for its child, both Pythons, and a child that is none.
const FAMILY: &str = "
import subprocess, sys
if len(sys.argv) > 1:
    print('ready', flush=True)
    sys.stdin.readline()
# Both end with their input.
subprocess.Popen(['cat'], stdin=subprocess.PIPE)
subprocess.call([sys.executable, __file__, 'child'], stdin=subprocess.PIPE)
";

#[test]
fn processes_below_are_shown_once_with_their_parent() {
    let place = Place::new();
    let target = place.target(FAMILY);
    let pid = target.id().to_string();
    let alone = dump(&[&pid]);
    assert_eq!(alone.matches("Process ").count(), 1, "{alone}");
    let both = dump(&["--subprocesses", "--pid", &pid]);
    let headers = both.lines().filter(|line| line.starts_with("Process "));
    assert_eq!(headers.count(), 2, "{both}");
    assert_eq!(
        both.matches(&format!("\nParent Process {pid}: ")).count(),
        1,
        "{both}"
    );
    let json: Vec<Value> = serde_json::from_str(&dump(&["-s", "-j", "-p", &pid])).expect("JSON");
    let of_child = json
        .iter()
        .filter(|it| it["process_info"]["parent"]["pid"] == target.id());
    assert_eq!((json.len(), of_child.count()), (2, 1), "{json:#?}");
}

#[test]
fn what_cannot_be_dumped_is_told_in_a_line() {
    let place = Place::new();
    let sleeper = Command::new("sleep").arg("600").spawn();
    let mut sleeper = sleeper.expect("sleeps");
    let pid = sleeper.id().to_string();
    for (words, reason) in [
        (&["-p", pid.as_str()][..], "is not a Python process"),
        (&["-p", "999999999"], "no process"),
        (
            &["no such word in any command line"],
            "no running Python process",
        ),
    ] {
        let output = place
            .spyhole(["dump"])
            .args(words)
            .output()
            .expect("spyhole");
        assert_code(&output, 1);
        assert!(stderr(&output).contains(reason), "{}", stderr(&output));
        assert_eq!(stdout(&output), "");
    }
    sleeper.kill().expect("ends");
    sleeper.wait().expect("has ended");
    for words in [
        &["dump"][..],
        &["dump", "-p", "x"],
        &["d", "-p", "1", "--native"],
    ] {
        let output = place.spyhole(words).output().expect("spyhole");
        assert_code(&output, 2);
    }
}

#[test]
fn a_process_that_is_stopped_is_dumped_and_said_to_be() {
    let place = Place::new();
    let target = place.target(BUSY);
    let pid = target.id().to_string();
    wait_until("it works", || dump(&["-p", &pid]).contains("    work ("));
    let held = common::held::Held::stop(target.pid()).expect("stops");
    let text = dump(&["-p", &pid]);
    assert!(text.contains("\nNote: the process is stopped"), "{text}");
    assert!(text.contains("    main (target.py:"), "{text}");
    drop(held);
}

/// A lock that knows who has it is told with its owner, whether it is waited for by `with` or by a call.
#[test]
fn a_thread_that_waits_for_a_lock_names_who_has_it() {
    let program = "\
import sys, threading, time

lock = threading.RLock()
taken = threading.Event()

def has_it():
    with lock:
        taken.set()
        time.sleep(600)

def wants_it():
    with lock:
        pass

def asks_for_it():
    lock.acquire()

for name, function in [('owner', has_it), ('first', wants_it), ('second', asks_for_it)]:
    thread = threading.Thread(target=function, name=name)
    thread.daemon = True
    thread.start()
    taken.wait()
sys.stdout.write('ready\\n')
sys.stdout.flush()
time.sleep(600)
";
    let place = Place::new();
    let program = place.program("locks.py", program);
    for python in one_of_each_version() {
        // A lock of 2.7 is written in Python; from 3.14 on a thread waits on a word of its own.
        if python.version < (3, 6) || python.version > (3, 13) {
            continue;
        }
        let target = Target::start(python.command().arg(&program)).expect("runs");
        let target = target.asleep();
        let pid = target.pid().to_string();
        let names_owner = |said: &str, waiter: &str| {
            let mut lines = said.lines();
            let line = lines.find(|line| line.contains(&format!(": \"{waiter}\"")));
            line.is_some_and(|line| {
                line.contains("waits for a lock of thread") && line.contains("\"owner\"")
            })
        };
        // A thread may have to get the GIL before it comes to ask for the lock.
        wait_until("two threads wait for a lock", || {
            let said = dump(&["-p", &pid, "--all"]);
            ["first", "second"]
                .iter()
                .all(|waiter| names_owner(&said, waiter))
        });
        let said = dump(&["-p", &pid, "--all"]);
        let mut lines = said.lines();
        let of_owner = lines.find(|line| line.contains(": \"owner\""));
        let of_owner = of_owner.unwrap_or_else(|| panic!("{}: {said}", python.name));
        assert!(
            !of_owner.contains("waits for a lock"),
            "{}: {said}",
            python.name
        );
    }
}
