//! Where the result goes, and what happens when it cannot go there.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::Command;

use crate::harness::*;

#[test]
fn the_format_follows_from_the_name_unless_it_is_said() {
    let place = Place::new();
    let target = place.target(BUSY);
    for (arguments, start) in [
        (&["-o", "x.svg"][..], &b"<?xml"[..]),
        (&["-o", "x.txt"], b"<module>"),
        (&["-o", "x.json"], b"{"),
        (&["-o", "x.bin"], b"<?xml"),
        (&["-o", "x.pb.gz"], &[0x1f, 0x8b]),
        (&["-o", "x.gz"], b"<?xml"),
        (&["-o", "x.svg", "-f", "CHROMETRACE"], b"["),
    ] {
        let mut command = place.attach(&target, ["-d", "0.3"]);
        assert_code(&command.args(arguments).output().unwrap(), 0);
        let text = std::fs::read(place.path(arguments[1])).unwrap();
        assert!(
            text.starts_with(start),
            "{arguments:?}: {:?}",
            text.get(..80)
        );
    }
}

#[test]
fn a_fifo_and_devices_are_written_directly() {
    let place = Place::new();
    let target = place.target(BUSY);
    let fifo = place.path("fifo");
    assert!(
        Command::new("mkfifo")
            .arg(&fifo)
            .status()
            .unwrap()
            .success()
    );
    let record = |path: &str| place.attach(&target, ["-d", "0.3", "-f", "raw", "-o", path]);
    let spyhole = record("fifo").spawn().unwrap();
    // Opens when spyhole does: not before it has something to write.
    let text = std::fs::read_to_string(&fifo).unwrap();
    assert!(counts(&text, "work").1 > 0, "{text}");
    assert_code(&spyhole.wait_with_output().unwrap(), 0);

    assert_code(&record("/dev/null").output().unwrap(), 0);
    let output = record("/dev/stdout").output().unwrap();
    assert_code(&output, 0);
    assert!(counts(&stdout(&output), "work").1 > 0);

    let output = record("/dev/full").output().unwrap();
    assert_code(&output, 1);
    assert!(
        stderr(&output).contains("could not be written: No space left"),
        "{}",
        stderr(&output)
    );
    assert_eq!(place.names(), ["fifo", "target.py"]);
}

#[test]
fn a_place_that_cannot_be_written_is_known_before_sampling() {
    let place = Place::new();
    let target = place.target(BUSY);
    std::fs::create_dir(place.path("directory")).unwrap();
    for path in ["no/such/x.svg", "directory", "target.py/x.svg"] {
        let output = place.attach(&target, ["-o", path]).output().unwrap();
        assert_code(&output, 1);
        let told = stderr(&output);
        assert!(
            told.contains(&format!("'{path}' cannot be written")),
            "{told}"
        );
        assert!(!told.contains("Sampling"), "{told}");
    }
    assert_eq!(place.names(), ["directory", "target.py"]);
}

#[test]
fn a_broken_pipe_is_an_error() {
    let place = Place::new();
    let target = place.target(BUSY);
    let mut spyhole = place
        .attach(&target, ["-d", "0.3", "-o", "-"])
        .spawn()
        .unwrap();
    drop(spyhole.stdout.take());
    assert_code(&spyhole.wait_with_output().unwrap(), 1);
}

#[test]
fn giving_up_leaves_nothing() {
    let place = Place::new();
    let target = place.target(BUSY);
    assert!(
        Command::new("mkfifo")
            .arg(place.path("fifo"))
            .status()
            .unwrap()
            .success()
    );
    let spyhole = place
        .attach(&target, ["-r", "1000", "-o", "fifo"])
        .spawn()
        .unwrap();
    wait_until_sampling(&spyhole);
    signal(spyhole.id(), "INT");
    // Nobody reads the FIFO, so the writing hangs.
    let syscall = format!("/proc/{}/wchan", spyhole.id());
    wait_until("it waits for a reader", || {
        std::fs::read_to_string(&syscall).is_ok_and(|place| place.contains("fifo"))
            || !runs(spyhole.id())
            // Where the kernel does not tell: two signals at once count as one.
            || { std::thread::sleep(std::time::Duration::from_millis(500)); true }
    });
    signal(spyhole.id(), "INT");
    let output = spyhole.wait_with_output().unwrap();
    assert_code(&output, 130);
    assert_eq!(place.names(), ["fifo", "target.py"]);
    assert!(runs(target.id()));
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").unwrap().uid() == 0
}

#[test]
fn under_sudo_the_file_belongs_to_the_caller_and_roots_powers_are_not_lent() {
    if !is_root() {
        eprintln!("only root can test this");
        return;
    }
    let place = Place::new();
    let target = place.target(BUSY);
    let open = place.path("open");
    let closed = place.path("closed");
    for (path, mode) in [(&open, 0o777), (&closed, 0o700)] {
        std::fs::create_dir(path).unwrap();
        std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
    }
    // The caller must be able to reach it.
    std::fs::set_permissions(place.path(""), PermissionsExt::from_mode(0o755)).unwrap();
    let record = |path: &str| {
        let mut command = place.attach(&target, ["-d", "0.3", "-o", path]);
        command.env("SUDO_UID", "65534").env("SUDO_GID", "65534");
        command.output().unwrap()
    };
    assert_code(&record("open/x.svg"), 0);
    let made = std::fs::metadata(open.join("x.svg")).unwrap();
    assert_eq!((made.uid(), made.gid()), (65534, 65534));
    let output = record("closed/x.svg");
    assert_code(&output, 1);
    assert!(
        stderr(&output).contains("cannot be written"),
        "{}",
        stderr(&output)
    );
    assert_eq!(std::fs::read_dir(closed).unwrap().count(), 0);
}

#[test]
fn under_sudo_a_program_runs_as_the_caller() {
    if !is_root() {
        eprintln!("only root can test this");
        return;
    }
    let place = Place::new();
    std::fs::set_permissions(place.path(""), PermissionsExt::from_mode(0o777)).unwrap();
    // A shell, since the interpreter may lie where the caller cannot reach it.
    for (extra, expected) in [
        (&[][..], "65534 65534 65534"),
        (&["--run-as-root"], "0 0 0"),
    ] {
        let mut command = place.record(extra);
        command.args([
            "-o",
            "x.svg",
            "--",
            "sh",
            "-c",
            "echo $(id -u) $(id -g) $(id -G)",
        ]);
        let output = command
            .env("SUDO_UID", "65534")
            .env("SUDO_GID", "65534")
            .output()
            .unwrap();
        assert!(
            stdout(&output).trim().starts_with(expected),
            "{}",
            stdout(&output)
        );
    }
}

#[test]
fn the_result_is_opened_in_the_browser_when_asked() {
    let place = Place::new();
    let target = place.target(BUSY);
    let opener = place.program(
        "xdg-open",
        "#!/bin/sh\necho \"$(id -u) $1\" > shown\nmv shown opened\n",
    );
    for (path, mode) in [(opener, 0o755), (place.path(""), 0o777)] {
        std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
    }
    let path = format!(
        "{}:{}",
        place.path("").display(),
        std::env::var("PATH").unwrap()
    );
    let pid = target.pid().to_string();
    let mut command = place.record(["-p", &pid, "-d", "0.3", "-o", "x.svg", "--open"]);
    command.env("PATH", path);
    let user = if is_root() { "65534" } else { "" };
    if is_root() {
        command.env("SUDO_UID", user).env("SUDO_GID", user);
    }
    assert_code(&command.output().unwrap(), 0);
    wait_until("it is opened", || place.path("opened").exists());
    let opened = std::fs::read_to_string(place.path("opened")).unwrap();
    assert!(
        opened.starts_with(user) && opened.ends_with(" x.svg\n"),
        "{opened}"
    );

    let output = place
        .record(["-p", &pid, "-o", "-", "--open"])
        .output()
        .unwrap();
    assert_code(&output, 1);
    assert!(stderr(&output).contains("--open"), "{}", stderr(&output));
}
