//! A developer records a program from its start.

use std::time::{Duration, Instant};

use crate::harness::*;

/// Works for half a second of CPU time, however little of that it is given; then does `end`.
fn works_then(end: &str) -> String {
    format!(
        "import os, sys, time
def work():
    while time.process_time() < 0.6:
        pass
work()
{end}
"
    )
}

#[test]
fn the_exit_code_of_the_program_is_ours() {
    let place = Place::new();
    for (end, code) in [
        ("pass", 0),
        ("sys.exit(7)", 7),
        ("raise ValueError", 1),
        ("os.kill(os.getpid(), 9)", 137),
    ] {
        place.program("p.py", &works_then(end));
        let output = place.start(["-o", "x.txt", "-f", "raw"]).output().unwrap();
        assert_code(&output, code);
        let text = std::fs::read_to_string(place.path("x.txt")).unwrap();
        assert!(counts(&text, "work (p.py").1 > 0, "{text}");
        std::fs::remove_file(place.path("x.txt")).unwrap();
    }
}

#[test]
fn a_program_keeps_its_streams_and_needs_no_dashes() {
    let place = Place::new();
    place.program(
        "p.py",
        &works_then("print('to out'); print('to err', file=sys.stderr)"),
    );
    let python = python().to_str().unwrap();
    let output = place
        .record(["-o", "x.svg", python, "p.py"])
        .output()
        .unwrap();
    assert_code(&output, 0);
    assert_eq!(stdout(&output), "to out\n");
    assert!(stderr(&output).contains("to err"));
}

#[test]
fn captured_output_is_shown_when_the_program_fails() {
    let place = Place::new();
    let python = python().to_str().unwrap();
    for (end, shown) in [
        ("print('said')", false),
        ("print('said'); sys.exit(4)", true),
    ] {
        place.program("p.py", &works_then(end));
        let output = place
            .record(["--capture", "-o", "x.svg", python, "p.py"])
            .output()
            .unwrap();
        assert_code(&output, if shown { 4 } else { 0 });
        assert_eq!(stdout(&output), "");
        assert_eq!(
            stderr(&output).contains("said"),
            shown,
            "{}",
            stderr(&output)
        );
    }
}

#[test]
fn what_cannot_be_started_or_fails_at_once_leaves_no_file() {
    let place = Place::new();
    let output = place
        .record(["-o", "x.svg", "--", "no-such-program"])
        .output()
        .unwrap();
    assert_code(&output, 1);
    assert!(stderr(&output).contains("'no-such-program' cannot be started"));

    let python = python().to_str().unwrap();
    let output = place
        .record(["-o", "x.svg", "--", python, "missing.py"])
        .output()
        .unwrap();
    assert_code(&output, 2);
    // It may have been looked at while it started: then there is a file.
    let _ = std::fs::remove_file(place.path("x.svg"));
    assert!(
        stderr(&output).contains("with exit code 2"),
        "{}",
        stderr(&output)
    );

    let output = place
        .record(["-o", "x.svg", "--", "true"])
        .output()
        .unwrap();
    assert_code(&output, 3);
    assert!(place.names().is_empty(), "{:?}", place.names());
}

#[test]
fn the_default_name_is_the_programs_here() {
    let place = Place::new();
    place.program("p.py", &works_then(""));
    let output = place
        .record([python().to_str().unwrap(), "p.py"])
        .output()
        .unwrap();
    assert_code(&output, 0);
    let name = place
        .names()
        .into_iter()
        .find(|name| name != "p.py")
        .unwrap();
    let start = python().file_name().unwrap().to_str().unwrap();
    assert!(
        name.starts_with(&format!("{start}-20")) && name.ends_with(".svg"),
        "{name}"
    );
}

#[test]
fn a_program_that_becomes_python_late_is_recorded() {
    let place = Place::new();
    let program = place.program("p.py", &works_then(""));
    let python = python().display();
    for script in [
        format!("sleep .3; exec {python} {}", program.display()),
        // Without -s: the first Python below what was started is what is meant.
        format!("sleep .3; {python} {}; exit 5", program.display()),
    ] {
        let output = place
            .record(["-f", "raw", "-o", "-", "--", "sh", "-c", &script])
            .output()
            .unwrap();
        assert_code(&output, if script.ends_with('5') { 5 } else { 0 });
        assert!(
            counts(&stdout(&output), "work (p.py").1 > 0,
            "{}",
            stdout(&output)
        );
    }
}

#[test]
fn an_exec_in_place_is_followed() {
    let place = Place::new();
    // An exec keeps the CPU time.
    let second = works_then("")
        .replace("work", "second")
        .replace("0.6", "1.2");
    place.program("second.py", &second);
    let exec = format!("os.execv({:?}, ['python', 'second.py'])", python());
    place.program("p.py", &works_then(&exec));
    let output = place.start(["-f", "raw", "-o", "-"]).output().unwrap();
    assert_code(&output, 0);
    let text = stdout(&output);
    assert!(counts(&text, "work (p.py").1 > 0, "{text}");
    assert!(counts(&text, "second (second.py").1 > 0, "{text}");
}

/// Starts a child that works, tells both pids, and works on.
const PARENT: &str = "
import os, subprocess, sys
child = subprocess.Popen([sys.executable, 'child.py'])
with open('pids.tmp', 'w') as file:
    file.write('%d %d' % (os.getpid(), child.pid))
os.rename('pids.tmp', 'pids')
def work():
    while True: pass
work()
";

fn pids(place: &Place) -> Vec<u32> {
    let path = place.path("pids");
    wait_until("both are there", || path.exists());
    let text = std::fs::read_to_string(path).unwrap();
    text.split(' ').map(|pid| pid.parse().unwrap()).collect()
}

#[test]
fn processes_below_are_recorded_and_nothing_is_orphaned() {
    let place = Place::new();
    place.program("p.py", PARENT);
    place.program(
        "child.py",
        "def child_work():\n    while True: pass\nchild_work()\n",
    );
    // On a busy machine it takes a while until both have started.
    let mut seen = Vec::new();
    let both_are_there = ["2", "8", "30"].into_iter().any(|seconds| {
        let output = place
            .start(["-s", "-d", seconds, "-f", "raw", "-o", "-"])
            .output()
            .unwrap();
        assert_code(&output, 0);
        let text = stdout(&output);
        if !place.path("pids").exists() {
            return false;
        }
        let pids = pids(&place);
        std::fs::remove_file(place.path("pids")).unwrap();
        let parent = format!("process {}:\"", pids[0]);
        let child = format!("process {}:\"", pids[1]);
        assert!(text.lines().all(|line| line.starts_with(&parent)), "{text}");
        assert!(!runs(pids[0]) && !runs(pids[1]));
        let both = counts(&text, "work (p.py").1 > 0 && counts(&text, &child).1 > 0;
        seen.push(text);
        both
    });
    assert!(both_are_there, "{seen:#?}");
}

#[test]
fn sigterm_is_passed_on_and_the_program_ends_in_its_own_way() {
    let place = Place::new();
    place.program(
        "p.py",
        "
import os, signal, sys
def end(*_):
    open('ended', 'w').close()
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
signal.signal(signal.SIGINT, end)
open('ready', 'w').close()
def work():
    while True: pass
work()
",
    );
    for name in ["TERM", "INT"] {
        let spyhole = place.start(["-r", "1000", "-o", "x.txt"]).spawn().unwrap();
        wait_until("it works", || place.path("ready").exists());
        std::fs::remove_file(place.path("ready")).unwrap();
        wait_until_sampling(&spyhole);
        signal(spyhole.id(), name);
        let output = spyhole.wait_with_output().unwrap();
        assert_code(&output, 0);
        assert!(
            counts(
                &std::fs::read_to_string(place.path("x.txt")).unwrap(),
                "work"
            )
            .1 > 0
        );
        std::fs::remove_file(place.path("ended")).expect("it got its signal");
    }
}

#[test]
fn a_program_that_does_not_want_to_end_is_ended() {
    let place = Place::new();
    place.program(
        "p.py",
        "
import os, signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
open('pids.tmp', 'w').write(str(os.getpid()))
os.rename('pids.tmp', 'pids')
while True: pass
",
    );
    // On a busy machine it takes a while until it has come to ignore what it is told.
    let ignored = ["0.5", "5", "30"].into_iter().any(|seconds| {
        let begun = Instant::now();
        let output = place
            .start(["-d", seconds, "-o", "x.svg"])
            .output()
            .unwrap();
        let took = begun.elapsed();
        assert_code(&output, 0);
        if !place.path("pids").exists() {
            return false;
        }
        assert!(took >= Duration::from_secs(5), "the grace");
        assert!(!runs(pids(&place)[0]));
        true
    });
    assert!(ignored, "it never came to ignore it");
}

#[test]
fn a_program_outlives_a_profiler_that_is_killed() {
    let place = Place::new();
    place.program("p.py", PARENT);
    place.program("child.py", "while True: pass\n");
    let mut spyhole = place.start(["-r", "1000", "-o", "x.svg"]).spawn().unwrap();
    let pids = pids(&place);
    wait_until_sampling(&spyhole);
    spyhole.kill().unwrap();
    spyhole.wait().unwrap();
    for pid in pids {
        assert!(runs(pid));
        signal(pid, "KILL");
    }
}

#[test]
fn what_the_program_leaves_behind_does_not_pile_up() {
    let place = Place::new();
    place.program(
        "p.py",
        "
import os
for _ in range(20):
    os.system('sleep .1 &')
open('started', 'w').close()
while True: pass
",
    );
    let spyhole = place.start(["-r", "1000", "-o", "x.svg"]).spawn().unwrap();
    wait_until("they are started", || place.path("started").exists());
    let children = format!("/proc/{0}/task/{0}/children", spyhole.id());
    wait_until("only the program is left", || {
        std::fs::read_to_string(&children)
            .is_ok_and(|children| children.split_whitespace().count() == 1)
    });
    wait_until_sampling(&spyhole);
    signal(spyhole.id(), "TERM");
    assert_code(&spyhole.wait_with_output().unwrap(), 0);
}

#[test]
fn a_second_signal_ends_a_stubborn_program_at_once_and_keeps_the_file() {
    let place = Place::new();
    place.program(
        "p.py",
        "
import signal
for number in (signal.SIGTERM, signal.SIGINT):
    signal.signal(number, signal.SIG_IGN)
open('ready', 'w').close()
def work():
    while True: pass
work()
",
    );
    // A busy machine may take the time of the grace for the writing alone, but not each time.
    let mut took = Vec::new();
    let at_once = (0..4).any(|_| {
        let spyhole = place.start(["-r", "1000", "-o", "x.txt"]).spawn().unwrap();
        wait_until("it works", || place.path("ready").exists());
        wait_until_sampling(&spyhole);
        let begun = Instant::now();
        signal(spyhole.id(), "INT");
        wait_until("the file is there", || place.path("x.txt").exists());
        // The code is noted a moment after the file is in its place.
        wait_until("a second signal ends it", || {
            if runs(spyhole.id()) {
                signal(spyhole.id(), "INT");
            }
            !runs(spyhole.id())
        });
        took.push(begun.elapsed());
        let code = spyhole.wait_with_output().unwrap().status.code();
        assert!(matches!(code, Some(0 | 130)), "{code:?}");
        assert!(
            counts(
                &std::fs::read_to_string(place.path("x.txt")).unwrap(),
                "work"
            )
            .1 > 0
        );
        for name in ["ready", "x.txt"] {
            std::fs::remove_file(place.path(name)).unwrap();
        }
        took[took.len() - 1] < Duration::from_secs(5)
    });
    assert!(at_once, "{took:?}");
}
