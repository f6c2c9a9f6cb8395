//! SIGUSR1: what was recorded so far is written, and the recording goes on.

use std::io::{BufRead, BufReader};
use std::process::Child;

use crate::harness::*;

/// The next line that it tells which contains `text`.
fn told(spyhole: &mut Child, text: &str) -> (String, impl FnOnce() -> String + use<>) {
    let mut stderr = BufReader::new(spyhole.stderr.take().expect("it is piped"));
    let mut line = String::new();
    while !line.contains(text) {
        line.clear();
        let read = stderr.read_line(&mut line).expect("text");
        assert!(read > 0, "it ended without telling '{text}'");
    }
    let rest = move || {
        let mut rest = String::new();
        std::io::Read::read_to_string(&mut stderr, &mut rest).expect("text");
        rest
    };
    (line, rest)
}

#[test]
fn every_format_is_written_when_asked_and_the_recording_goes_on() {
    let place = Place::new();
    let target = place.target(BUSY);
    for (name, format) in [
        ("x.svg", "flamegraph"),
        ("x.txt", "raw"),
        ("x.json", "speedscope"),
        ("y.json", "chrometrace"),
        ("x.pb.gz", "pprof"),
    ] {
        let mut spyhole = place
            .attach(&target, ["-r", "1000", "-f", format, "-o", name])
            .spawn()
            .expect("spyhole starts");
        wait_until_sampling(&spyhole);
        signal(spyhole.id(), "USR1");
        let (line, rest) = told(&mut spyhole, "recorded so far");
        assert!(line.contains(name), "{line}");
        let so_far = std::fs::read(place.path(name)).expect("it is written");
        assert!(runs(spyhole.id()));
        if format != "pprof" {
            let text = String::from_utf8(so_far).expect("text");
            assert!(text.contains("work"), "{text}");
            if format == "raw" {
                assert!(counts(&text, "work").1 > 0, "{text}");
            }
            if format == "speedscope" {
                let read: serde_json::Value = serde_json::from_str(&text).expect("JSON");
                let weights = read["profiles"][0]["weights"].as_array();
                assert!(weights.is_some_and(|it| !it.is_empty()), "{text}");
            }
        } else {
            let profile = spyhole::profile::file::read(so_far.as_slice()).expect("a profile");
            assert!(profile.total().count > 0 && profile.timeline().failure().is_none());
        }
        wait_until_sampling(&spyhole);
        signal(spyhole.id(), "INT");
        let rest = rest();
        assert!(rest.contains("Wrote "), "{rest}");
        assert_eq!(spyhole.wait().expect("it ends").code(), Some(0), "{rest}");
    }
    assert!(runs(target.id()));
}

#[test]
fn a_file_at_the_end_has_what_came_after_the_one_in_between() {
    let place = Place::new();
    let target = place.target(BUSY);
    let mut spyhole = place
        .attach(&target, ["-r", "1000", "-o", "x.txt"])
        .spawn()
        .expect("spyhole starts");
    let mut before = 0;
    wait_until_sampling(&spyhole);
    signal(spyhole.id(), "USR1");
    let (_, rest) = told(&mut spyhole, "recorded so far");
    for _ in 0..2 {
        let text = std::fs::read_to_string(place.path("x.txt")).expect("it is written");
        let (count, _) = counts(&text, "work");
        assert!(count > before, "{text}");
        before = count;
        wait_until_sampling(&spyhole);
        signal(spyhole.id(), "USR1");
        wait_until("it is written anew", || {
            let text = std::fs::read_to_string(place.path("x.txt")).expect("it is there");
            counts(&text, "work").0 > before
        });
    }
    signal(spyhole.id(), "INT");
    rest();
    assert_eq!(spyhole.wait().expect("it ends").code(), Some(0));
    let text = std::fs::read_to_string(place.path("x.txt")).expect("it is written");
    assert!(counts(&text, "work").0 > before, "{text}");
    assert_eq!(place.names(), ["target.py", "x.txt"]);
}

#[test]
fn why_nothing_is_written_is_told() {
    let place = Place::new();
    for (code, file, why) in [
        (WAITS, "x.svg", "Nothing was sampled yet"),
        (BUSY, "-", "no regular file"),
    ] {
        let target = place.target(code);
        let mut spyhole = place
            .attach(&target, ["-r", "1000", "-o", file])
            .spawn()
            .expect("spyhole starts");
        wait_until_sampling(&spyhole);
        signal(spyhole.id(), "USR1");
        let (_, rest) = told(&mut spyhole, why);
        assert!(runs(spyhole.id()));
        signal(spyhole.id(), "INT");
        spyhole.wait_with_output().expect("it ends");
        rest();
    }
    assert_eq!(place.names(), ["target.py"]);
}
