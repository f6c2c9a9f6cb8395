//! A recorder that runs as root keeps of root's powers only what it needs.

mod common;

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use common::{Target, interpreters, lacking, skipped};

/// `CAP_SYS_ADMIN` and `CAP_SYS_PTRACE` (linux/capability.h).
const SYS_ADMIN: u64 = 1 << 21;
const SYS_PTRACE: u64 = 1 << 19;

fn effective(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))?;
    u64::from_str_radix(line.trim(), 16).ok()
}

#[test]
fn powers_that_reading_does_not_need_are_dropped() {
    let Some(python) = interpreters().last() else {
        return lacking("privilege", "no interpreter");
    };
    let ours = effective(std::process::id()).expect("our own capabilities");
    if ours & SYS_ADMIN == 0 || ours & SYS_PTRACE == 0 {
        return skipped("privilege", "not root");
    }
    let mut command = python.command();
    let target = Target::start(command.args(["-c", common::target::WAITING])).expect("it starts");
    let mut recorder = Command::new(env!("CARGO_BIN_EXE_spyhole"))
        .args([
            "record",
            "--idle",
            "-o",
            "/dev/null",
            "-p",
            &target.pid().to_string(),
        ])
        .stderr(Stdio::piped())
        .spawn()
        .expect("spyhole starts");
    let mut said = String::new();
    let mut lines = BufReader::new(recorder.stderr.take().expect("a pipe"));
    while !said.contains("Sampling") && lines.read_line(&mut said).is_ok_and(|len| len > 0) {}
    let recorders = effective(recorder.id());
    recorder.kill().expect("it runs");
    recorder.wait().expect("it ends");
    let recorders = recorders.unwrap_or_else(|| panic!("it ended: {said}"));
    assert_eq!(recorders & SYS_ADMIN, 0, "{recorders:x}");
    assert_eq!(recorders & SYS_PTRACE, SYS_PTRACE, "{recorders:x}");
}
