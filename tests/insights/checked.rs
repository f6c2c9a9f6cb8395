//! `spyhole check` with rules about mistakes.

use super::PROGRAMS;
use super::common::interpreters::cache;
use super::common::lacking;
use super::harness::{Place, assert_code, interpreters, stderr, stdout};

#[test]
fn a_mistake_breaks_a_rule_and_its_repair_does_not() {
    let found = interpreters();
    let packages = cache().join("django/3.11");
    let python = found.iter().find(|python| python.version == (3, 11));
    let Some(python) = python.filter(|_| packages.exists()) else {
        return lacking("mistakes with Django", "no Python 3.11 with Django here");
    };
    let place = Place::new();
    let check = |which: &str, options: &[&str]| {
        let mut command = place.spyhole(["check", "--repeats", "1"]);
        command.args(options).arg("--").arg(&python.path);
        command.arg(format!("{PROGRAMS}/django_programs.py"));
        command.args(["questions", which, "1.5"]);
        command.env("PYTHONPATH", &packages);
        command.env("PYTHONDONTWRITEBYTECODE", "1");
        command.output().expect("it runs")
    };
    let never = ["-e", "never insight:n-plus-one"];
    let output = check("mistakes", &never);
    assert_code(&output, 10);
    let said = stdout(&output) + &stderr(&output);
    assert!(said.contains("django_programs.py"), "{said}");
    let of_each = [
        "count_of_each",
        "existence_of_each",
        "sum_of_each",
        "left_out_by_",
    ];
    assert!(of_each.iter().any(|name| said.contains(name)), "{said}");
    assert_code(
        &check("mistakes", &["-e", "never insight:queryset-truth"]),
        0,
    );
    assert_code(&check("repaired", &["-e", "never insight:*"]), 0);
    // Without labels nothing would be found, whatever there is.
    assert_code(
        &check("mistakes", &["--no-labels", "-e", "never insight:*"]),
        2,
    );
    let output = check("repaired", &["-e", "never insight:nonsense"]);
    assert_code(&output, 4);
    assert!(
        stderr(&output).contains("spyhole explain"),
        "{}",
        stderr(&output)
    );
}
