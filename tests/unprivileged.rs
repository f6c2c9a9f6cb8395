//! What an ordinary user may do without root: to programs of the user's own.

mod common;
mod harness;

use std::process::Stdio;

use common::Target;
use harness::nobody::{as_nobody, place_for_nobody};
use harness::*;

#[test]
fn own_programs_are_listed_and_recorded() {
    let Some((place, binary, python)) = place_for_nobody() else {
        return;
    };
    let program = place.program("unprivileged_busy.py", BUSY);
    let target = Target::start(as_nobody(python, &place).arg(&program)).expect("starts");
    let pid = target.id().to_string();
    let run = |words: &[&str]| as_nobody(&binary, &place).args(words).output().unwrap();

    let output = run(&["ps", "unprivileged_busy.py"]);
    assert_code(&output, 0);
    assert!(
        stdout(&output).contains(&format!("{pid}  3.")),
        "{}",
        stdout(&output)
    );

    let options = ["-d", "0.3", "-f", "raw", "-o", "-"];
    for named in [&["--pid", &pid][..], &["--name", "unprivileged_busy.py"]] {
        let output = run(&[&["record"], named, &options].concat());
        assert_code(&output, 0);
        let (all, at_work) = counts(&stdout(&output), "work (unprivileged_busy.py:");
        assert!(all > 0 && at_work > 0, "{named:?}: {}", stderr(&output));
        assert!(
            stderr(&output).contains("every sample proven"),
            "{}",
            stderr(&output)
        );
    }
    let output = run(&["doctor", &pid]);
    assert_code(&output, 0);
    assert!(
        stdout(&output).contains("note  user"),
        "{}",
        stdout(&output)
    );

    let python = python.to_str().expect("text");
    let program = program.to_str().expect("text");
    let shell = format!("{python} {program} & {python} {program}");
    // On a busy machine it takes a while until they have started.
    let mut seen = Vec::new();
    let at_work = ["0.5", "5", "30"].into_iter().any(|seconds| {
        let output = run(&[
            "record", "-s", "-d", seconds, "-f", "raw", "-o", "x.txt", "--", "sh", "-c", &shell,
        ]);
        assert_code(&output, 0);
        seen.push(std::fs::read_to_string(place.path("x.txt")).unwrap());
        counts(&seen[seen.len() - 1], "work (unprivileged_busy.py:").1 > 0
    });
    assert!(at_work, "{seen:#?}");
}

#[test]
fn anothers_program_is_refused_with_the_reason() {
    let Some((place, binary, _)) = place_for_nobody() else {
        return;
    };
    let target = place.target(BUSY);
    let pid = target.id().to_string();
    let output = as_nobody(&binary, &place)
        .args(["doctor", &pid])
        .output()
        .unwrap();
    assert_code(&output, 1);
    let (shown, told) = (stdout(&output), stderr(&output));
    assert!(shown.contains("NO    its user"), "{shown}");
    assert!(told.contains("belongs to another user (uid 0)"), "{told}");
    assert!(told.contains("run spyhole with `sudo`"), "{told}");
}

/// A program that nobody but root may read any more once it got SIGUSR1.
const HIDES: &str = "
import ctypes, signal
prctl = ctypes.CDLL(None).prctl
# PR_SET_DUMPABLE.
signal.signal(signal.SIGUSR1, lambda *_: prctl(4, 0, 0, 0, 0))
print('ready', flush=True)
while True: pass
";

#[test]
fn a_program_that_becomes_unreadable_is_told_with_the_reason() {
    let Some((place, binary, python)) = place_for_nobody() else {
        return;
    };
    let program = place.program("hides.py", HIDES);
    let target = Target::start(as_nobody(python, &place).arg(&program)).expect("starts");
    let pid = target.id().to_string();
    let recording = as_nobody(&binary, &place)
        .args(["record", "-r", "1000", "-d", "4", "-f", "raw", "-o", "-"])
        .args(["--pid", &pid])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("spyhole");
    wait_until_sampling(&recording);
    signal(target.id(), "USR1");
    let output = recording.wait_with_output().expect("ends");
    assert_code(&output, 0);
    let said = stderr(&output);
    assert!(said.contains("it cannot be read any more, since"), "{said}");
    assert!(
        said.contains("PR_SET_DUMPABLE") || said.contains("dump"),
        "{said}"
    );
    assert!(
        said.contains("% of the time, are not in the file"),
        "{said}"
    );
    assert!(said.contains("could not be read"), "{said}");
    assert!(!said.contains("every sample proven"), "{said}");
}
