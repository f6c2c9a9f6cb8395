//! What was not measured has not passed.

use std::fs;

use super::harness::{Place, assert_code, stderr};
use super::{bench, check, report};

#[test]
fn a_name_that_nothing_shows_ends_the_check_and_the_nearest_are_named() {
    let place = Place::new();
    let counted = format!("open('../runs', 'a').write('x')\n{}", bench(5000, 1500));
    for folder in ["now", "before"] {
        fs::create_dir(place.path(folder)).expect("a directory");
        place.program(&format!("{folder}/bench.py"), &counted);
    }
    let options = ["-r", "1000", "-e", "bsuy < 50%", "--against", "../before"];
    let output = check(&place, options)
        .current_dir(place.path("now"))
        .output()
        .expect("spyhole");
    assert_code(&output, 8);
    let said = stderr(&output);
    let told = "no sample shows 'bsuy', which the rule 'bsuy < 50%' is about; there is 'busy'";
    assert!(said.contains(told), "{said}");
    // 160 would be the most.
    let runs = fs::read_to_string(place.path("runs")).expect("runs");
    assert!(runs.len() < 40, "{}", runs.len());

    place.program("bench.py", &bench(5000, 1500));
    for rule in [
        "nothing < 5%",
        "busy in nothing < 5%",
        "file:nothing.py < 1s",
    ] {
        let output = check(&place, ["-e", rule]).output().expect("spyhole");
        assert_code(&output, 8);
    }
    let output = check(&place, ["-e", "never bsuy"]).output();
    let output = output.expect("spyhole");
    assert_code(&output, 0);
    let report = report(&place.path(""));
    let notes = report["notes"].to_string();
    let told = "the rule 'never bsuy' is about what is in no code that was seen";
    assert!(notes.contains(told), "{report}");
    assert_eq!(report["judged"]["decided"], 1);
}

#[test]
fn what_was_renamed_is_gone_and_no_pass() {
    let place = Place::new();
    fs::create_dir(place.path("before")).expect("a directory");
    place.program("before/bench.py", &bench(5000, 1500));
    place.program("bench.py", &bench(5000, 1500).replace("busy", "busy_all"));
    let judge = |options: &[&str]| {
        let always = ["-r", "1000", "-e", "busy < +50%", "--against", "before"];
        let options = always.iter().chain(options).copied();
        check(&place, options).output().expect("spyhole")
    };
    let output = judge(&[]);
    assert_code(&output, 0);
    let said = stderr(&output);
    assert!(said.contains("gone; renamed or removed?"), "{said}");
    let report = report(&place.path(""));
    assert_eq!(report["verdict"], "inconclusive");
    assert_eq!(report["judged"]["decided"], 0);
    // No more repeats bring it back.
    assert!(report["setting"]["runs"].as_u64() < Some(20), "{report}");
    assert_code(&judge(&["--strict"]), 11);

    let save = [
        "-r",
        "1000",
        "--save",
        "perf.toml",
        "-e",
        "busy_all < +2points",
        "--repeats",
        "4",
    ];
    assert_code(&check(&place, save).output().expect("spyhole"), 0);
    place.program("bench.py", &bench(5000, 1500));
    let compare = ["--baseline", "perf.toml", "--strict", "-r", "1000", "-e"];
    let gone = compare.into_iter().chain(["busy_all < +2points"]);
    assert_code(&check(&place, gone).output().expect("spyhole"), 11);
    let unknown = compare.into_iter().chain(["nothing < +2points"]);
    let output = check(&place, unknown).output().expect("spyhole");
    assert_code(&output, 5);
}

#[test]
fn a_recording_of_a_program_that_failed_is_refused_unless_it_is_allowed() {
    let place = Place::new();
    let failing = bench(60000, 500).replace("print('units: 40')", "raise SystemExit(9)");
    place.program("p.py", &failing);
    let output = place.start(["-r", "1000", "-o", "p.pb.gz"]).output();
    assert_code(&output.expect("spyhole"), 9);
    let judge = |options: &[&str]| {
        let judge = [
            "check",
            "--json",
            "report.json",
            "--profile",
            "p.pb.gz",
            "-e",
            "never busy",
        ];
        let options = judge.iter().chain(options);
        place.spyhole(options).output().expect("spyhole")
    };
    let output = judge(&[]);
    assert_code(&output, 7);
    let said = stderr(&output);
    assert!(
        said.contains("'p.pb.gz' is of a program that ended with exit code 9"),
        "{said}"
    );
    assert_code(&judge(&["--allow-failed"]), 10);

    place.program("bench.py", &failing);
    let output = check(&place, ["-e", "never busy"])
        .output()
        .expect("spyhole");
    assert_code(&output, 7);
}

#[test]
fn a_program_that_waits_first_takes_the_share_that_its_flamegraph_shows() {
    let place = Place::new();
    let code = format!("import time\ntime.sleep(1.5)\n{}", bench(60000, 1));
    place.program("p.py", &code.replace("range(40)", "range(300)"));
    let output = place.start(["-r", "1000", "-o", "p.pb.gz"]).output();
    assert_code(&output.expect("spyhole"), 0);
    let output = place
        .spyhole([
            "check",
            "--json",
            "report.json",
            "--profile",
            "p.pb.gz",
            "-e",
            "busy < 20%",
        ])
        .output()
        .expect("spyhole");
    assert_code(&output, 10);
    let share = &report(&place.path(""))["findings"][0]["after"];
    assert!(share["value"].as_f64() > Some(75.0), "{share}");
}
