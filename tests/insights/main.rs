//! What spyhole says of programs that make mistakes, and of their twins that make none.

#[path = "../common/mod.rs"]
mod common;
#[path = "../harness/mod.rs"]
mod harness;

mod checked;
mod said;

use std::fs::File;
use std::path::PathBuf;
use std::process::Command;

use serde::Deserialize;
use spyhole::insight::{self, SourceFiles};

use self::common::interpreters::{Interpreter, cache, one_of_each_version};
use self::common::{Target, lacking};
use self::harness::{Place, assert_code, interpreters};

const PROGRAMS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/insights");

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
    let output = place
        .attach(&target, ["-d", "3", "-r", "400", "-o", "r.pb.gz"])
        .output()
        .expect("it runs");
    assert_code(&output, 0);
    let file = File::open(place.path("r.pb.gz")).expect("a profile");
    let profile = spyhole::profile::file::read(file).expect("a profile");
    let found = insight::find(&profile, &mut SourceFiles::of(&profile.interner));
    let rules_at = |code: &Code| -> Vec<&str> {
        let here = found.iter().filter(|finding| {
            finding.site.file.untrusted() == code.file
                && (code.first..=code.last).contains(&finding.site.line)
        });
        here.map(|finding| finding.rule.id).collect()
    };
    let mut faults = Vec::new();
    for code in &codes {
        let rules = rules_at(code);
        match &code.rule {
            Some(rule) if !rules.contains(&rule.as_str()) => {
                faults.push(format!("{}: no {rule}, but {rules:?}", code.name));
            }
            Some(rule) if rules.iter().any(|found| found != rule) => {
                faults.push(format!("{}: {rules:?}", code.name));
            }
            None if !rules.is_empty() => faults.push(format!("{}: {rules:?}", code.name)),
            _ => {}
        }
    }
    for finding in &found {
        let line = finding.site.line;
        if !codes
            .iter()
            .any(|code| (code.first..=code.last).contains(&line))
        {
            faults.push(format!("{} at {:?}", finding.rule.id, finding.site));
        }
    }
    let version = &python.name;
    faults
        .into_iter()
        .map(|fault| format!("{version}, {group}, {which}: {fault}"))
        .collect()
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
