//! Which processes `ps` lists, and what is said of one that is no Python: what can be read is listed,
//! whatever it is called, and nothing else is.

mod common;
mod harness;

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::interpreters::cache;
use common::look::script;
use common::{Interpreter, Target, lacking, skipped};
use harness::{Place, assert_code, counts, interpreters, stderr, stdout, wait_until};
use serde_json::Value;

/// What `ps` says of a process, if it lists it.
fn listed(place: &Place, pid: u32) -> Option<Value> {
    let output = place.spyhole(["ps", "--json"]).output().expect("runs");
    let all: Vec<Value> = serde_json::from_str(&stdout(&output)).expect("JSON");
    all.into_iter().find(|it| it["pid"] == pid)
}

fn copied(place: &Place, program: &str, name: &str) -> Option<PathBuf> {
    let copy = place.path(name);
    std::fs::copy(program, &copy).ok()?;
    Some(copy)
}

#[test]
fn other_programs_are_not_listed_whatever_they_are_called() {
    let place = Place::new();
    let not_python = cache().join("embed/not_python");
    let not_python = not_python.to_str().expect("text");
    for (program, arguments) in [
        ("/bin/sh", &["-c", "mkfifo it; echo ready; read x < it"][..]),
        (not_python, &[]),
    ] {
        let Some(copy) = copied(&place, program, "python3.9") else {
            lacking("another program", program);
            continue;
        };
        let target = Target::start(
            Command::new(copy)
                .args(arguments)
                .current_dir(place.path("")),
        )
        .expect("runs");
        assert_eq!(listed(&place, target.id()), None, "{program}");
        let output = place.attach(&target, ["-d", "1"]).output().expect("runs");
        let told = stderr(&output);
        assert!(
            told.contains("is not a Python process"),
            "{program}: {told}"
        );
        assert_code(&output, 1);
    }
}

/// A shell that is called so: what tells a PyPy is the name of its files.
#[test]
fn a_pypy_is_listed_as_one_and_the_python_below_it_is_recorded() {
    let place = Place::new();
    let copy = copied(&place, "/bin/sh", "pypy3.10").expect("a copy");
    let program = place.program("busy.py", harness::BUSY);
    let script = format!("{} {}; :", harness::python().display(), program.display());
    let target = Target::start(Command::new(copy).args(["-c", &script])).expect("runs");
    let children = format!("/proc/{0}/task/{0}/children", target.id());
    let child = std::fs::read_to_string(children).expect("a child");
    let _ends = EndsWithUs(child.trim().parse().expect("one child"));

    let found = listed(&place, target.id()).expect("is listed");
    assert_eq!(found["python"], "PyPy");
    let alone = place.attach(&target, ["-d", "1"]).output().expect("runs");
    assert_code(&alone, 1);
    assert!(stderr(&alone).contains("PyPy"), "{}", stderr(&alone));

    let options = ["-s", "-d", "1.5", "-f", "raw", "-o", "-"];
    let output = place.attach(&target, options).output().expect("runs");
    assert_code(&output, 0);
    let (all, at_work) = counts(&stdout(&output), "work (busy.py:");
    assert!(at_work > 0 && at_work * 10 > all * 8, "{}", stdout(&output));
}

/// A process that nobody else ends.
struct EndsWithUs(u32);

impl Drop for EndsWithUs {
    fn drop(&mut self) {
        harness::signal(self.0, "KILL");
    }
}

/// A static interpreter that says by no name that it is one: its file is called otherwise, exports no
/// symbol that is looked for, and has no table of sections.
fn without_names(place: &Place, python: &Interpreter) -> Option<PathBuf> {
    let mut bytes = std::fs::read(&python.path).ok()?;
    for name in [&b"\0_PyRuntime\0"[..], b"\0_PyThreadState_Current\0"] {
        let places: Vec<usize> = bytes
            .windows(name.len())
            .enumerate()
            .filter_map(|(at, window)| (window == name).then_some(at))
            .collect();
        for at in places {
            bytes[at + name.len() - 2] = b'_';
        }
    }
    // e_shoff, e_shnum, e_shstrndx.
    bytes[40..48].fill(0);
    bytes[60..64].fill(0);
    let path = place.path("worker");
    std::fs::write(&path, bytes).ok()?;
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).ok()?;
    Some(path)
}

/// Such an interpreter, once it runs; `None` after saying why it does not: its modules may want the symbols.
fn start_without_names(place: &Place, python: &Interpreter, arguments: &[&str]) -> Option<Target> {
    let copy = without_names(place, python).expect("a copy");
    let home = python.path.parent().and_then(Path::parent).expect("a home");
    let mut command = Command::new(copy);
    command
        .args(["-S", "-s"])
        .args(arguments)
        .env("PYTHONHOME", home);
    match Target::start(&mut command) {
        Ok(target) => Some(target),
        Err(error) => {
            skipped(&python.name, &error);
            None
        }
    }
}

#[test]
fn a_python_that_no_name_gives_away_is_listed_and_found_by_its_command() {
    let statics = interpreters()
        .iter()
        .filter(|it| it.name.starts_with("static-"));
    let mut tested = 0;
    for python in statics {
        let place = Place::new();
        let code = "import sys\nsys.stdout.write('ready\\n')\nsys.stdout.flush()\nwhile True: sum(range(9))\n";
        let program = place.program("a_word_of_its_own.py", code);
        let program = program.to_str().expect("UTF-8");
        let Some(target) = start_without_names(&place, python, &[program]) else {
            continue;
        };
        tested += 1;
        let found = listed(&place, target.id()).unwrap_or_else(|| panic!("{}", python.name));
        let version = found["python"].as_str().unwrap_or("");
        let expected = format!("{}.{}.", python.version.0, python.version.1);
        assert!(version.starts_with(&expected), "{}: {found}", python.name);
        let output = place
            .spyhole(["record", "--name", "a_word_of_its_own.py", "-d", "0.5"])
            .args(["-f", "raw", "-o", "-"])
            .output()
            .expect("runs");
        assert_code(&output, 0);
    }
    if tested == 0 {
        lacking("a Python without names", "no static one runs");
    }
}

/// Up to 3.6 it is told by a variable that only a name, or its content, gives away.
#[test]
fn that_nobody_knows_who_has_the_gil_is_said() {
    let old = interpreters()
        .iter()
        .filter(|it| it.name.starts_with("static-") && it.version <= (3, 6));
    let mut tested = 0;
    for python in old {
        let place = Place::new();
        let arguments = ["-c", common::target::WAITING];
        let Some(target) = start_without_names(&place, python, &arguments) else {
            continue;
        };
        tested += 1;
        let output = place
            .attach(&target, ["--gil", "-d", "3"])
            .output()
            .expect("runs");
        assert_code(&output, 1);
        let told = stderr(&output);
        assert!(
            told.contains("which thread has the GIL is not known"),
            "{told}"
        );
    }
    if tested == 0 {
        lacking(
            "a GIL of which nothing is known",
            "no static 2.7 or 3.6 runs",
        );
    }
}

/// `odd_states` with each Python that it can load.
fn odd_states(mode: &str, test: impl Fn(&Place, &str, Target)) {
    let program = cache().join("embed/odd_states");
    let list = std::fs::read_to_string(cache().join("embed.list")).unwrap_or_default();
    let loaded = list
        .lines()
        .filter(|line| line.starts_with("loaded-pyenv-"));
    let mut tested = 0;
    for line in loaded.filter(|_| program.exists()) {
        let fields: Vec<&str> = line.split('\t').collect();
        let [_, version, _, library, home] = fields[..] else {
            panic!("{line}");
        };
        let mut command = Command::new(&program);
        command
            .args([mode, library])
            .arg(script("busyloop.py"))
            .env("PYTHONHOME", home);
        let target =
            Target::start(&mut command).unwrap_or_else(|error| panic!("{version}: {error}"));
        test(&Place::new(), version, target);
        tested += 1;
    }
    if tested == 0 {
        lacking("Pythons in odd states", "what .ci/embed makes is absent");
    }
}

#[test]
fn a_library_of_which_nothing_was_made_is_no_python() {
    odd_states("opened", |place, version, target| {
        assert_eq!(listed(place, target.id()), None, "{version}");
        let output = place.attach(&target, ["-d", "1"]).output().expect("runs");
        assert_code(&output, 1);
        let told = stderr(&output);
        assert!(
            told.contains("has loaded Python and not initialised it"),
            "{version}: {told}"
        );
    });
}

#[test]
fn a_parent_whose_interpreter_was_shut_down_names_the_child_that_has_one() {
    odd_states("finalized", |place, version, target| {
        let children = format!("/proc/{0}/task/{0}/children", target.id());
        let child = std::fs::read_to_string(children).expect("a child");
        let child: u32 = child.trim().parse().expect("one child");
        let ends = EndsWithUs(child);
        let output = place.attach(&target, ["-d", "1"]).output().expect("runs");
        let (of_parent, of_child) = (listed(place, target.id()), listed(place, child));
        drop(ends);
        assert_eq!(of_parent, None, "{version}");
        let python = of_child
            .as_ref()
            .and_then(|it| it["python"].as_str())
            .unwrap_or("");
        assert!(python.starts_with(version), "{version}: {of_child:?}");
        assert_code(&output, 1);
        let told = stderr(&output);
        assert!(
            told.contains("shut its interpreter down (Py_Finalize)"),
            "{version}: {told}"
        );
        assert!(
            told.contains(&format!("it started one: use `--pid {child}`")),
            "{version}: {told}"
        );
        wait_until("the child ends", || !harness::runs(child));
    });
}

#[test]
fn a_python_in_memory_that_is_no_files_is_read() {
    odd_states("anonymous", |place, version, target| {
        let found = listed(place, target.id()).unwrap_or_else(|| panic!("{version}"));
        let python = found["python"].as_str().unwrap_or("");
        assert!(python.starts_with(version), "{version}: {found}");
        let options = ["-d", "0.5", "-f", "raw", "-o", "-"];
        let output = place.attach(&target, options).output().expect("runs");
        assert_code(&output, 0);
        let (all, busy) = counts(&stdout(&output), "busy_loop (busyloop.py:");
        assert!(all > 0 && all == busy, "{version}: {}", stdout(&output));
    });
}
