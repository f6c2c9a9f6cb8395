//! What spyhole says of programs that make mistakes, and of their twins that make none.

#[path = "../common/mod.rs"]
mod common;
#[path = "../harness/mod.rs"]
mod harness;

mod checked;
mod event_loop;
mod said;

use std::fs::File;
use std::path::PathBuf;
use std::process::Command;

use serde::Deserialize;
use spyhole::insight::{self, Finding, SourceFiles};

use self::common::interpreters::{Interpreter, cache, one_of_each_version};
use self::common::{Target, lacking};
use self::harness::{Place, assert_code, interpreters};

const PROGRAMS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/insights");

/// So many recordings are made at most until each mistake was found.
const RECORDINGS: usize = 4;

/// A function of a program, and what must be found in it.
#[derive(Deserialize, Debug)]
struct Code {
    name: String,
    file: String,
    first: u32,
    last: u32,
    rule: Option<String>,
}

/// The Django for a Python.
fn packages(python: &Interpreter) -> Option<PathBuf> {
    let (major, minor) = python.version;
    let threads = if python.free_threaded { "t" } else { "" };
    let packages = cache().join(format!("django/{major}.{minor}{threads}"));
    packages.exists().then_some(packages)
}

/// What is wrong with the findings of a group of functions, in words; nothing if all is right.
fn faults(python: &Interpreter, packages: &PathBuf, group: &str, which: &str) -> Vec<String> {
    let place = Place::new();
    let mut command = Command::new(&python.path);
    command
        .arg(format!("{PROGRAMS}/django_programs.py"))
        .args([group, which])
        .env("PYTHONPATH", packages)
        .env("PYTHONDONTWRITEBYTECODE", "1");
    let mut target = Target::start_with_lines(&mut command).expect("a running program");
    let mut codes: Vec<Code> = Vec::new();
    loop {
        let line = target.line().expect("a line");
        match line.trim() {
            "ready" => break,
            line => codes.push(serde_json::from_str(line).expect("a function")),
        }
    }
    let mut faults = Vec::new();
    let mut missing: Vec<&Code> = codes.iter().filter(|code| code.rule.is_some()).collect();
    // A machine that is busy otherwise gives some functions few samples.
    for _ in 0..RECORDINGS {
        let found = findings(&place, &target);
        faults.extend(found.iter().filter_map(|finding| wrong(finding, &codes)));
        missing.retain(|code| !found.iter().any(|finding| code.has(finding)));
        if missing.is_empty() {
            break;
        }
    }
    let missing = missing
        .iter()
        .map(|code| format!("{} was not found", code.name));
    faults.extend(missing);
    let version = &python.name;
    faults
        .into_iter()
        .map(|fault| format!("{version}, {group}, {which}: {fault}"))
        .collect()
}

/// What a recording of a program finds.
fn findings(place: &Place, target: &Target) -> Vec<Finding> {
    let output = place
        .attach(target, ["-d", "2.5", "-r", "400", "-o", "r.pb.gz"])
        .output()
        .expect("it runs");
    assert_code(&output, 0);
    let file = File::open(place.path("r.pb.gz")).expect("a profile");
    let profile = spyhole::profile::file::read(file).expect("a profile");
    insight::find(&profile, &mut SourceFiles::of(&profile.interner))
}

/// What is wrong with a finding, if it is not one that is to be found.
fn wrong(finding: &Finding, codes: &[Code]) -> Option<String> {
    let code = codes.iter().find(|code| code.contains(finding));
    let is_meant = code.is_some_and(|code| code.rule.as_deref() == Some(finding.rule.id));
    (!is_meant).then(|| format!("{} at {:?}", finding.rule.id, finding.site))
}

impl Code {
    fn contains(&self, finding: &Finding) -> bool {
        finding.site.file.untrusted() == self.file
            && (self.first..=self.last).contains(&finding.site.line)
    }

    /// Whether this is the finding that is to be made here.
    fn has(&self, finding: &Finding) -> bool {
        self.contains(finding) && self.rule.as_deref() == Some(finding.rule.id)
    }
}

/// All groups on one Python.
#[test]
fn each_mistake_with_django_is_named_and_no_twin_is() {
    let found = interpreters();
    let Some(python) = found.iter().find(|python| python.version == (3, 11)) else {
        return lacking("mistakes with Django", "no Python 3.11 here");
    };
    let Some(packages) = packages(python) else {
        return lacking("mistakes with Django", "no Django here");
    };
    let mut wrong = Vec::new();
    for group in ["each", "loops", "questions", "truth"] {
        for which in ["mistakes", "repaired"] {
            wrong.extend(faults(python, &packages, group, which));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// One group on each Python.
#[test]
fn loops_are_seen_on_every_version() {
    let mut wrong = Vec::new();
    let mut tried = 0;
    for python in one_of_each_version() {
        if python.version == (2, 7) {
            continue;
        }
        let Some(packages) = packages(&python) else {
            continue;
        };
        tried += 1;
        wrong.extend(faults(&python, &packages, "loops", "mistakes"));
    }
    if tried == 0 {
        lacking("mistakes with Django", "no Django here");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
