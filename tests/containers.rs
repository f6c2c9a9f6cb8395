//! A Python in a container, made of namespaces and a cgroup by hand: from the host, and from inside.

mod common;
mod harness;

use std::path::PathBuf;
use std::process::Command;

use common::{Target, skipped};
use harness::*;
use serde_json::Value;

/// A cgroup that is named as Docker's are, removed when dropped.
struct Cgroup(PathBuf);

impl Cgroup {
    fn make(id: &str) -> std::io::Result<Cgroup> {
        let one = PathBuf::from("/sys/fs/cgroup");
        let root = match one.join("cgroup.procs").exists() {
            true => one,
            false => one.join("pids"),
        };
        let path = root.join(format!("docker-{id}.scope"));
        std::fs::create_dir(&path)?;
        Ok(Cgroup(path))
    }

    fn take(&self, pid: u32) -> std::io::Result<()> {
        std::fs::write(self.0.join("cgroup.procs"), pid.to_string())
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        // Once what was in it has gone.
        wait_until("its cgroup is empty", || {
            std::fs::remove_dir(&self.0).is_ok()
        });
    }
}

/// Busy, as process 1 of namespaces of its own.
fn contained(place: &Place) -> Result<Target, String> {
    let program = place.program("contained.py", BUSY);
    let mut command = Command::new("unshare");
    command
        .args([
            "--user",
            "--map-root-user",
            "--mount",
            "--pid",
            "--fork",
            "--kill-child",
        ])
        .arg("--mount-proc")
        .arg(python())
        .arg(program);
    Target::start(&mut command)
}

fn only_child(pid: u32) -> u32 {
    let list = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
    list.expect("a list").trim().parse().expect("one child")
}

#[test]
fn a_container_is_recorded_from_the_host_by_its_id() {
    const WHAT: &str = "a container";
    let place = Place::new();
    // SHA-256 of nothing but this run.
    let id = format!("{:064x}", u64::from(std::process::id()) << 16 | 0xabcd);
    let id = id.chars().rev().collect::<String>();
    let cgroup = match Cgroup::make(&id) {
        Ok(cgroup) => cgroup,
        Err(error) => return skipped(WHAT, &format!("no cgroup can be made: {error}")),
    };
    let target = match contained(&place) {
        Ok(target) => target,
        Err(error) => return skipped(WHAT, &error),
    };
    let inner = only_child(target.id());
    cgroup.take(inner).expect("takes it");

    let output = place.spyhole(["ps", "--json"]).output().unwrap();
    let all: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    let found = all.iter().find(|it| it["pid"] == inner).expect("it");
    let expected = serde_json::json!({"runtime": "docker", "id": id});
    assert_eq!(found["container"], expected);

    let options = ["-d", "0.3", "-f", "raw", "-o", "-"];
    let output = place
        .record(["--container", &id[..12]])
        .args(options)
        .output()
        .unwrap();
    assert_code(&output, 0);
    let (all, at_work) = counts(&stdout(&output), "work (contained.py:");
    assert!(all > 0 && at_work > 0, "{}", stdout(&output));
    drop(target);
}

#[test]
fn a_container_is_recorded_from_inside() {
    const WHAT: &str = "a container from inside";
    let place = Place::new();
    let target = match contained(&place) {
        Ok(target) => target,
        Err(error) => return skipped(WHAT, &error),
    };
    let inside = |words: &[&str]| {
        let inner = only_child(target.id()).to_string();
        let mut command = Command::new("nsenter");
        command
            .args([
                "--target",
                &inner,
                "--user",
                "--mount",
                "--pid",
                "--preserve-credentials",
            ])
            .arg(env!("CARGO_BIN_EXE_spyhole"))
            .args(words)
            .current_dir(place.path(""));
        command.output().expect("runs")
    };
    let output = inside(&["ps", "--json"]);
    assert_code(&output, 0);
    let all: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        all.iter().map(|it| it["pid"].as_u64()).collect::<Vec<_>>(),
        [Some(1)]
    );
    let output = inside(&["record", "--pid", "1", "-d", "0.3", "-f", "raw", "-o", "-"]);
    assert_code(&output, 0);
    let (all, at_work) = counts(&stdout(&output), "work (contained.py:");
    assert!(all > 0 && at_work > 0, "{}", stdout(&output));
}

/// Inside of a pid namespace, with the `/proc` of the one outside.
#[test]
fn numbers_of_another_pid_namespace_are_told_as_such() {
    let place = Place::new();
    let target = place.target(BUSY);
    let pid = target.pid().to_string();
    for arguments in [
        &["record", "-p", &pid, "-d", "1"][..],
        &["doctor", &pid],
        &["ps"],
    ] {
        let mut command = Command::new("unshare");
        command
            .args(["--user", "--map-root-user", "--pid", "--fork"])
            .arg(env!("CARGO_BIN_EXE_spyhole"))
            .args(arguments)
            .current_dir(place.path(""));
        let output = command.output().expect("runs");
        let told = stderr(&output);
        if told.contains("unshare") && !told.contains("spyhole>") {
            return skipped("a pid namespace", &told);
        }
        assert_code(&output, 1);
        assert!(told.contains("another pid namespace"), "{told}");
        assert!(told.contains("--mount-proc"), "{told}");
        assert!(!told.contains("security module"), "{told}");
    }
}
