//! Labels that are read with the stacks, on every version.

mod common;
mod harness;

use std::fs::File;
use std::process::Command;

use spyhole::profile::Profile;

use self::common::interpreters::one_of_each_version;
use self::common::{Target, lacking};
use self::harness::{Place, assert_code, stderr};

const WATCH: &str = "\
[[watch]]
file = 'labelled.py'
function = 'handle'
local = 'request'
path = 'match.route'
";

fn profile(place: &Place) -> Profile {
    let file = File::open(place.path("r.pb.gz")).expect("a profile");
    spyhole::profile::file::read(file).expect("a profile")
}

/// The value of a label for each entry's samples, beside the names on its stack, leaf first.
fn labelled(profile: &Profile, key: &str) -> Vec<(Vec<String>, Option<String>, u64)> {
    let interner = &profile.interner;
    let text = |id| interner.text(id).untrusted().to_owned();
    let entries = profile.entries().map(|entry| {
        let labels = interner.labels(entry.labels()).iter();
        let mut labels = labels.filter(|label| text(label.key) == key);
        let frames = interner.frames_of(entry.stack());
        let names = frames.map(|frame| {
            let function = interner.function(interner.frame(frame).function);
            text(function.name)
        });
        (
            names.collect(),
            labels.next().map(|label| text(label.value)),
            entry.values().count,
        )
    });
    entries.collect()
}

/// A request's label is that of the request which runs, whatever others had the same addresses.
#[test]
fn no_sample_has_the_label_of_another_request() {
    let mut wrong = Vec::new();
    let found = one_of_each_version();
    if found.is_empty() {
        lacking("labels", "no Python here");
    }
    for python in found {
        for threads in ["1", "3"] {
            let place = Place::new();
            std::fs::write(place.path("watch.toml"), WATCH).expect("written");
            let program = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/targets/labelled.py");
            let mut command: Command = python.command();
            let target = Target::start(command.args([program, threads])).expect("runs");
            let output = place
                .attach(&target, ["-d", "1", "-r", "2000", "-o", "r.pb.gz"])
                .args(["--watch", "watch.toml"])
                .output()
                .expect("it runs");
            assert_code(&output, 0);
            let (mut right, mut other, mut without) = (0, 0, 0);
            for (names, label, count) in labelled(&profile(&place), "route") {
                let Some(part) = names.iter().find(|name| name.starts_with("route_")) else {
                    continue;
                };
                let expected = part.split("_part_").next().expect("a name");
                match label.as_deref() {
                    Some(label) if label == expected => right += count,
                    Some(_) => other += count,
                    None => without += count,
                }
            }
            if right < 200 || other + without > 0 {
                let name = &python.name;
                wrong.push(format!(
                    "{name}, {threads} threads: {right} right, {other} wrong, {without} without; {}",
                    stderr(&output)
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What a label says is bounded, and does nothing to a terminal or a file, whatever the program puts there.
#[test]
fn hostile_labels_are_bounded_and_escaped() {
    let place = Place::new();
    std::fs::write(
        place.path("watch.toml"),
        WATCH.replace("labelled.py", "target.py"),
    )
    .expect("written");
    let target = place.target(
        "\
import sys

class Match(object):
    pass

class Request(object):
    def __init__(self, route):
        self.match = Match()
        self.match.route = route

class Loop(object):
    def __getattr__(self, name):
        return self

HOSTILE = ['\\x1b[31mred\\x07', 'x' * 10000000, '\\ud800', 'a\\nb;c d 12', '', 12345678901234567890, None, b'bytes',
           -7, [], type, '\\u202eleft']

def work():
    for k in range(2000):
        k += 1

def handle(request):
    work()

print('ready')
sys.stdout.flush()
while True:
    for value in HOSTILE:
        handle(Request(value))
    handle(None)
    handle(Loop())
    handle(12)
",
    );
    let mut attach = place.attach(&target, ["-d", "2", "-r", "1000", "-o", "r.pb.gz"]);
    let output = attach
        .args(["--watch", "watch.toml"])
        .output()
        .expect("it runs");
    assert_code(&output, 0);
    let said = stderr(&output);
    assert!(
        !said.contains('\u{1b}') && said.contains("every sample proven"),
        "{said}"
    );
    let labels = labelled(&profile(&place), "route");
    let values: Vec<&String> = labels
        .iter()
        .filter_map(|(_, label, _)| label.as_ref())
        .collect();
    let has = |text: &str| values.iter().any(|value| value.contains(text));
    assert!(has("red") && has("xxxx") && has("-7"), "{values:?}");
    assert!(
        values.iter().all(|value| value.chars().count() <= 250),
        "a long one"
    );
}

/// Without the option nothing of a program's own objects is read.
#[test]
fn a_file_of_watches_that_is_none_is_refused() {
    let place = Place::new();
    std::fs::write(place.path("watch.toml"), "[[watch]]\nfile = 'a.py'\n").expect("written");
    let output = place
        .spyhole(["record", "-p", "1", "--watch", "watch.toml"])
        .output()
        .expect("it runs");
    assert_code(&output, 2);
    assert!(stderr(&output).contains("function"), "{}", stderr(&output));
}

/// `--by` and `--where`.
#[test]
fn samples_are_told_apart_and_kept_by_label() {
    let place = Place::new();
    std::fs::write(place.path("watch.toml"), WATCH).expect("written");
    let program = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/targets/labelled.py");
    let mut command = Command::new(harness::python());
    let target = Target::start(command.args([program, "1"])).expect("runs");
    let record = |options: &[&str]| {
        let mut attach = place.attach(&target, ["-d", "1", "-r", "1000", "-o", "r.txt"]);
        let output = attach
            .args(["--watch", "watch.toml"])
            .args(options)
            .output();
        output.expect("it runs")
    };
    let output = record(&["--by", "route", "--where", "route=route_1*"]);
    assert_code(&output, 0);
    let collapsed = std::fs::read_to_string(place.path("r.txt")).expect("a file");
    assert!(collapsed.lines().count() > 10, "{collapsed}");
    for line in collapsed.lines() {
        let root = line.split(';').next().expect("a root");
        assert!(root.starts_with("route_1"), "{line}");
        // Below its root a stack has only functions of that route.
        let functions = line.split(';').filter(|frame| frame.contains("_part_"));
        for function in functions {
            assert!(function.starts_with(&format!("{root}_part_")), "{line}");
        }
    }
    let said = stderr(&output);
    assert!(
        said.contains("ROUTE") && said.contains("route_17"),
        "{said}"
    );
    assert!(!said.contains("route_2 "), "{said}");
    let output = record(&["--where", "route=nothing"]);
    assert_code(&output, 3);
    assert!(stderr(&output).contains("--where"), "{}", stderr(&output));
    assert_code(&record(&["--where", "route"]), 2);
}
