//! Two versions, recorded in turn.

use std::fs;

use super::harness::{Place, assert_code, stderr, stdout};
use super::{bench, check, report};

/// A directory with a version of before beside the one of now, in which the check runs.
fn versions(before: &str, now: &str) -> Place {
    let place = Place::new();
    fs::create_dir(place.path("before")).expect("a directory");
    fs::write(place.path("before/bench.py"), before).expect("a program");
    place.program("bench.py", now);
    place
}

#[test]
fn a_slower_function_fails_the_check_and_is_named() {
    let place = versions(&bench(5000, 1500), &bench(15000, 1500));
    let files = [
        "--junit",
        "x.xml",
        "--sarif",
        "x.sarif",
        "--markdown",
        "x.md",
    ];
    let options = ["--against", "before", "--flamegraphs", "graphs"];
    let options = options.into_iter().chain(files);
    let output = check(&place, options).output().expect("spyhole");
    assert_code(&output, 10);
    assert!(stdout(&output).is_empty());

    let report = report(&place.path(""));
    let finding = &report["findings"][0];
    assert_eq!(finding["rule"], "total < +5%");
    assert_eq!(finding["place"]["function"], "busy");
    assert_eq!(finding["place"]["path"], "bench.py");
    assert!((9..=12).contains(&finding["place"]["line"].as_u64().expect("a line")));
    let change = &finding["change"];
    assert!(change["low"].as_f64().expect("a bound") > 5.0, "{change}");
    let runs = report["setting"]["runs"].as_u64().expect("runs");
    assert_eq!(report["setting"]["runs_before"], runs);
    // So large a difference is certain at the first look, or soon after.
    assert!(runs < 60, "{runs}");
    for name in ["before.svg", "after.svg", "difference.svg"] {
        let graph = fs::read_to_string(place.path("graphs").join(name)).expect("a flamegraph");
        assert!(graph.contains("busy (bench.py)"), "{name}");
    }
    for name in ["x.xml", "x.sarif", "x.md"] {
        let text = fs::read_to_string(place.path(name)).expect("a report");
        assert!(
            text.contains("bench.py") && text.contains("busy"),
            "{name}: {text}"
        );
    }
    let said = stderr(&output);
    assert!(said.contains("most of it in busy (bench.py:"), "{said}");
    assert!(said.contains("graphs/difference.svg"), "{said}");
}

#[test]
fn the_same_version_passes_and_says_how_sure_it_is() {
    let place = versions(&bench(20000, 6000), &bench(20000, 6000));
    // Far beyond the noise of a machine on which other programs have all CPUs.
    let output = check(&place, ["--against", "before", "-e", "total < +400%"]).output();
    let output = output.expect("spyhole");
    assert_code(&output, 0);
    let report = report(&place.path(""));
    assert_eq!(report["verdict"], "passed");
    let high = report["findings"][0]["change"]["high"].as_f64();
    assert!(high.expect("a bound") < 400.0);
}

#[test]
fn what_became_faster_elsewhere_fails_no_rule() {
    let place = versions(&bench(20000, 1500), &bench(1000, 1500));
    let rules = [
        "--against",
        "before",
        "-e",
        "parse < +60%",
        "-e",
        "parse < +2points",
    ];
    let output = check(&place, rules).output().expect("spyhole");
    assert_code(&output, 0);
    for finding in report(&place.path(""))["findings"]
        .as_array()
        .expect("findings")
    {
        assert_ne!(finding["verdict"], "failed", "{finding}");
        let notes = finding["notes"].to_string();
        assert!(notes.contains("only its share grew"), "{finding}");
    }
}

#[test]
fn too_few_repeats_do_not_decide_and_it_is_told_how_many_would() {
    // Long enough for the samples without which nothing is said, also where others have the CPUs.
    let place = versions(&bench(40000, 1500), &bench(40000, 1500));
    let options = ["--against", "before", "--repeats", "2"];
    let output = check(&place, options).output().expect("spyhole");
    assert_code(&output, 0);
    let said = stderr(&output);
    assert!(
        said.contains("inconclusive") && said.contains("--repeats 10"),
        "{said}"
    );
    let strict = ["--strict"].into_iter().chain(options);
    assert_code(&check(&place, strict).output().expect("spyhole"), 11);
}

#[test]
fn a_command_can_set_the_other_version_up() {
    let place = Place::new();
    place.program("bench.py", &bench(15000, 1500));
    place.program("old.py", &bench(3000, 1500));
    let setup = "mkdir \"$SPYHOLE_BEFORE\" && cp old.py \"$SPYHOLE_BEFORE/bench.py\" && echo done";
    let output = check(&place, ["--against-setup", setup])
        .output()
        .expect("spyhole");
    assert_code(&output, 10);
    assert_eq!(
        report(&place.path(""))["findings"][0]["place"]["function"],
        "busy"
    );
    for (setup, part) in [("exit 3", "failed"), ("true", "made no directory")] {
        let output = check(&place, ["--against-setup", setup])
            .output()
            .expect("spyhole");
        assert_code(&output, 5);
        assert!(stderr(&output).contains(part), "{}", stderr(&output));
    }
}

#[test]
fn seconds_may_be_of_a_unit_of_work() {
    // Twice the work, in twice the units, is not slower.
    let now = bench(5000, 1500)
        .replace("range(40)", "range(80)")
        .replace("units: 40", "units: 80");
    let place = versions(&bench(5000, 1500), &now);
    let options = ["--against", "before", "--units-from", "units: ([0-9]+)"];
    let rules = ["-e", "parse < +60%/unit", "-e", "parse < +20%"];
    let output = check(&place, options.into_iter().chain(rules)).output();
    assert_code(&output.expect("spyhole"), 10);
    let report = report(&place.path(""));
    assert_ne!(report["findings"][0]["verdict"], "failed");
    assert_eq!(report["findings"][1]["verdict"], "failed");

    let options = ["-e", "parse < 1s/unit", "--units-from", "things: ([0-9]+)"];
    let output = check(&place, options).output().expect("spyhole");
    assert_code(&output, 7);
    assert!(stderr(&output).contains("units: 80"), "{}", stderr(&output));
}

#[test]
fn in_github_actions_it_annotates_and_adds_to_the_summary() {
    let place = versions(&bench(3000, 1500), &bench(15000, 1500));
    fs::write(place.path("summary"), "before\n").expect("a file");
    let output = check(&place, ["--against", "before"])
        .env("GITHUB_ACTIONS", "true")
        .env("GITHUB_STEP_SUMMARY", place.path("summary"))
        .output()
        .expect("spyhole");
    assert_code(&output, 10);
    let said = stdout(&output);
    assert!(said.starts_with("::error file=bench.py,line="), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    let summary = fs::read_to_string(place.path("summary")).expect("a summary");
    assert!(summary.starts_with("before\n## "), "{summary}");
    assert!(summary.contains("busy (bench.py:"), "{summary}");
}

#[test]
fn profiles_of_before_and_now_can_be_judged_without_the_programs() {
    let place = Place::new();
    for (name, busy) in [("old", 5000), ("new", 20000)] {
        // Long enough to be seen where other programs have the CPUs.
        let long = bench(busy, 1500).replace("range(40)", "range(300)");
        place.program("p.py", &long);
        for number in 1..=4 {
            let file = format!("{name}{number}.pb.gz");
            let output = place.start(["-r", "2000", "-o", &file]).output();
            assert_code(&output.expect("spyhole"), 0);
        }
    }
    let files = |name: &str| {
        (1..=4)
            .map(|it| format!("{name}{it}.pb.gz"))
            .collect::<Vec<_>>()
            .join(",")
    };
    let judge = |now: &str, before: &str, rules: &[&str]| {
        let mut command = place.spyhole(["check", "--json", "report.json", "--profile", now]);
        if !before.is_empty() {
            command.args(["--against-profile", before]);
        }
        for rule in rules {
            command.args(["-e", rule]);
        }
        command.output().expect("spyhole")
    };
    let output = judge(&files("new"), &files("old"), &["busy < +10%"]);
    assert_code(&output, 10);
    let place_named = &report(&place.path(""))["findings"][0]["place"];
    assert_eq!(place_named["function"], "busy");
    let output = judge(&files("old"), &files("new"), &["busy < +10%"]);
    assert_code(&output, 0);
    // One alone is judged by its pieces. On a busy machine these differ more, and have to be longer.
    let mut judged = Vec::new();
    let is_certain = [300, 1500, 6000].into_iter().any(|rounds| {
        let long = bench(20000, 1500).replace("range(40)", &format!("range({rounds})"));
        place.program("p.py", &long);
        let output = place.start(["-r", "1000", "-o", "long.pb.gz"]).output();
        assert_code(&output.expect("spyhole"), 0);
        let output = judge("long.pb.gz", "", &["busy < 5%", "never nothing"]);
        judged.push(stderr(&output));
        output.status.code() == Some(10)
    });
    assert!(is_certain, "{judged:#?}");
    assert_code(
        &judge("long.pb.gz", "", &["busy < 100%", "never nothing"]),
        0,
    );
    // Other rates see other things.
    let other = place.start(["-r", "100", "-o", "other.pb.gz"]).output();
    assert_code(&other.expect("spyhole"), 0);
    let output = judge("new1.pb.gz", "other.pb.gz", &["busy < +10%"]);
    assert_code(&output, 6);
    assert!(stderr(&output).contains("--rate"), "{}", stderr(&output));
    fs::write(place.path("bad.pb.gz"), b"no profile").expect("a file");
    assert_code(&judge("bad.pb.gz", "", &["busy < 5%"]), 5);
}

#[test]
fn names_made_to_hurt_reach_no_report_unescaped() {
    let place = Place::new();
    let name = "evil|`<b>x</b>`\\n::error::owned\\n##[group]\\u202e";
    let code = format!(
        "
def busy(n):
    total = 0
    for i in range(n):
        total += i * i % 7
    return total

code = busy.__code__
changed = {{'co_name': '{name}'}}
if hasattr(code, 'co_qualname'):
    changed['co_qualname'] = '{name}'
busy.__code__ = code.replace(**changed)
for _ in range(60):
    busy(20000)
"
    );
    place.program("bench.py", &code);
    let files = [
        "--junit",
        "x.xml",
        "--sarif",
        "x.sarif",
        "--markdown",
        "x.md",
    ];
    let options = [
        "-e",
        "never file:bench.py",
        "--annotations",
        "github",
        "--flamegraphs",
        ".",
    ];
    let options = options.into_iter().chain(files);
    let output = check(&place, options).output().expect("spyhole");
    assert_code(&output, 10);
    for line in stdout(&output).lines() {
        assert!(line.starts_with("::error "), "{line}");
    }
    let read = |name: &str| fs::read_to_string(place.path(name)).expect("a report");
    let texts = ["x.xml", "x.sarif", "x.md", "report.json", "after.svg"].map(read);
    for text in texts.iter().chain([&stderr(&output), &stdout(&output)]) {
        assert!(text.contains("evil"), "{text}");
        for unescaped in ["\n::error::owned", "\n##[", "\u{202e}"] {
            assert!(!text.contains(unescaped), "{unescaped:?}: {text}");
        }
    }
    let [xml, _, markdown, ..] = &texts;
    assert!(!xml.contains("<b>"), "{xml}");
    // Within code, with a fence that is longer than what is within.
    assert!(markdown.contains("``evil\\|`<b>"), "{markdown}");
}
