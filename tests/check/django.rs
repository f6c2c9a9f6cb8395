//! A Django project that loses its `select_related`.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::common::interpreters::cache;
use super::common::lacking;
use super::harness::{Place, assert_code, interpreters, stderr};
use super::report;

const PROJECT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/django_project");

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a directory");
    for entry in fs::read_dir(from).expect("a directory") {
        let entry = entry.expect("an entry");
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        match from.is_dir() {
            true if entry.file_name() == "__pycache__" => {}
            true => copy(&from, &to),
            false => drop(fs::copy(&from, &to).expect("copied")),
        }
    }
}

#[test]
fn a_list_that_costs_a_query_a_line_is_found_and_the_view_named() {
    let found = interpreters();
    let Some(python) = found.iter().find(|python| python.version == (3, 11)) else {
        return lacking("the Django project", "no Python 3.11 here");
    };
    let packages = cache().join("django/3.11");
    if !packages.exists() {
        return lacking("the Django project", "no Django here");
    }
    let place = Place::new();
    copy(Path::new(PROJECT), &place.path("before"));
    copy(Path::new(PROJECT), &place.path("now"));
    let views = place.path("now/recipes/views.py");
    let text = fs::read_to_string(&views).expect("the views");
    let slower = text.replace("select_related(\"recipe__author\").", "");
    assert_ne!(slower, text);
    fs::write(&views, slower).expect("changed");
    let database = place.path("recipes.sqlite3");

    let mut seed = Command::new(&python.path);
    seed.arg(place.path("before/drive.py")).args(["main", "1x"]);
    let in_project = |command: &mut Command| {
        command
            .current_dir(place.path("now"))
            .env("PYTHONPATH", &packages)
            .env("RECIPES_DATABASE", &database)
            .output()
            .expect("it runs")
    };
    assert!(in_project(&mut seed).status.success());

    let check = |options: &[&str]| {
        let mut command = place.spyhole(["check", "--json", "report.json"]);
        command.args(options).arg("--").arg(&python.path);
        let output = in_project(command.args(["drive.py", "main", "2x"]));
        (report(&place.path("now")), output)
    };
    // By the project's own rules, of one version alone.
    let (by_rules, output) = check(&[]);
    assert_code(&output, 10);
    assert_named(&by_rules, &stderr(&output));
    // And by seconds of a request, beside the version before.
    let compare = [
        "--against",
        "../before",
        "-e",
        "get_fast_list_view < +50%/unit",
    ];
    let units = ["--units-from", "requests: ([0-9]+)"];
    let (against, output) = check(&[&compare[..], &units].concat());
    assert_code(&output, 10);
    assert_named(&against, &stderr(&output));
}

#[track_caller]
fn assert_named(report: &serde_json::Value, said: &str) {
    let findings = report["findings"].as_array().expect("findings");
    let mut failed = findings.iter().filter(|it| it["verdict"] == "failed");
    let finding = failed.next().expect("one that failed");
    let view = &finding["way"][0];
    assert_eq!(view["function"], "get_fast_list_view", "{finding}");
    assert_eq!(view["path"], "recipes/views.py", "{finding}");
    let function = &finding["place"];
    assert_eq!(
        function["function"], "FastIngredientSerializer.get_recipe_name",
        "{finding}"
    );
    assert_eq!(function["path"], "recipes/serializers.py", "{finding}");
    for part in [
        "within get_fast_list_view (recipes/views.py:",
        "called from FastIngredientSerializer.get_recipe_name (recipes/serializers.py:",
    ] {
        assert!(said.contains(part), "{said}");
    }
}
