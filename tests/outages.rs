//! What happens in the middle of a recording that leaves nothing to see: it is told, with its reason, and its
//! time is nobody's.

mod common;
mod harness;

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command};
use std::thread::sleep;
use std::time::{Duration, Instant};

use harness::{BUSY, Place, Target, WAITS, python, signal};

/// Two functions that take turns for a second each, by the clock, and say when they begin.
const TURNS: &str = "
import time

def aaa():
    end = time.monotonic() + 0.05
    while time.monotonic() < end: pass

def bbb():
    end = time.monotonic() + 0.05
    while time.monotonic() < end: pass

print('ready', flush=True)
while True:
    aaa()
    bbb()
";

/// Waits for the line that says that the recording has begun.
fn begun(recorder: &mut Child) -> BufReader<std::process::ChildStderr> {
    let mut lines = BufReader::new(recorder.stderr.take().expect("its words"));
    let mut line = String::new();
    lines.read_line(&mut line).expect("a line");
    assert!(line.contains("Sampling"), "{line}");
    lines
}

fn rest(mut lines: impl Read) -> String {
    let mut text = String::new();
    lines.read_to_string(&mut text).expect("UTF-8");
    text
}

/// The number before a word, such as the seconds that a sentence tells.
fn number_before(text: &str, word: &str) -> f64 {
    let before = text.split(word).next().expect("the word");
    let digits = before
        .rsplit(|c: char| !(c.is_ascii_digit() || c == '.'))
        .next();
    digits
        .and_then(|it| it.parse().ok())
        .unwrap_or_else(|| panic!("no number before {word:?}: {text}"))
}

/// Microseconds by function, of collapsed stacks.
fn micros(stacks: &str, function: &str) -> u64 {
    let lines = stacks.lines().filter(|line| line.contains(function));
    lines
        .filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok())
        .sum()
}

#[test]
fn time_at_which_spyhole_was_stopped_is_nobodys() {
    let place = Place::new();
    let turns = place.program("turns.py", TURNS);
    let target = Target::start(Command::new(python()).arg(turns)).expect("a target");
    let pid = target.pid().to_string();
    let words = [
        "-p", &pid, "-d", "5", "-F", "-f", "raw", "--unit", "wall", "-o", "out.txt",
    ];
    // Not through `env`, so that it is this process that is stopped.
    let mut recorder = Command::new(env!("CARGO_BIN_EXE_spyhole"));
    recorder
        .arg("record")
        .args(words)
        .current_dir(place.path("."));
    let started = Instant::now();
    let mut recorder = recorder
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("spyhole");
    let lines = begun(&mut recorder);
    sleep(Duration::from_secs(1));
    let stopped = Instant::now();
    signal(recorder.id(), "STOP");
    sleep(Duration::from_millis(2500));
    signal(recorder.id(), "CONT");
    let stopped = stopped.elapsed().as_secs_f64();
    let said = rest(lines);
    assert!(recorder.wait().expect("its end").success(), "{said}");
    let lasted = started.elapsed().as_secs_f64();
    let stacks = std::fs::read_to_string(place.path("out.txt")).expect("collapsed stacks");
    let (aaa, bbb) = (
        micros(&stacks, "aaa") as f64 / 1e6,
        micros(&stacks, "bbb") as f64 / 1e6,
    );
    let not_seen = number_before(&said, " s, since spyhole itself");
    // On a busy machine it comes late to a CPU at other times, too.
    assert!(not_seen > stopped - 0.2, "{stopped} {said}");
    let told = aaa + bbb + not_seen;
    assert!(told > 4.7 && told < lasted, "{aaa} {bbb} {said}");
    // Neither has what was not seen.
    assert!((aaa - bbb).abs() < 0.5, "{aaa} {bbb}");
    assert!(!said.contains("every sample proven"), "{said}");
}

#[test]
fn a_process_that_is_stopped_is_told_so() {
    let place = Place::new();
    for (name, code) in [("busy.py", BUSY), ("waits.py", WAITS)] {
        let program = place.program(name, code);
        let target = Target::start(Command::new(python()).arg(program)).expect("a target");
        signal(target.id(), "STOP");
        for engine in ["cpython", "py-spy"] {
            let mut command =
                place.spyhole(["record", "--engine", engine, "-d", "2", "-o", "out.svg"]);
            let output = command
                .args(["-p", &target.pid().to_string()])
                .output()
                .expect("spyhole");
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(3), "{engine} {said}");
            assert!(said.contains("stopped"), "{engine} {said}");
            assert!(!said.contains("give the process work"), "{engine} {said}");
        }
    }
}

#[test]
fn a_duration_ends_a_recording_that_never_finds_a_python() {
    let place = Place::new();
    let started = Instant::now();
    let output = place
        .record(["-d", "3", "-o", "out.svg", "--", "sleep", "60"])
        .output()
        .expect("spyhole");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("waiting for one"), "{said}");
    // It would be a minute.
    assert!(started.elapsed() < Duration::from_secs(30), "{said}");
}
