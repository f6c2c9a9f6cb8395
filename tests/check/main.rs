//! `spyhole check`, by what a team meets: the verdict, the code, the reports.

#[path = "../common/mod.rs"]
mod common;
#[path = "../harness/mod.rs"]
mod harness;

mod codes;
mod django;
mod measured;
mod recipe;
mod two_versions;

use std::path::Path;
use std::process::Command;

use harness::{Place, python};
use serde_json::Value;

/// Works a tenth of a second or so, in two functions and only there.
fn bench(busy: u32, parse: u32) -> String {
    format!(
        "
def parse(n):
    known = {{}}
    for i in range(n):
        known[str(i)] = known.get(str(i // 2), 0) + i
    return known

def busy(n):
    total = 0
    for i in range(n):
        total += i * i % 7
    return total

def main():
    for _ in range(40):
        parse({parse})
        busy({busy})
    print('units: 40')

main()
"
    )
}

/// `spyhole check` of `bench.py`, with the report in `report.json`, outside of any CI.
fn check<'a>(place: &Place, options: impl IntoIterator<Item = &'a str>) -> Command {
    let mut command = place.spyhole(["check", "--json", "report.json"]);
    command
        .args(options)
        .arg("--")
        .arg(python())
        .arg("bench.py")
        .env_remove("GITHUB_ACTIONS")
        .env_remove("GITHUB_STEP_SUMMARY");
    command
}

fn report(folder: &Path) -> Value {
    let text = std::fs::read_to_string(folder.join("report.json")).expect("a report");
    serde_json::from_str(&text).expect("JSON")
}
