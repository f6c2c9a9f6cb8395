//! The Python side of the wheel, with the program from the build.

mod common;
mod harness;

use std::path::Path;
use std::process::{Command, Output};

use self::common::interpreters::{Interpreter, one_of_each_version};
use self::common::lacking;
use self::harness::{Place, assert_code, counts, stderr, stdout};

/// Those that the package is for.
fn pythons() -> Vec<Interpreter> {
    let mut found = one_of_each_version();
    found.retain(|python| python.version >= (3, 8));
    if found.is_empty() {
        lacking("the Python side", "no Python 3.8 or later here");
    }
    found
}

/// Runs code beside the package and the program.
fn run(python: &Interpreter, place: &Place, arguments: &[&str]) -> Output {
    let program = Path::new(env!("CARGO_BIN_EXE_spyhole"));
    let folder = program.parent().expect("a folder");
    let path = std::env::var("PATH").unwrap_or_default();
    Command::new(&python.path)
        .args(arguments)
        .current_dir(place.path("."))
        .env(
            "PYTHONPATH",
            concat!(env!("CARGO_MANIFEST_DIR"), "/src/python"),
        )
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("PATH", format!("{}:{path}", folder.display()))
        .env_remove("SUDO_UID")
        .output()
        .expect("it runs")
}

#[test]
fn the_module_is_the_program() {
    for python in pythons() {
        let output = run(&python, &Place::new(), &["-m", "spyhole", "--version"]);
        assert_code(&output, 0);
        assert!(
            stdout(&output).starts_with("spyhole "),
            "{}",
            stdout(&output)
        );
    }
}

#[test]
fn a_block_and_a_function_are_recorded_and_nothing_else() {
    for python in pythons() {
        let place = Place::new();
        let program = place.program(
            "p.py",
            "\
import time, spyhole

def work(seconds):
    end = time.time() + seconds
    while time.time() < end:
        sum(range(100))

def within():
    work(0.3)

def without():
    work(0.3)

without()
with spyhole.record('block.txt', '--rate', '500'):
    within()
without()

@spyhole.record('function.txt', '--rate', 500)
def decorated():
    work(0.2)
    return 7

assert decorated() == 7
try:
    with spyhole.record('raised.txt'):
        work(0.2)
        raise KeyError('of the block')
except KeyError:
    pass
print('done')
",
        );
        let output = run(&python, &place, &[program.to_str().expect("UTF-8")]);
        assert_code(&output, 0);
        assert_eq!(stdout(&output).trim(), "done", "{}", stderr(&output));
        let read = |name: &str| std::fs::read_to_string(place.path(name)).expect("a file");
        let (all, within) = counts(&read("block.txt"), "within");
        assert!(
            within > 20 && within * 10 > all * 8,
            "{}",
            read("block.txt")
        );
        assert_eq!(counts(&read("block.txt"), "without").1, 0);
        assert!(counts(&read("function.txt"), "decorated").1 > 10);
        assert!(counts(&read("raised.txt"), "work").1 > 3);
    }
}

#[test]
fn what_cannot_be_recorded_raises_with_the_reason() {
    let found = pythons();
    let Some(python) = found.first() else {
        return;
    };
    let place = Place::new();
    let code = "\
import spyhole
try:
    with spyhole.record('/no/such/folder/x.svg'):
        print('the block runs')
except spyhole.SpyholeError as error:
    print('raised:', error)
";
    let output = run(python, &place, &["-c", code]);
    assert_code(&output, 0);
    let said = stdout(&output);
    assert!(
        said.starts_with("raised: ") && said.contains("/no/such/folder"),
        "{said}"
    );
}
