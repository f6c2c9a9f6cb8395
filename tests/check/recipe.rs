//! README's recipes.

use std::fs;
use std::process::Command;

use super::common::interpreters::cache;
use super::common::lacking;
use super::harness::{Place, interpreters, stdout};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/pytest_recipe");

#[test]
fn the_pytest_recipe_profiles_a_test_and_fails_it_by_its_rules() {
    let recipe = fs::read_to_string(format!("{FOLDER}/conftest.py")).expect("the recipe");
    let readme = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
    let readme = fs::read_to_string(readme).expect("README");
    assert!(readme.contains(&recipe), "README shows another recipe");

    let packages = cache().join("servers");
    let found = interpreters();
    let python = found.iter().find(|python| python.version == (3, 11));
    let Some(python) = python.filter(|_| packages.exists()) else {
        return lacking("the pytest recipe", "no Python 3.11 with pytest here");
    };
    let place = Place::new();
    let binary = std::path::Path::new(env!("CARGO_BIN_EXE_spyhole"));
    let folder = binary.parent().expect("a folder").display();
    let path = std::env::var("PATH").unwrap_or_default();
    let output = Command::new(&python.path)
        .args(["-m", "pytest", "-p", "no:cacheprovider", FOLDER])
        .current_dir(place.path(""))
        .env("PATH", format!("{folder}:{path}"))
        .env("PYTHONPATH", packages)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .expect("pytest");
    let told = stdout(&output);
    assert!(told.contains("1 failed, 1 passed"), "{told}");
    let broken = "samples show slow in work, which no sample may show; most of them in slow (";
    assert!(told.contains(broken), "{told}");
}
