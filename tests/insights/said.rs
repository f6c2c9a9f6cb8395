//! What a recording says at its end.

use std::process::Command;

use super::PROGRAMS;
use super::common::interpreters::cache;
use super::common::{Target, lacking};
use super::harness::{Place, assert_code, interpreters, stderr, stdout};

/// The last lines of a recording name place, relation, cost and remedy.
#[test]
fn a_recording_ends_with_the_dearest_mistakes() {
    let found = interpreters();
    let packages = cache().join("django/3.11");
    let python = found.iter().find(|python| python.version == (3, 11));
    let Some(python) = python.filter(|_| packages.exists()) else {
        return lacking("mistakes with Django", "no Python 3.11 with Django here");
    };
    let place = Place::new();
    let program = place.program(
        "shop_window.py",
        "\
import sys
sys.path.insert(0, sys.argv[1])
import django_shop
from shop.models import Book

def window():
    return [book.author.name for book in Book.objects.all()]

def silent():
    return [book.author.name for book in Book.objects.all()]  # spyhole: ignore[n-plus-one]

print('ready', flush=True)
while True:
    window()
    silent()
",
    );
    let mut command = Command::new(&python.path);
    command
        .arg(&program)
        .arg(PROGRAMS)
        .env("PYTHONPATH", packages)
        .env("PYTHONDONTWRITEBYTECODE", "1");
    let target = Target::start(&mut command).expect("a running program");
    let record = |options: &[&str]| {
        let output = place
            .attach(&target, ["-d", "2", "-r", "200", "-o", "r.txt"])
            .args(options)
            .output()
            .expect("it runs");
        assert_code(&output, 0);
        stderr(&output)
    };
    let said = record(&[]);
    let lines: Vec<&str> = said.lines().collect();
    let found = lines.iter().position(|line| line.contains("Found: "));
    let at = found.unwrap_or_else(|| panic!("nothing was found: {said}"));
    assert!(lines[at].contains("N+1"), "{said}");
    assert!(
        lines[at + 1].contains("shop_window.py:7 in window"),
        "{said}"
    );
    assert!(lines[at + 1].contains("fetches Book.author"), "{said}");
    assert!(
        lines[at + 1].contains("in a loop over 160 objects"),
        "{said}"
    );
    assert!(lines[at + 2].contains("select_related()"), "{said}");
    // The other line says that it is meant so.
    assert_eq!(said.matches("Found: ").count(), 1, "{said}");
    let said = record(&["--no-labels"]);
    assert!(!said.contains("Found: "), "{said}");
}

#[test]
fn every_rule_is_explained() {
    let place = Place::new();
    let explain = |words: &[&str]| {
        let output = place
            .spyhole(["explain"])
            .args(words)
            .output()
            .expect("it runs");
        (output.status.code(), stdout(&output), stderr(&output))
    };
    let (code, listed, _) = explain(&[]);
    assert_eq!(code, Some(0));
    for line in listed.lines() {
        let id = line.split_whitespace().next().expect("an id");
        let (code, text, _) = explain(&[id]);
        assert_eq!(code, Some(0));
        for heading in [
            "What it is",
            "How it is found",
            "When that is wrong",
            "Remedies",
        ] {
            assert!(text.contains(heading), "{text}");
        }
    }
    let (code, _, said) = explain(&["no-such-rule"]);
    assert_eq!(code, Some(1));
    assert!(said.contains("spyhole explain"), "{said}");
}
