//! The structure that `src/lib.rs` describes: imports run downwards, and system calls, `/proc` and unsafe code
//! stay in the rooms that are made for them.

use std::fs;
use std::path::{Path, PathBuf};

/// From the top; a room imports only from those below it.
const ROOMS: &[&str] = &[
    "cli",
    "check",
    "insight",
    "dump",
    "top",
    "output",
    "record",
    "sampler",
    "survey",
    "engine",
    "frameworks",
    "profile",
    "cpython",
    "target",
    "memory",
    "sys",
    "model",
];

struct Source {
    room: String,
    path: PathBuf,
    /// Numbered from 1, without comments and without the unit tests at the end of the file.
    lines: Vec<(usize, String)>,
}

fn sources() -> Vec<Source> {
    let mut sources = Vec::new();
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut folders = vec![src.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of sources") {
            let path = entry.expect("readable").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let inside = path.strip_prefix(&src).expect("below it").to_owned();
            let first = inside.components().next().expect("a name");
            let room = Path::new(&first).with_extension("");
            let is_tests = inside.file_stem().is_some_and(|stem| stem == "tests");
            if inside.extension().is_some_and(|it| it == "rs") && !is_tests {
                let text = fs::read_to_string(&path).expect("UTF-8");
                sources.push(Source {
                    room: room.to_str().expect("UTF-8").to_owned(),
                    lines: code_lines(&text),
                    path: inside,
                });
            }
        }
    }
    assert!(sources.len() > 100, "{}", sources.len());
    sources
}

fn code_lines(text: &str) -> Vec<(usize, String)> {
    let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or("");
    let lines = code.lines().enumerate();
    lines
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
        .map(|(index, line)| (index + 1, line.to_owned()))
        .collect()
}

/// The rooms that a line names, as `crate::room`.
fn named_rooms(line: &str) -> impl Iterator<Item = &str> {
    line.split("crate::").skip(1).map(|rest| {
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
        &rest[..end.unwrap_or(rest.len())]
    })
}

fn rank(room: &str) -> Option<usize> {
    ROOMS.iter().position(|it| *it == room)
}

fn none(what: &str, found: &[String]) {
    assert!(found.is_empty(), "{what}:\n{}", found.join("\n"));
}

fn found_in(sources: &[Source], holds: impl Fn(&Source, &str) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    for source in sources {
        for (number, line) in &source.lines {
            if holds(source, line) {
                found.push(format!(
                    "{}:{number}: {}",
                    source.path.display(),
                    line.trim()
                ));
            }
        }
    }
    found
}

#[test]
fn a_room_imports_only_from_rooms_below_it() {
    let sources = sources();
    for source in &sources {
        let is_root = ["lib", "main"].contains(&source.room.as_str());
        assert!(
            is_root || rank(&source.room).is_some(),
            "{} has no place",
            source.path.display()
        );
    }
    let upward = found_in(&sources, |source, line| {
        let own = rank(&source.room);
        named_rooms(line).any(|room| own.is_some() && rank(room) < own && rank(room).is_some())
    });
    none("imports that run upwards", &upward);
}

#[test]
fn every_room_is_on_the_map() {
    let map = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs"))
        .expect("UTF-8");
    let map: String = map.lines().filter(|line| line.starts_with("//!")).collect();
    let mut from = 0;
    for room in ROOMS {
        let place = map[from..].find(&format!("`{room}`"));
        from += place.unwrap_or_else(|| panic!("{room} is not on the map, or not in its place"));
    }
}

#[test]
fn system_calls_and_proc_stay_below() {
    let sources = sources();
    let is_made_for_it = |source: &Source| ["sys", "target"].contains(&source.room.as_str());
    let proc = found_in(&sources, |source, line| {
        !is_made_for_it(source) && line.contains("\"/proc")
    });
    none("/proc outside of sys and target", &proc);
    let calls = found_in(&sources, |source, line| {
        let names = [
            "libc::",
            "rustix::",
            "nix::sys::ptrace",
            "nix::sys::wait",
            "nix::unistd",
        ];
        !is_made_for_it(source) && names.iter().any(|name| line.contains(name))
    });
    none("system calls outside of sys and target", &calls);
    let unsafe_code = found_in(&sources, |source, line| {
        source.room != "sys" && line.contains("unsafe ")
    });
    none("unsafe code outside of sys", &unsafe_code);
}
