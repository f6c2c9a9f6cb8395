//! Ends a test run that hangs, with what everybody was doing: a run that only stops tells nothing.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Beyond all that a test waits for by itself, and three times what the longest piece of work takes
/// on a machine with much to do.
const PATIENCE: Duration = Duration::from_secs(900);

/// Past the test harness, which keeps what is printed until the test has ended.
macro_rules! tell {
    ($($what:tt)*) => { drop(writeln!(std::io::stderr(), $($what)*)) };
}

/// What is being done, and since when, by number.
static WORK: Mutex<BTreeMap<u64, (String, Instant)>> = Mutex::new(BTreeMap::new());

/// A piece of work, watched until this is dropped.
pub struct Watched(u64);

/// Watches what this thread does now.
pub fn watch(what: impl Into<String>) -> Watched {
    static NUMBER: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    static LOOKOUT: std::sync::Once = std::sync::Once::new();
    LOOKOUT.call_once(|| drop(std::thread::spawn(look_out)));
    let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("a thread");
    work().insert(number, (format!("{test}: {}", what.into()), Instant::now()));
    Watched(number)
}

impl Drop for Watched {
    fn drop(&mut self) {
        work().remove(&self.0);
    }
}

fn work() -> MutexGuard<'static, BTreeMap<u64, (String, Instant)>> {
    WORK.lock().unwrap_or_else(PoisonError::into_inner)
}

fn look_out() {
    loop {
        std::thread::sleep(Duration::from_secs(1));
        let late = work().values().any(|(_, since)| since.elapsed() > PATIENCE);
        if late {
            tell!("\nHUNG: nothing came of some work in {PATIENCE:?}");
            for (what, since) in work().values() {
                tell!("  {what}, for {:?}", since.elapsed());
            }
            let children = tell_threads(std::process::id(), 0);
            for child in children
                .into_iter()
                .filter_map(|pid| i32::try_from(pid).ok())
            {
                // An error means that it has ended.
                let _ = kill(Pid::from_raw(child), Signal::SIGKILL);
            }
            std::process::abort();
        }
    }
}

/// Prints what the kernel tells of a process's threads and of those of all below it, which it returns.
fn tell_threads(pid: u32, depth: usize) -> Vec<u32> {
    let mut below = Vec::new();
    let read = |path: String| fs::read_to_string(path).unwrap_or_default();
    let indent = "  ".repeat(depth + 1);
    let command = read(format!("/proc/{pid}/cmdline")).replace('\0', " ");
    tell!("{indent}process {pid}: {command}");
    let tasks = fs::read_dir(format!("/proc/{pid}/task"));
    for task in tasks.into_iter().flatten().flatten() {
        let path = task.path().display().to_string();
        let field = |name: &str| read(format!("{path}/{name}")).trim_end().to_owned();
        let status = field("status");
        let line = |name: &str| {
            let found = status.lines().find(|line| line.starts_with(name));
            found.unwrap_or_default().to_owned()
        };
        tell!(
            "{indent}  {} {} {} {} in {:?} {:?}, syscall {}, scheduled {}",
            task.file_name().display(),
            line("Name"),
            line("State"),
            line("TracerPid"),
            field("wchan"),
            line("Cpus_allowed_list"),
            field("syscall"),
            field("schedstat"),
        );
        for child in field("children").split_whitespace() {
            if let Ok(child) = child.parse() {
                below.push(child);
                below.extend(tell_threads(child, depth + 2));
            }
        }
    }
    below
}
