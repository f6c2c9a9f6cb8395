//! Every interpreter that is found can be recorded.

use std::process::Command;

use crate::harness::*;

#[test]
fn each_version_shows_where_it_works() {
    let place = Place::new();
    let program = place.program(
        "target.py",
        "
import sys
def work():
    total = 0
    for number in range(1000):
        total += number
def main():
    sys.stdout.write('ready\\n')
    sys.stdout.flush()
    while True:
        work()
main()
",
    );
    for python in crate::common::interpreters::one_of_each_version() {
        let name = &python.name;
        let target = Target::start(python.command().arg(&program)).expect(name);
        let pid = target.pid().to_string();
        let output = place
            .record(["-p", &pid, "-d", "0.5", "-f", "raw", "-o", "-"])
            .output()
            .unwrap();
        if engine() == "py-spy" && (python.free_threaded || python.version > (3, 14)) {
            continue;
        }
        assert_eq!(output.status.code(), Some(0), "{name}: {}", stderr(&output));
        let text = stdout(&output);
        let (all, at_work) = counts(&text, "work (target.py:");
        assert!(at_work > 0 && at_work * 10 > all * 7, "{name}: {text}");
    }
}

#[test]
fn each_version_can_be_started() {
    let place = Place::new();
    place.program(
        "p.py",
        // However little of the CPUs it is given.
        "
import os
def work():
    while sum(os.times()[:2]) < 1:
        pass
work()
",
    );
    for python in crate::common::interpreters::one_of_each_version() {
        if engine() == "py-spy" && (python.free_threaded || python.version > (3, 14)) {
            continue;
        }
        let name = &python.name;
        let command: Command = python.command();
        let mut record = place.record(["-f", "raw", "-o", "-", "--"]);
        let output = record
            .arg(command.get_program())
            .arg("p.py")
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(0), "{name}: {}", stderr(&output));
        assert!(
            counts(&stdout(&output), "work (p.py").1 > 0,
            "{name}: {}",
            stdout(&output)
        );
    }
}
