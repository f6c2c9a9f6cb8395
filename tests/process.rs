//! A process that was opened is never mixed up with another, and files are opened on its behalf
//! with its eyes and its rights.

mod common;

use std::fs::Permissions;
use std::io::Read;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use common::interpreters::cache;
use common::{PATIENCE, Target, skipped};
use spyhole::model::Pid;
use spyhole::target::diagnosis::{Attempt, Reason, explain};
use spyhole::target::{OpenError, Process, Standing, open_file};

fn shell(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script]);
    command
}

/// Stopped by itself, so that it is at a known place.
const STOPPED: &str = "echo ready; kill -STOP $$";

fn open(target: &Target) -> Process {
    Process::open(target.pid()).expect("the target runs")
}

fn resume(pid: Pid) {
    let status = Command::new("kill")
        .args(["-CONT", &pid.to_string()])
        .status();
    assert!(status.expect("there is kill").success());
}

/// Asks until the answer comes; it is a matter of microseconds.
fn wait_for(mut done: impl FnMut() -> bool) {
    let deadline = std::time::Instant::now() + PATIENCE;
    while !done() {
        assert!(std::time::Instant::now() < deadline, "it did not come");
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
}

fn state(process: &Process) -> u8 {
    process.stat().map_or(b'X', |stat| stat.state)
}

#[test]
fn a_process_is_described() {
    let target = Target::start(shell(STOPPED).env("X", "y")).expect("starts");
    let process = open(&target);
    let command: Vec<&str> = process
        .command()
        .iter()
        .map(|part| part.untrusted())
        .collect();
    assert_eq!(command, ["sh", "-c", STOPPED]);
    let own = i32::try_from(std::process::id()).expect("a pid");
    assert_eq!(process.parent(), Pid(own));
    assert!(process.executable().is_some());
    assert_eq!(process.standing(), Standing::Same);
    assert!(process.is_alive());
    assert_eq!(process.tasks().expect("runs").len(), 1);
    assert!(
        process
            .maps()
            .expect("runs")
            .iter()
            .any(|mapping| mapping.is_file())
    );
    assert_eq!(
        process.status().expect("its status").namespace_pids.first(),
        Some(&target.pid())
    );
}

#[test]
fn the_end_is_noticed_before_and_after_the_zombie_is_collected() {
    let mut target = Target::start(&mut shell(STOPPED)).expect("starts");
    let process = open(&target);
    target.kill();
    wait_for(|| state(&process) == b'Z');
    assert_eq!(process.standing(), Standing::Ended);
    assert!(matches!(
        Process::open(target.pid()),
        Err(OpenError::Zombie(_))
    ));
    assert_eq!(explain(target.pid(), Attempt::Read).reason, Reason::Zombie);
    target.end();
    assert_eq!(process.standing(), Standing::Ended);
    assert!(matches!(
        Process::open(target.pid()),
        Err(OpenError::NoSuchProcess(_))
    ));
    assert_eq!(
        explain(target.pid(), Attempt::Read).reason,
        Reason::NoSuchProcess
    );
}

#[test]
fn an_exec_is_noticed_even_of_the_same_program() {
    for then in ["exec sh -c 'kill -STOP $$'", "exec sleep 600"] {
        let target = Target::start(&mut shell(&format!("{STOPPED}; {then}"))).expect("starts");
        let process = open(&target);
        wait_for(|| state(&process) == b'T');
        assert_eq!(process.standing(), Standing::Same);
        resume(target.pid());
        wait_for(|| process.standing() != Standing::Same);
        assert_eq!(process.standing(), Standing::Replaced);
        assert!(process.is_alive());
        assert_eq!(open(&target).standing(), Standing::Same);
    }
}

#[test]
fn descendants_are_found_at_any_depth() {
    let script = "sh -c 'echo ready; kill -STOP $$; :' ; :";
    let mut outer = Target::start(&mut shell(&format!(
        "sh -c \"{}\"; :",
        script.replace('$', "\\$")
    )))
    .expect("starts");
    let process = open(&outer);
    let descendants = process.descendants();
    assert!((1..=2).contains(&descendants.len()), "{descendants:?}");
    for pid in descendants {
        let _ = Command::new("kill")
            .args(["-KILL", &pid.to_string()])
            .status();
    }
    outer.end();
}

#[test]
fn descendants_are_found_by_whatever_name_and_parents_come_first() {
    // What the kernel calls a process is up to the process: a newline, nothing, the look of its fields.
    let names = ["a\\nb", "\\0", ") R 0 0", "a) S 1 ("];
    for name in names {
        let inner = "echo ready; kill -STOP $$; :";
        let middle = format!("printf '{name}' > /proc/$$/comm; sh -c '{inner}' & wait");
        let script = "sh -c \"$MIDDLE\" & wait";
        let target = Target::start(shell(script).env("MIDDLE", &middle)).expect("starts");
        let process = open(&target);
        let below = process.descendants();
        assert_eq!(below.len(), 2, "{name}: {below:?}");
        let parents = below
            .iter()
            .map(|pid| Process::open(*pid).map(|it| it.parent()));
        let parents: Vec<Pid> = parents.map(|it| it.expect("runs")).collect();
        assert_eq!(parents, [target.pid(), below[0]], "{name}");
        for pid in below {
            let _ = Command::new("kill")
                .args(["-KILL", &pid.to_string()])
                .status();
        }
    }
}

#[test]
fn a_thread_is_told_from_a_process() {
    let (sender, receiver) = std::sync::mpsc::channel::<()>();
    let thread = std::thread::spawn(move || receiver.recv());
    let own = Pid(i32::try_from(std::process::id()).expect("a pid"));
    let tasks = Process::open(own).expect("we run").tasks().expect("we run");
    let other = tasks
        .iter()
        .find(|tid| tid.0 != own.0)
        .expect("another thread");
    match Process::open(Pid(other.0)) {
        Err(OpenError::Thread { process, .. }) => assert_eq!(process, own),
        // Tests in other threads come and go.
        Err(OpenError::NoSuchProcess(_)) => {}
        other => panic!("{other:?}"),
    }
    drop(sender);
    let _ = thread.join();
}

#[test]
fn numbers_that_are_no_process_are_refused() {
    for number in [i32::MIN, -1, 0, i32::MAX] {
        assert!(
            matches!(Process::open(Pid(number)), Err(OpenError::NoSuchProcess(_))),
            "{number}"
        );
    }
}

fn text_of(process: &Process, path: impl AsRef<Path>) -> std::io::Result<String> {
    let mut text = String::new();
    open_file(process, path.as_ref())?.read_to_string(&mut text)?;
    Ok(text)
}

#[test]
fn only_regular_files_are_opened() {
    let directory = tempfile::tempdir().expect("a directory");
    let fifo = directory.path().join("fifo");
    let status = Command::new("mkfifo").arg(&fifo).status();
    assert!(status.expect("there is mkfifo").success());
    let target = Target::start(&mut shell(STOPPED)).expect("starts");
    let process = open(&target);
    for path in [
        fifo.as_path(),
        directory.path(),
        Path::new("/dev/null"),
        Path::new("/dev/tty"),
    ] {
        assert!(open_file(&process, path).is_err(), "{}", path.display());
    }
    assert!(open_file(&process, Path::new("relative")).is_err());
    let file = directory.path().join("file");
    std::fs::write(&file, "text").expect("writes");
    assert_eq!(text_of(&process, &file).expect("opens"), "text");
}

#[test]
fn files_that_the_target_may_not_read_are_not_read_for_it() {
    if !is_root() {
        return skipped("the rights of the target", "this needs root");
    }
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).expect("sets");
    let target = Target::start(shell(STOPPED).uid(65534).gid(65534)).expect("starts");
    let process = open(&target);
    // Belongs to root and its group: our own groups must not count either.
    let file = directory.path().join("secret");
    std::fs::write(&file, "text").expect("writes");
    for mode in [0o600, 0o640] {
        std::fs::set_permissions(&file, Permissions::from_mode(mode)).expect("sets");
        let error = open_file(&process, &file).expect_err("is not the target's");
        assert_eq!(
            error.kind(),
            std::io::ErrorKind::PermissionDenied,
            "{mode:o}"
        );
    }
    std::fs::set_permissions(&file, Permissions::from_mode(0o644)).expect("sets");
    assert_eq!(text_of(&process, &file).expect("opens"), "text");
    // And we are who we were.
    std::fs::set_permissions(&file, Permissions::from_mode(0o600)).expect("sets");
    assert_eq!(std::fs::read_to_string(&file).expect("opens"), "text");
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0)
}

#[test]
fn links_do_not_lead_out_of_the_targets_root() {
    const WHAT: &str = "the root of the target";
    let Ok(root) = std::fs::read_to_string(cache().join("sid.root")) else {
        return skipped(WHAT, "there is no other root");
    };
    let root = Path::new(root.trim());
    let place = match tempfile::tempdir_in(root.join("tmp")) {
        Ok(place) => place,
        Err(error) => return skipped(WHAT, &error.to_string()),
    };
    std::fs::set_permissions(place.path(), Permissions::from_mode(0o755)).expect("sets");
    let outside = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(outside.path(), "outside").expect("writes");
    std::fs::write(place.path().join("inside"), "inside").expect("writes");
    let inner = Path::new("/tmp").join(place.path().file_name().expect("a name"));
    let up = format!("{}{}", "../".repeat(20), outside.path().display());
    symlink(outside.path(), place.path().join("absolute")).expect("links");
    symlink(up, place.path().join("relative")).expect("links");
    symlink(inner.join("inside"), place.path().join("good")).expect("links");
    symlink("/proc/self/root", place.path().join("magic")).expect("links");

    let mut command = Command::new("chroot");
    command.arg(root).args(["/bin/sh", "-c", STOPPED]);
    let target = match Target::start(&mut command) {
        Ok(target) => target,
        Err(error) => return skipped(WHAT, &error),
    };
    let process = open(&target);
    assert_eq!(
        text_of(&process, inner.join("inside")).expect("opens"),
        "inside"
    );
    assert_eq!(
        text_of(&process, inner.join("good")).expect("opens"),
        "inside"
    );
    for name in ["absolute", "relative"] {
        assert!(open_file(&process, &inner.join(name)).is_err(), "{name}");
    }
    let through_proc = format!("magic{}", outside.path().display());
    assert!(open_file(&process, &inner.join(through_proc)).is_err());
}

#[test]
fn nothing_forbids_to_look_at_oneself() {
    let own = Pid(i32::try_from(std::process::id()).expect("a pid"));
    let reason = explain(own, Attempt::Read).reason;
    assert!(
        matches!(
            reason,
            Reason::Unknown | Reason::SeccompFilter | Reason::PtraceScope(_)
        ),
        "{reason:?}"
    );
}
