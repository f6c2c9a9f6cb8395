//! A program whose functions, files, threads and arguments have names made to hurt, recorded by the
//! binary: every format is read by a real parser of it, and nothing reaches the terminal raw.

mod common;
mod harness;

use std::process::{Command, Output};

use common::interpreters::one_of_each_version;
use common::look::{script, with_each};
use harness::*;
use quick_xml::events::Event;

const ARGUMENTS: [&str; 5] = [
    "\x1b]0;owned\x07",
    "</script><script>alert(1)</script>",
    "\u{202e}gnp.exe",
    "semi;colon 42",
    "line\nbreak",
];

/// What acts on a terminal, or on how other text looks, without being seen itself.
fn acts_unseen(c: char) -> bool {
    (c.is_control() && c != '\n')
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{fff0}'..='\u{ffff}' | '\u{e0000}'..='\u{e0fff}')
}

#[track_caller]
fn assert_tame(what: &str, bytes: &[u8]) -> String {
    let text = std::str::from_utf8(bytes).expect("UTF-8");
    let raw: Vec<char> = text.chars().filter(|c| acts_unseen(*c)).collect();
    assert!(raw.is_empty(), "{what} has {raw:?}");
    text.to_owned()
}

fn record(place: &Place, target: &Target, format: &str, more: &[&str]) -> (Output, String) {
    let pid = target.pid().to_string();
    // All threads sleep.
    let output = place
        .record(["-p", &pid, "-d", "0.3", "-i", "-t", "-f", format, "-o", "-"])
        .args(more)
        .output()
        .expect("runs");
    assert_code(&output, 0);
    assert_tame("standard error", &output.stderr);
    let text = assert_tame(format, &output.stdout);
    (output, text)
}

/// The program's own account of its names: functions and threads.
#[derive(serde::Deserialize)]
struct Told {
    functions: Vec<serde_json::Value>,
    threads: Vec<serde_json::Value>,
}

fn check_raw(text: &str, told: &Told) {
    let lines: Vec<(&str, u64)> = text
        .lines()
        .map(|line| {
            let (stack, count) = line.rsplit_once(' ').expect("a count");
            (stack, count.parse().expect("a number"))
        })
        .collect();
    assert!(lines.iter().all(|(_, count)| *count > 0));
    // Each thread is a line of its own, whatever it is called: frames and threads are not split.
    let waiting = lines
        .iter()
        .filter(|(stack, _)| stack.contains("wait_in_thread"));
    assert_eq!(waiting.count(), told.threads.len());
    let nested = lines
        .iter()
        .find(|(stack, _)| stack.contains(";bottom ("))
        .expect("the stack of all the names");
    // The thread, `<module>`, `nest`, one frame for each name, `last`, `bottom`.
    let frames = nested.0.split(';').count();
    let expected = told.functions.len() + 5;
    assert!(
        (expected..=expected + 1).contains(&frames),
        "{frames}, {expected} expected"
    );
}

fn check_flamegraph(text: &str, told: &Told) {
    let mut reader = quick_xml::Reader::from_str(text);
    reader.config_mut().check_comments = true;
    let (mut titles, mut scripts) = (0, 0);
    loop {
        match reader.read_event().expect("well-formed XML") {
            Event::Eof => break,
            Event::Start(tag) if tag.name().as_ref() == b"title" => titles += 1,
            Event::Start(tag) if tag.name().as_ref() == b"script" => scripts += 1,
            _ => {}
        }
    }
    assert_eq!(scripts, 1);
    assert!(
        titles > told.functions.len() + told.threads.len(),
        "{titles}"
    );
}

fn check_speedscope(text: &str, told: &Told) {
    let json: serde_json::Value = serde_json::from_str(text).expect("JSON");
    let profiles = json["profiles"].as_array().expect("profiles");
    assert_eq!(profiles.len(), told.threads.len() + 1);
    let frames = json["shared"]["frames"].as_array().expect("frames");
    assert!(frames.len() > told.functions.len());
}

fn check_chrometrace(text: &str, told: &Told) {
    let json: serde_json::Value = serde_json::from_str(text).expect("JSON");
    let events = json.as_array().expect("an array");
    let names = events.iter().filter(|event| event["name"] == "thread_name");
    assert!(names.count() > told.threads.len());
}

#[test]
fn names_made_to_hurt_break_no_format_and_reach_no_terminal() {
    with_each(&one_of_each_version(), |python| {
        let place = Place::new();
        let mut command = python.command();
        command.arg(script("hostile_names.py")).args(ARGUMENTS);
        let mut target = Target::start(&mut command).expect("runs").asleep();
        let mut line = target.line().expect("its names");
        // Only their number matters here, and Rust's strings have no lone surrogates.
        for lone in ["\\ud800", "\\udcff", "\\udc80"] {
            line = line.replace(lone, "?");
        }
        let told: Told = serde_json::from_str(&line).expect("JSON");
        let (_, text) = record(&place, &target, "raw", &[]);
        check_raw(&text, &told);
        let (_, text) = record(&place, &target, "flamegraph", &[]);
        check_flamegraph(&text, &told);
        let (_, text) = record(&place, &target, "speedscope", &["--full-filenames"]);
        check_speedscope(&text, &told);
        let (_, text) = record(&place, &target, "chrometrace", &["-F"]);
        check_chrometrace(&text, &told);
    });
}

/// What spyhole says of a program that it was given, and of one that it cannot read.
#[test]
fn messages_quote_hostile_arguments_tamely() {
    let place = Place::new();
    let mut command = Command::new("sleep");
    // `sleep` sums up its arguments; `exec -a` names it.
    let hostile = "\x1b]0;owned\x07\u{202e}";
    std::os::unix::process::CommandExt::arg0(&mut command, hostile);
    let mut child = command.arg("100").spawn().expect("sleeps");
    let pid = child.id().to_string();
    let output = place.record(["-p", &pid, "-d", "0.1"]).output();
    child.kill().expect("ends");
    child.wait().expect("ends");
    let output = output.expect("runs");
    assert_ne!(output.status.code(), Some(0));
    assert_tame("standard error", &output.stderr);

    for arguments in [
        &["--", hostile][..],
        &[hostile],
        &["-o", hostile, "-p", "0"],
    ] {
        let output = place.record(arguments).output().expect("runs");
        assert_ne!(output.status.code(), Some(0), "{arguments:?}");
        assert_tame(&format!("standard error of {arguments:?}"), &output.stderr);
        assert_tame("standard output", &output.stdout);
    }
}
