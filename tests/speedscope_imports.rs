//! speedscope itself opens what we write. It is looked for in the folder that SPYHOLE_SPEEDSCOPE
//! names (the npm package `speedscope`, unpacked), where `.ci/speedscope` puts it, and among npm's
//! global packages.

mod browser;
mod common;
mod profiles;

use std::path::PathBuf;
use std::process::Command;

use browser::Browser;
use common::interpreters::cache;
use common::lacking;
use profiles::{django, options_with, render};
use serde_json::Value;
use spyhole::output::{LineMode, Speedscope};

fn speedscope() -> Option<PathBuf> {
    let named = std::env::var_os("SPYHOLE_SPEEDSCOPE").map(PathBuf::from);
    let installed = || {
        let npm = Command::new("npm")
            .args(["root", "--global"])
            .output()
            .ok()?;
        let root = String::from_utf8(npm.stdout).ok()?;
        Some(PathBuf::from(root.trim()).join("speedscope"))
    };
    let prepared = cache().join("npm/node_modules/speedscope");
    let page = |folder: PathBuf| folder.join("dist/release/index.html");
    if let Some(named) = named {
        return Some(page(named)).filter(|page| page.is_file());
    }
    [Some(prepared), installed()]
        .into_iter()
        .flatten()
        .map(page)
        .find(|page| page.is_file())
}

/// As speedscope's own command line hands a file to the page.
fn loader(name: &str, profile: &str) -> String {
    format!(
        "speedscope.loadFileFromBase64({}, btoa(unescape(encodeURIComponent({}))))",
        Value::from(name),
        Value::from(profile),
    )
}

#[test]
fn speedscope_opens_a_profile() {
    let Some(page) = speedscope() else {
        lacking("speedscope", "not found; .ci/speedscope installs it");
        return;
    };
    let Some(browser) = Browser::start() else {
        return;
    };
    let folder = tempfile::tempdir().expect("a folder");
    for lines in [LineMode::Current, LineMode::None] {
        let options = options_with(|it| it.lines = lines);
        let profile = render(&Speedscope, &django(), &options);
        let script = folder.path().join(format!("{lines:?}.js"));
        std::fs::write(&script, loader("django.speedscope.json", &profile)).expect("a file");
        browser.open("about:blank");
        browser.open(&format!(
            "file://{}#localProfilePath={}",
            page.display(),
            script.display()
        ));
        // It tells which of how many profiles it shows.
        browser.wait_until(
            r#"return document.body.innerText.includes('Thread 4242 "MainThread" (1/2)')"#,
        );
        let title = browser.run("return document.title");
        assert!(
            title
                .as_str()
                .is_some_and(|title| title.contains("manage.py runserver")),
            "{title}"
        );
        assert_eq!(browser.errors(), Vec::<String>::new());
    }
}
