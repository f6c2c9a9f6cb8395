//! One version: rules without a baseline, baselines in a file, and what ends without a verdict.

use std::fs;

use super::harness::{BUSY, Place, assert_code, signal, stderr, wait_until};
use super::{bench, check, report};

fn place() -> Place {
    let place = Place::new();
    place.program("bench.py", &bench(5000, 1500));
    place
}

#[test]
fn shares_and_what_is_seen_are_judged_without_a_baseline() {
    let place = place();
    let code = |rules: &[&str]| {
        let rules = rules.iter().flat_map(|rule| ["-e", rule]);
        let output = check(&place, rules).output().expect("spyhole");
        (output.status.code(), report(&place.path("")))
    };
    let (passed, _) = code(&[
        "busy < 95%",
        "always parse",
        "never nothing",
        "total wall < 100s",
    ]);
    assert_eq!(passed, Some(0));
    let (failed, report) = code(&["never busy in main"]);
    assert_eq!(failed, Some(10));
    let finding = &report["findings"][0];
    assert_eq!(finding["place"]["path"], "bench.py");
    assert_eq!(
        finding["way"].as_array().expect("a way").len(),
        3,
        "{finding}"
    );
    let (failed, report) = code(&["busy < 1%"]);
    assert_eq!(failed, Some(10));
    assert!(report["findings"][0]["after"]["low"].as_f64() > Some(1.0));
    let (failed, _) = code(&["always nothing"]);
    assert_eq!(failed, Some(10));
}

#[test]
fn rules_come_from_a_file_that_is_found_or_named() {
    let place = place();
    let rules = "[[rule]]\ncheck = 'never busy'\nname = 'no work'\nwhy = 'it is Sunday'\n";
    fs::write(place.path("spyhole.toml"), rules).expect("a file");
    let output = check(&place, []).output().expect("spyhole");
    assert_code(&output, 10);
    let said = stderr(&output);
    assert!(
        said.contains("no work") && said.contains("it is Sunday"),
        "{said}"
    );
    assert_eq!(report(&place.path(""))["setting"]["rules"], "spyhole.toml");
    fs::write(place.path("other.toml"), "rules = ['never nothing']").expect("a file");
    let output = check(&place, ["--rules", "other.toml"]).output();
    assert_code(&output.expect("spyhole"), 0);
}

#[test]
fn a_baseline_is_saved_and_compared_with() {
    let place = place();
    let save = ["--save", "perf.toml", "--repeats", "8"];
    assert_code(&check(&place, save).output().expect("spyhole"), 0);
    let text = fs::read_to_string(place.path("perf.toml")).expect("a baseline");
    assert!(text.contains("\"bench.py busy\" = { share = ["), "{text}");
    let keys: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("\"bench.py"))
        .collect();
    assert!(keys.is_sorted(), "{text}");

    let compare = ["--baseline", "perf.toml", "-e", "busy < +10points"];
    let output = check(&place, compare).output().expect("spyhole");
    assert_code(&output, 0);
    assert_ne!(report(&place.path(""))["verdict"], "failed");
    place.program("bench.py", &bench(300_000, 500));
    let output = check(&place, compare).output().expect("spyhole");
    assert_code(&output, 10);

    // Under other conditions it says nothing.
    let other_mode = ["--mode", "wall"].into_iter().chain(compare);
    let output = check(&place, other_mode).output().expect("spyhole");
    assert_code(&output, 6);
    assert!(stderr(&output).contains("--mode"), "{}", stderr(&output));
    let elsewhere = text.replace("machine = \"", "machine = \"64 x ");
    fs::write(place.path("perf.toml"), elsewhere).expect("a file");
    let seconds = ["--baseline", "perf.toml", "-e", "busy < +5%"];
    let output = check(&place, seconds).output().expect("spyhole");
    assert_code(&output, 6);
    assert!(
        stderr(&output).contains("another machine"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn what_cannot_be_judged_has_a_code_of_its_own_and_is_never_a_pass() {
    let place = place();
    fs::write(place.path("bad.toml"), "rules = ['busy < 5']").expect("a file");
    fs::write(place.path("old.toml"), "format = 99").expect("a file");
    for (options, code, part) in [
        (&["-e", "busy < 5"][..], 4, "'5' is not a limit"),
        (&["--rules", "bad.toml"], 4, "bad.toml"),
        (&["--rules", "none.toml"], 4, "none.toml"),
        (&[], 4, "nothing to judge by"),
        (&["-e", "busy < +5%"], 5, "--against"),
        (&["--baseline", "none.toml"], 5, "--save"),
        (&["--baseline", "old.toml"], 5, "format is 99"),
        (&["--against", "none"], 5, "none"),
        (&["--against", "."], 5, "this directory itself"),
        (&["-e", "busy < 1s/unit"], 0, "--units"),
        (&["--units-from", "x", "-e", "never a"], 2, "group"),
    ] {
        let output = check(&place, options.iter().copied()).output();
        let output = output.expect("spyhole");
        assert_code(&output, code);
        assert!(
            stderr(&output).contains(part),
            "{options:?}: {}",
            stderr(&output)
        );
    }
    place.program("bench.py", "print('no way'); raise SystemExit(9)");
    let output = check(&place, ["-e", "never a"]).output().expect("spyhole");
    assert_code(&output, 7);
    let said = stderr(&output);
    assert!(
        said.contains("exit code 9") && said.contains("no way"),
        "{said}"
    );
    let sleeps = place
        .spyhole(["check", "-e", "never a", "--", "sleep", "0.1"])
        .output();
    assert_code(&sleeps.expect("spyhole"), 3);
}

#[test]
fn a_process_that_runs_is_judged_and_runs_on() {
    let place = Place::new();
    let target = place.target(BUSY);
    let pid = target.pid().to_string();
    let judge = |rule: &str| {
        let mut command = place.spyhole(["check", "--json", "report.json", "-d", "1", "-e", rule]);
        command.args(["--pid", &pid]).output().expect("spyhole")
    };
    assert_code(&judge("always work"), 0);
    let output = judge("work < 10%");
    assert_code(&output, 10);
    let finding = &report(&place.path(""))["findings"][0];
    assert!(finding["after"]["low"].as_f64() > Some(50.0), "{finding}");
    assert!(std::path::Path::new(&format!("/proc/{pid}")).exists());
}

#[test]
fn control_c_ends_it_without_a_verdict() {
    let place = place();
    place.program("bench.py", &format!("open('began', 'w')\n{BUSY}"));
    let child = check(&place, ["-e", "never a"]).spawn().expect("spyhole");
    wait_until("the program runs", || place.path("began").exists());
    signal(child.id(), "INT");
    let output = child.wait_with_output().expect("it ends");
    assert_code(&output, 130);
}
