//! The reason that is named for a refusal is the one that applies.

mod common;

use std::env;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use common::target::patiently;
use common::{ProcMemory, Target, skipped};
use spyhole::model::Pid;
use spyhole::target::diagnosis::{Attempt, explain};

const STOPPED: &str = "echo ready; kill -STOP $$";
const NOBODY: u32 = 65534;
const PID: &str = "SPYHOLE_TEST_EXPLAIN";

/// Not a test by itself: this program runs itself as somebody else to see with that one's eyes.
#[test]
fn as_somebody_else() {
    let Some(pid) = env::var(PID).ok().and_then(|pid| pid.parse().ok()) else {
        return;
    };
    let refused = ProcMemory::open(Pid(pid)).is_err();
    let diagnosis = explain(Pid(pid), Attempt::Read);
    println!(
        "refused: {refused}; {:?}; {:?}",
        diagnosis.reason, diagnosis.remedy
    );
}

/// What nobody is told about a process.
fn told_to_nobody(pid: Pid) -> String {
    told(pid, |copy| {
        let mut command = Command::new(copy);
        command.uid(NOBODY).gid(NOBODY);
        command
    })
}

/// What somebody is told, given how to run a program as that one.
fn told(pid: Pid, run: impl Fn(&Path) -> Command) -> String {
    let place = tempfile::tempdir().expect("a directory");
    fs::set_permissions(place.path(), Permissions::from_mode(0o755)).expect("sets");
    let copy = place.path().join("test");
    fs::copy(env::current_exe().expect("a path"), &copy).expect("copies");
    let mut command = run(&copy);
    command
        .args(["--exact", "as_somebody_else", "--nocapture"])
        .env(PID, pid.to_string());
    let output = patiently(|| command.output()).expect("runs");
    let text = String::from_utf8(output.stdout).expect("text");
    text.lines()
        .find_map(|line| line.split_once("refused: "))
        .unwrap_or_else(|| panic!("{text}"))
        .1
        .to_owned()
}

fn may_become_somebody_else() -> bool {
    let is_root = fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0);
    if !is_root {
        skipped("refusals", "this needs root");
    }
    is_root
}

fn is_without_yama() -> bool {
    !matches!(
        fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope")
            .as_deref()
            .map(str::trim),
        Ok("1" | "2" | "3")
    )
}

fn as_nobody(program: impl AsRef<Path>) -> Command {
    let mut command = Command::new(program.as_ref());
    command.args(["-c", STOPPED]).uid(NOBODY).gid(NOBODY);
    command
}

#[test]
fn another_users_process() {
    if !may_become_somebody_else() {
        return;
    }
    let target = Target::start(Command::new("sh").args(["-c", STOPPED])).expect("starts");
    assert_eq!(
        told_to_nobody(target.pid()),
        "true; OtherUser { uid: 0 }; Sudo"
    );
}

/// Root as it is in most containers.
#[test]
fn root_without_the_capability() {
    if !may_become_somebody_else() {
        return;
    }
    let target = Target::start(&mut as_nobody("/bin/sh")).expect("starts");
    let told = told(target.pid(), |copy| {
        let mut command = Command::new("setpriv");
        command.arg("--bounding-set=-sys_ptrace").arg(copy);
        command
    });
    assert_eq!(told, "true; OtherUser { uid: 65534 }; ContainerCapability");
}

#[test]
fn ones_own_process() {
    if !may_become_somebody_else() || !is_without_yama() {
        return;
    }
    let target = Target::start(&mut as_nobody("/bin/sh")).expect("starts");
    assert_eq!(
        told_to_nobody(target.pid()),
        "false; Unknown; SecurityModule"
    );
}

#[test]
fn a_program_that_its_user_may_not_read() {
    if !may_become_somebody_else() {
        return;
    }
    let place = tempfile::tempdir().expect("a directory");
    fs::set_permissions(place.path(), Permissions::from_mode(0o755)).expect("sets");
    let program = place.path().join("sh");
    fs::copy("/bin/sh", &program).expect("copies");
    fs::set_permissions(&program, Permissions::from_mode(0o711)).expect("sets");
    let target = Target::start(&mut as_nobody(&program)).expect("starts");
    assert_eq!(told_to_nobody(target.pid()), "true; Undumpable; Sudo");
}

#[test]
fn a_process_with_more_capabilities() {
    if !may_become_somebody_else() {
        return;
    }
    let mut command = Command::new("setpriv");
    command
        .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .args(["--inh-caps=+net_raw", "--ambient-caps=+net_raw"])
        .args(["sh", "-c", STOPPED]);
    match Target::start(&mut command) {
        Ok(target) => {
            assert_eq!(told_to_nobody(target.pid()), "true; MoreCapabilities; Sudo");
        }
        Err(error) => skipped("more capabilities", &error),
    }
}

#[test]
fn a_process_in_another_user_namespace() {
    if !may_become_somebody_else() {
        return;
    }
    // Made by root, since whoever makes a namespace has all rights in it, and entered by nobody.
    let enter = "exec setpriv --reuid=65534 --regid=65534 --clear-groups sh -c";
    let script = format!("{STOPPED}; {enter} '{STOPPED}'");
    let mut command = Command::new("unshare");
    command.args(["--user", "sh", "-c", &script]);
    let mut target = match Target::start(&mut command) {
        Ok(target) => target,
        Err(error) => return skipped("another user namespace", &error),
    };
    let pid = target.pid();
    for map in ["uid_map", "gid_map"] {
        fs::write(format!("/proc/{pid}/{map}"), "0 0 65536").expect("root may");
    }
    // Before it has stopped itself, resuming it has no effect.
    while fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") T ")) {
        std::thread::yield_now();
    }
    let resumed = Command::new("kill")
        .args(["-CONT", &pid.to_string()])
        .status();
    assert!(resumed.expect("there is kill").success());
    match target.line().as_deref() {
        Some("ready") => {
            let told = told_to_nobody(pid);
            assert_eq!(told, "true; OtherUserNamespace; Sudo");
        }
        _ => skipped("another user namespace", "there is no setpriv"),
    }
}
