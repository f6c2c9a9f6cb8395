//! Children from their first instant, and programs from their first instruction, whatever starts them.

mod common;
mod harness;

use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

use common::Interpreter;
use common::look::{mark, script};
use harness::*;
use serde_json::Value;

/// What lives for moments needs the machine for itself.
static ALONE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What is in the command lines of a directory's programs and in nobody else's.
fn word_of(place: &Place) -> String {
    let directory = place.path("");
    let name = directory.file_name().expect("a name");
    name.to_str().expect("text").to_owned()
}

/// The first of a version.
fn versions(wanted: &[(u8, u8)]) -> Vec<&'static Interpreter> {
    let of = |version: &(u8, u8)| {
        let mut found = interpreters().iter();
        found.find(|it| it.version == *version && !it.free_threaded)
    };
    wanted.iter().filter_map(of).collect()
}

#[test]
fn children_that_live_for_moments_are_seen() {
    let _alone = alone();
    const CHILDREN: &str = "120";
    for python in versions(&[(3, 11), (3, 15)]) {
        let shares = || {
            let place = Place::new();
            let output = place
                .record(["-s", "-r", "1000", "-f", "raw", "-o", "x.txt", "--"])
                .arg(&python.path)
                .args([&script("short_children.py"), CHILDREN, "7"])
                .output()
                .unwrap();
            assert_code(&output, 0);
            let said = stdout(&output);
            let account: Value = serde_json::from_str(said.lines().last().unwrap()).unwrap();
            let collapsed = std::fs::read_to_string(place.path("x.txt")).unwrap();
            ["forked", "started"].map(|how| {
                let children = account[how].as_array().unwrap();
                assert_eq!(children.len(), 60);
                let seen = children.iter().filter(|child| {
                    let root = format!("process {}:", child[0]);
                    let mut lines = collapsed.lines();
                    lines.any(|line| line.contains(&root) && line.contains("spin_in_child"))
                });
                seen.count()
            })
        };
        // Where other programs want all CPUs, some live their moment before spyhole comes to run.
        let mut tries = std::iter::repeat_with(shares).take(4);
        let are_enough = |seen: [usize; 2]| seen.into_iter().all(|seen| seen >= 57);
        assert!(tries.any(are_enough), "{}", python.name);
    }
}

/// A child calls itself what it likes, and is one all the same.
#[test]
fn children_are_recorded_whatever_the_kernel_calls_them() {
    const PROGRAM: &str = r#"
import os

parent = os.getpid()

def spin_in_child():
    while os.getppid() == parent:
        sum(range(100))

for name in (b"a\nb", b"\0", b") R 0 0"):
    if os.fork() == 0:
        with open("/proc/self/comm", "wb") as comm:
            comm.write(name)
        os.write(1, b"ready\n")
        spin_in_child()
        os._exit(0)
os.wait()
"#;
    let _alone = alone();
    let place = Place::new();
    let mut target = place.target(PROGRAM);
    for _ in 0..2 {
        target.line();
    }
    let output = place
        .attach(&target, ["-s", "-d", "4", "-f", "raw", "-o", "-"])
        .output()
        .unwrap();
    assert_code(&output, 0);
    let seen = stdout(&output);
    let listed = std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", target.id()));
    let children: Vec<String> = listed
        .unwrap()
        .split_whitespace()
        .map(str::to_owned)
        .collect();
    assert_eq!(children.len(), 3);
    for child in children {
        let root = format!("process {child}:");
        let mut lines = seen.lines();
        let is_seen = lines.any(|line| line.contains(&root) && line.contains("spin_in_child"));
        assert!(is_seen, "{child}: {seen}");
    }
}

/// A program of our own, from its module's first line on, however it is started.
#[test]
fn a_wrapped_program_is_recorded_from_its_start() {
    let _alone = alone();
    let program = script("early.py");
    for python in versions(&[(3, 11), (3, 15)]) {
        let place = Place::new();
        let it = python;
        let python = python.path.to_str().expect("text");
        let code = std::fs::read_to_string(&program).unwrap();
        let itself = place.program("itself", &format!("#!{python}\n{code}"));
        std::fs::set_permissions(&itself, PermissionsExt::from_mode(0o755)).unwrap();
        let itself = itself.to_str().expect("text");
        let (run, exec) = (
            format!("{python} {program}; true"),
            format!("exec {python} {program}"),
        );
        let later = format!("sleep 0.3; {python} {program}; true");
        let starts: [&[&str]; 6] = [
            &[python, &program],
            &["env", python, &program],
            &["sh", "-c", &run],
            &["sh", "-c", &exec],
            &["sh", "-c", &later],
            &[itself],
        ];
        for words in starts {
            // A busy machine may hold us up just as the program begins, but not each time.
            let mut seen = Vec::new();
            let is_right = (0..4).any(|_| {
                seen.push(shares_of_early(&place, words));
                let (ours, own) = seen[seen.len() - 1];
                (ours - own).abs() < 0.1
            });
            assert!(is_right, "{}, {words:?}: {seen:?}", it.name);
        }
    }
}

/// By how much the module takes less than the function: as recorded, and by the program's own account.
fn shares_of_early(place: &Place, words: &[&str]) -> (f64, f64) {
    let mut command = place.record([
        "-r", "1000", "--unit", "cpu", "-f", "raw", "-o", "x.txt", "--",
    ]);
    let output = command.args(words).output().unwrap();
    assert_code(&output, 0);
    let said = stdout(&output);
    let own: Vec<f64> = said
        .split_whitespace()
        .map(|it| it.parse().unwrap())
        .collect();
    let collapsed = std::fs::read_to_string(place.path("x.txt")).unwrap();
    // Microseconds.
    let (_, later) = counts(&collapsed, "later (");
    let first = mark("early.py", "module");
    let module = collapsed.lines().filter(|line| {
        let stack = line.rsplit_once(' ').expect("a count").0;
        let mut lines = first..=first + 1;
        stack.starts_with("<module> (") && lines.any(|at| stack.ends_with(&format!(":{at})")))
    });
    let module: u64 = module.map(|line| counts(line, "").0).sum();
    (module as f64 / later.max(1) as f64, own[0] / own[1])
}

#[test]
fn a_word_is_a_program_or_a_running_one() {
    let _alone = alone();
    let place = Place::new();
    let target = place.target(BUSY);
    // In a command line that nobody else has.
    let word = word_of(&place);
    let options = ["-d", "0.3", "-f", "raw", "-o", "-"];
    let output = place.record([&word]).args(options).output().unwrap();
    assert_code(&output, 0);
    let (all, at_work) = counts(&stdout(&output), "work (target.py:");
    assert!(all > 0 && at_work > 0, "{}", stdout(&output));
    let told = stderr(&output);
    assert!(
        told.contains(&format!("This is process {}", target.id())),
        "{told}"
    );

    for (words, expected) in [
        // Said to be a program.
        (&["--", &word][..], "cannot be started"),
        // More than a word.
        (&[&word, "argument"], "cannot be started"),
        (
            &["no-such-word-anywhere"],
            "there is no program \"no-such-word-anywhere\" to start, and no",
        ),
        (
            &["--name", "no-such-word-anywhere"],
            "no running Python process has",
        ),
        (
            &["--container", "no-such"],
            "no Python process runs in a container",
        ),
    ] {
        let output = place.record(words).output().unwrap();
        assert_code(&output, 1);
        let told = stderr(&output);
        assert!(told.contains(expected), "{words:?}: {told}");
    }
    // A program of that name goes first.
    let output = place.record(["true"]).output().unwrap();
    assert!(
        stderr(&output).contains("before any Python was found"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn several_that_match_are_listed_and_not_guessed() {
    let _alone = alone();
    let place = Place::new();
    let (first, second) = (place.target(BUSY), place.target(BUSY));
    let word = word_of(&place);
    let output = place.record(["--name", &word]).output().unwrap();
    assert_code(&output, 1);
    let told = stderr(&output);
    let both = [first.id(), second.id()].map(|pid| pid.to_string());
    assert!(both.iter().all(|pid| told.contains(pid.as_str())), "{told}");
    assert!(
        told.contains("name one with --pid, or all with --pid"),
        "{told}"
    );
    // As it says.
    let options = ["-d", "0.3", "-f", "raw", "-o", "-"];
    let output = place
        .record(["--pid", &both.join(",")])
        .args(options)
        .output()
        .unwrap();
    assert_code(&output, 0);
    for pid in &both {
        let (_, samples) = counts(&stdout(&output), &format!("process {pid}:"));
        assert!(samples > 0, "{}", stdout(&output));
    }
}

#[test]
fn ps_lists_what_runs() {
    let _alone = alone();
    let place = Place::new();
    let target = place.target(BUSY);
    let word = word_of(&place);
    let output = place.spyhole(["ps", &word]).output().unwrap();
    assert_code(&output, 0);
    let text = stdout(&output);
    let mut lines = text.lines();
    assert!(lines.next().unwrap().contains("PID  PYTHON"), "{text}");
    let line = lines.next().unwrap();
    assert!(
        line.contains(&format!("{}  3.", target.id())) && line.contains("target.py"),
        "{text}"
    );
    assert_eq!(lines.next(), None);

    // While `ps` looks at what it uses, other programs may have the CPUs.
    wait_until("it has used a CPU", || {
        let output = place.spyhole(["ps", "--json", &word]).output().unwrap();
        let all: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(all.as_array().map(Vec::len), Some(1));
        let one = &all[0];
        assert_eq!(one["pid"], target.id());
        assert_eq!(one["threads"], 1);
        assert_eq!(one["ports"], serde_json::json!([]));
        assert_eq!(one["readable"], true);
        one["cpu"].as_f64().unwrap() > 0.0
    });

    let output = place
        .spyhole(["ps", "no-such-word-anywhere"])
        .output()
        .unwrap();
    assert_code(&output, 1);
    assert!(stderr(&output).contains("No Python process is to be seen"));
}

#[test]
fn doctor_tells_what_holds_and_tries() {
    let place = Place::new();
    let target = place.target(BUSY);
    let pid = target.id().to_string();
    let output = place.spyhole(["doctor", &pid]).output().unwrap();
    assert_code(&output, 0);
    let text = stdout(&output);
    for topic in [
        "user ",
        "capabilities",
        "Yama",
        "seccomp",
        "kernel",
        "dumpable",
        "tracer",
        "its CPUs",
    ] {
        assert!(text.contains(topic), "{topic}: {text}");
    }
    let read = format!("Read process {pid} (");
    assert!(
        text.contains(&read) && text.contains("1 stack with"),
        "{text}"
    );

    let output = place.spyhole(["doctor"]).output().unwrap();
    assert_code(&output, 0);
    assert!(!stdout(&output).contains("its CPUs"));

    let mut other = Command::new("sleep").arg("100").spawn().unwrap();
    let output = place
        .spyhole(["doctor", &other.id().to_string()])
        .output()
        .unwrap();
    other.kill().unwrap();
    other.wait().unwrap();
    assert_code(&output, 1);
    assert!(
        stderr(&output).contains("is not a Python process"),
        "{}",
        stderr(&output)
    );
}
