//! Programs that load two Pythons which know nothing of one another: both are found, read and told.

mod common;
mod harness;

use std::process::Command;

use common::interpreters::cache;
use common::{Target, lacking};
use harness::{Place, assert_code, counts, stderr, stdout};
use spyhole::cpython::locate;
use spyhole::memory::LiveMemory;
use spyhole::target::Process;

/// Version, library and home of those that one program can load beside one another.
fn libraries() -> Vec<(String, String, String)> {
    let text = std::fs::read_to_string(cache().join("embed.list")).unwrap_or_default();
    let lines = text
        .lines()
        .filter(|line| line.starts_with("loaded-pyenv-"));
    let fields = lines.filter_map(|line| {
        let mut fields = line.split('\t').skip(1).map(str::to_owned);
        let (version, _, library, home) = (
            fields.next()?,
            fields.next()?,
            fields.next()?,
            fields.next()?,
        );
        Some((version, library, home))
    });
    fields.collect()
}

/// What a Python of a version runs, named after it.
fn program(place: &Place, version: &str) -> std::path::PathBuf {
    let name = format!("work_{}", version.replace('.', "_"));
    let code = format!(
        "import sys\n\
         def {name}():\n    while True: sum(range(100))\n\
         sys.stdout.write('ready\\n')\nsys.stdout.flush()\n{name}()\n"
    );
    place.program(&format!("{name}.py"), &code)
}

/// Two Pythons at work in one process; `None` where the program or one of them is absent.
fn start(place: &Place, versions: [&str; 2]) -> Option<Target> {
    let two = cache().join("embed/two");
    let libraries = libraries();
    let mut command = Command::new(&two);
    for version in versions {
        let (_, library, home) = libraries.iter().find(|it| it.0 == version)?;
        command.args([library, home]).arg(program(place, version));
    }
    if !two.exists() {
        return None;
    }
    let mut target = Target::start(&mut command).expect("two Pythons");
    assert_eq!(target.line().as_deref(), Some("ready"));
    Some(target)
}

const PAIRS: [[&str; 2]; 5] = [
    ["2.7", "3.11"],
    ["3.6", "2.7"],
    ["3.10", "3.7"],
    ["3.12", "3.11"],
    ["3.13", "3.8"],
];

#[test]
fn each_python_is_found_once_and_with_its_own_variables() {
    for versions in PAIRS {
        let place = Place::new();
        let Some(target) = start(&place, versions) else {
            return lacking("two Pythons", "what .ci/embed makes is absent");
        };
        let process = Process::open(target.pid()).expect("runs");
        let mut memory = LiveMemory::new(target.pid());
        let found = locate::locate_all(&process, &mut memory).expect("is found");
        let mut seen: Vec<String> = found
            .iter()
            .map(|located| format!("{}.{}", located.version.major, located.version.minor))
            .collect();
        for (located, version) in found.iter().zip(&seen) {
            let binary = located.binary.untrusted();
            assert!(
                binary.contains(&format!("libpython{version}")),
                "{located:?}"
            );
        }
        seen.sort();
        let mut expected = versions;
        expected.sort_unstable();
        assert_eq!(seen, expected);
    }
}

#[test]
fn each_python_is_recorded_as_a_root_of_its_own() {
    for versions in PAIRS {
        let place = Place::new();
        let Some(target) = start(&place, versions) else {
            return lacking("two Pythons", "what .ci/embed makes is absent");
        };
        let output = place
            .spyhole(["record", "-p", &target.pid().to_string(), "-d", "2"])
            .args(["-f", "raw", "-o", "-"])
            .output()
            .expect("runs");
        assert_code(&output, 0);
        let told = stderr(&output);
        assert!(told.contains("several Pythons are loaded"), "{told}");
        let collapsed = stdout(&output);
        for version in versions {
            let root = format!("Python {version}.");
            let work = format!("work_{}", version.replace('.', "_"));
            let of_root: String = collapsed
                .lines()
                .filter(|line| line.starts_with(&root))
                .map(|line| format!("{line}\n"))
                .collect();
            let (all, right) = counts(&of_root, &work);
            assert!(all > 2 && all == right, "{version}: {collapsed}");
        }
        let (all, rooted) = counts(&collapsed, " in process ");
        assert_eq!(all, rooted, "{collapsed}");
    }
}

#[test]
fn each_python_is_dumped_with_its_own_threads() {
    for versions in PAIRS {
        let place = Place::new();
        let Some(target) = start(&place, versions) else {
            return lacking("two Pythons", "what .ci/embed makes is absent");
        };
        let pid = target.pid().to_string();
        let output = place.spyhole(["dump", "-p", &pid]).output().expect("runs");
        assert_code(&output, 0);
        let said = stdout(&output);
        assert_eq!(
            said.matches(&format!("Process {pid}:")).count(),
            2,
            "{said}"
        );
        for version in versions {
            assert!(said.contains(&format!("Python v{version}.")), "{said}");
            let work = format!("work_{}", version.replace('.', "_"));
            assert!(said.contains(&work), "{said}");
        }
        assert!(!said.contains("without Python"), "{said}");
    }
}
