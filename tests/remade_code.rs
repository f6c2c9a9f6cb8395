//! Code objects that are remade at the same address, with another file, name or line table at the same
//! addresses: `fixtures/targets/remade_code.py`.

mod common;
mod harness;

use std::collections::BTreeMap;

use common::held::SeenFrame;
use common::interpreters::one_of_each_version;
use common::look::{Look, Seen, script, with_each};
use common::{Interpreter, Target};
use harness::{Place, assert_code, counts, signal, stdout};
use serde::Deserialize;

/// Times that a code object is remade.
const STEPS: u32 = 12;

/// From this one on it comes to the place of the last one.
const SETTLED: u32 = 3;

/// Up to 3.11 code objects have no number. From 3.12 on, and in free-threaded builds above all, another
/// allocator or what the interpreter keeps may give other places.
fn must_come_to_one_place(python: &Interpreter) -> bool {
    python.version < (3, 12)
}

fn has_letter(seen: &SeenFrame, kind: &str, letter: &str) -> bool {
    let shown = match kind {
        "file" => seen.file == format!("remade_{letter}.py"),
        "name" => seen.name == format!("work_{letter}"),
        // `a` loops in line 2, `b` in line 3.
        _ => u32::from(letter.as_bytes()[0] - b'a') + 2 == seen.line,
    };
    shown && seen.name.starts_with("work")
}

/// The frame of the function whose code object was remade, once it loops.
fn at_work(seen: &[Seen]) -> Option<&SeenFrame> {
    let mut frames = seen.first()?.frames.iter();
    // It is at its first line before it loops.
    frames.find(|frame| frame.name.starts_with("work") && frame.line > 1)
}

/// Goes through the steps of the program. `judge` is given the number of each, what the program says that
/// it is, and a way to look at the function that was remade.
fn at_each_step(kind: &str, judge: impl Fn(u32, &str, &mut dyn FnMut() -> SeenFrame)) {
    with_each(&one_of_each_version(), |python| {
        let mut command = python.command();
        command.args([&script("remade_code.py"), "step", kind]);
        let mut target = Target::start(&mut command).expect("a program that remakes code");
        let mut look = Look::at(target.pid());
        for step in 0..STEPS {
            let line = target.line().expect("a step");
            let (letter, same) = line
                .split_once(' ')
                .expect("a letter and whether it is the same");
            let settles = must_come_to_one_place(python) && step >= SETTLED;
            assert!(same == "1" || !settles, "step {step}");
            judge(step, letter, &mut || {
                let mut frame = None;
                look.until("it works", |seen| {
                    frame = at_work(seen).cloned();
                    frame.is_some()
                });
                frame.expect("it works")
            });
            signal(target.id(), "USR1");
        }
    });
}

fn each_is_seen_as_it_is(kind: &str) {
    at_each_step(kind, |step, letter, look| {
        let frame = look();
        assert!(
            has_letter(&frame, kind, letter),
            "step {step}: {letter} is {frame:?}"
        );
    });
}

#[test]
fn another_file_at_the_same_place_is_seen() {
    each_is_seen_as_it_is("file");
}

#[test]
fn another_name_at_the_same_place_is_seen() {
    each_is_seen_as_it_is("name");
}

#[test]
fn another_line_table_at_the_same_place_is_seen() {
    each_is_seen_as_it_is("lines");
}

/// Looks until each code object of a stack is looked at closely.
const UNTIL_ALL: usize = 32;

#[test]
fn another_file_further_out_is_seen_soon_and_from_then_on_at_once() {
    at_each_step("within", |step, letter, look| {
        let looks = if step <= SETTLED { UNTIL_ALL } else { 1 };
        let frames: Vec<SeenFrame> = (0..looks).map(|_| look()).collect();
        let frame = frames.last().expect("a look");
        assert!(
            has_letter(frame, "file", letter),
            "step {step}: {letter} is {frame:?}"
        );
    });
}

/// What the program says of itself.
#[derive(Deserialize)]
struct Account {
    /// CPU seconds by file.
    cpu: BTreeMap<String, f64>,
    same: u32,
    turns: u32,
}

#[test]
fn files_that_take_turns_at_one_place_have_their_shares() {
    with_each(&one_of_each_version(), |python| {
        let place = Place::new();
        let mut recording =
            place.record(["-r", "1000", "--unit", "cpu", "-f", "raw", "-o", "-", "--"]);
        recording
            .arg(&python.path)
            .arg("-S")
            .arg(script("remade_code.py"));
        let output = recording
            .args(["shares", "account"])
            .output()
            .expect("runs");
        assert_code(&output, 0);
        let account = std::fs::read(place.path("account")).expect("an account");
        let account: Account = serde_json::from_slice(&account).expect("an account");
        assert!(account.same * 10 > account.turns * 9 || !must_come_to_one_place(python));
        let all: f64 = account.cpu.values().sum();
        let recorded =
            |letter: &str| counts(&stdout(&output), &format!("remade_{letter}.py")).1 as f64;
        let recorded_all: f64 = account.cpu.keys().map(|letter| recorded(letter)).sum();
        for (letter, cpu) in &account.cpu {
            let (own, seen) = (cpu / all, recorded(letter) / recorded_all);
            assert!(
                (own - seen).abs() < 0.08,
                "{letter}: {own} by its own account, {seen} recorded"
            );
        }
    });
}
