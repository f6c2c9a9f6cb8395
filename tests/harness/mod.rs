//! Runs the binary against real interpreters, as a user does.

#![allow(dead_code, reason = "each test file uses its part of this")]

pub mod nobody;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::common::watchdog::{Watched, watch};
pub use crate::common::{PATIENCE, Target, interpreters};

/// The engine under test. The fallback is tested by naming it here.
pub fn engine() -> String {
    std::env::var("SPYHOLE_TEST_ENGINE").unwrap_or_else(|_| "cpython".into())
}

/// An interpreter to test with where the version does not matter: a 3.11 if there is one.
pub fn python() -> &'static Path {
    let found = interpreters();
    let any = found.iter().find(|python| python.version == (3, 11));
    let any = any.or_else(|| found.iter().find(|python| python.version.0 == 3));
    &any.expect("a Python 3; SPYHOLE_PYTHONS may name one").path
}

/// Works for ever; `work` is where.
pub const BUSY: &str = "
def work():
    total = 0
    for number in range(1000):
        total += number
    return total

def main():
    print('ready', flush=True)
    while True:
        work()

main()
";

/// Waits for ever.
pub const WAITS: &str = "
import time
print('ready', flush=True)
while True:
    time.sleep(100)
";

/// A directory for one test, with programs in it.
pub struct Place {
    directory: tempfile::TempDir,
    /// What is done here takes no longer than a test.
    _watched: Watched,
}

impl Place {
    pub fn new() -> Place {
        Place {
            directory: tempfile::tempdir().expect("a directory"),
            _watched: watch("works in its directory"),
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn program(&self, name: &str, code: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, code).expect("a program");
        path
    }

    pub fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.directory.path()).expect("a directory");
        let mut names: Vec<_> = entries
            .map(|entry| {
                entry
                    .expect("an entry")
                    .file_name()
                    .into_string()
                    .expect("text")
            })
            .collect();
        names.sort();
        names
    }

    /// `spyhole`, in this directory.
    pub fn spyhole<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Command {
        // Whoever runs the tests may ignore SIGHUP (nohup), and what ignores it keeps to that.
        let mut command = Command::new("env");
        command
            .args(["--default-signal=HUP", env!("CARGO_BIN_EXE_spyhole")])
            .args(arguments)
            .current_dir(self.directory.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .env_remove("SUDO_UID")
            .env_remove("SUDO_GID");
        command
    }

    /// `spyhole record` with the engine under test.
    pub fn record<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Command {
        let mut command = self.spyhole(["record", "--engine", &engine()]);
        command.args(arguments);
        command
    }

    /// `spyhole record` of a running program.
    pub fn attach<'a>(
        &self,
        target: &Target,
        options: impl IntoIterator<Item = &'a str>,
    ) -> Command {
        let mut command = self.record(["-p", &target.pid().to_string()]);
        command.args(options);
        command
    }

    /// `spyhole record` of `p.py` from its start.
    pub fn start<'a>(&self, options: impl IntoIterator<Item = &'a str>) -> Command {
        let mut command = self.record(options);
        command.arg("--").arg(python()).arg("p.py");
        command
    }

    /// A running program that has said that it is ready.
    pub fn target(&self, code: &str) -> Target {
        let program = self.program("target.py", code);
        Target::start(Command::new(python()).arg(program)).expect("a running program")
    }
}

/// Waits until `condition` holds.
pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Waits until a `spyhole record -r 1000` has looked a hundred times more: it goes to sleep before
/// each look.
pub fn wait_until_sampling(spyhole: &Child) {
    let status = format!("/proc/{}/status", spyhole.id());
    let sleeps = || {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        text.lines()
            .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))
            .and_then(|number| number.trim().parse::<u64>().ok())
    };
    let before = sleeps().unwrap_or(0);
    wait_until("spyhole samples", || {
        sleeps().is_some_and(|sleeps| sleeps > before + 150)
    });
}

pub fn signal(pid: u32, name: &str) {
    let status = Command::new("kill")
        .args([format!("-{name}"), pid.to_string()])
        .status();
    assert!(status.expect("kill").success());
}

/// Whether a process runs; a zombie does not.
pub fn runs(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat
        .rsplit(')')
        .next()
        .unwrap_or("")
        .trim_start()
        .chars()
        .next();
    !matches!(state, None | Some('Z' | 'X'))
}

pub fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[track_caller]
pub fn assert_code(output: &Output, code: i32) {
    assert_eq!(output.status.code(), Some(code), "{}", stderr(output));
}

/// What `spyhole dump` says of that, if it succeeds.
#[track_caller]
pub fn dump(words: &[&str]) -> String {
    let place = Place::new();
    let mut command = place.spyhole(["dump"]);
    let output = command.args(words).output().expect("spyhole");
    assert_code(&output, 0);
    stdout(&output)
}

/// The sum of the counts of collapsed stacks, and of those that contain `text`.
pub fn counts(collapsed: &str, text: &str) -> (u64, u64) {
    let mut sums = (0, 0);
    for line in collapsed.lines() {
        let (stack, count) = line.rsplit_once(' ').expect("a count");
        let count: u64 = count.parse().expect("a number");
        sums.0 += count;
        sums.1 += if stack.contains(text) { count } else { 0 };
    }
    sums
}

/// Gives the target one CPU, and us and what we start from now on the others: a profiler that cannot
/// stand where the target runs has to pause it. `false` where there is one CPU only.
pub fn keep_apart(target: i32) -> bool {
    let all = sched_getaffinity(None).unwrap();
    let mut cpus = (0..CpuSet::MAX_CPU).filter(|cpu| all.is_set(*cpu));
    let (Some(first), mut others) = (cpus.next(), CpuSet::new()) else {
        return false;
    };
    cpus.for_each(|cpu| others.set(cpu));
    if others.count() == 0 {
        return false;
    }
    let mut only = CpuSet::new();
    only.set(first);
    sched_setaffinity(rustix::process::Pid::from_raw(target), &only).unwrap();
    sched_setaffinity(None, &others).unwrap();
    true
}
