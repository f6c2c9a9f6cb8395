//! Starting a program, waiting for it, and ending it with all that it started.

use std::ffi::OsStr;
use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};
use std::time::{Duration, Instant};

use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use rustix::process::{PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::credentials::{Caller, set_thread_groups};
use super::pidfd::PidFd;
use super::processes;
use super::signals::Before;
use crate::model::{Ending, Pid};

/// What to start, and how.
#[derive(Debug)]
pub struct Launch<'a> {
    pub program: &'a OsStr,
    pub arguments: &'a [std::ffi::OsString],
    /// Its working directory, if not ours.
    pub directory: Option<&'a std::path::Path>,
    /// Environment variables that it gets in addition to ours.
    pub environment: &'a [(&'a str, String)],
    /// The file for its output and its errors; then it has no input. With `None`, it has our streams.
    pub capture: Option<&'a std::fs::File>,
    /// The user as whom it runs, if not as ourselves.
    pub user: Option<&'a Caller>,
    pub signals: Before,
    pub scope: Scope,
}

/// Which processes are ended with a program.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scope {
    /// All processes below this one, which starts nothing else. Orphans of the program become our
    /// children, so that they can be found at the end.
    AllThatIsBelowUs,
    /// The program and the processes that are still below it. This process may have other children.
    ItsTree,
}

/// A program that we started. Dropping this does not end the program: see [`Started::end`].
#[derive(Debug)]
pub struct Started {
    child: Child,
    scope: Scope,
    handle: Option<PidFd>,
    ended: Option<Ending>,
}

fn ending(status: ExitStatus) -> Ending {
    match (status.code(), status.signal()) {
        (Some(code), _) => Ending::Code(code),
        (None, Some(signal)) => Ending::Signal(signal),
        (None, None) => Ending::Unknown,
    }
}

/// Starts a program in our own process group, so that the terminal treats both as one.
///
/// # Errors
/// When it cannot be started: no such program, no permission.
pub fn start(launch: &Launch) -> io::Result<Started> {
    if launch.scope == Scope::AllThatIsBelowUs {
        // Where this is not allowed, the orphans of a program cannot be found; everything else works.
        let _ = rustix::process::set_child_subreaper(rustix::process::Pid::from_raw(1));
    }
    let mut command = Command::new(launch.program);
    command.args(launch.arguments);
    if let Some(directory) = launch.directory {
        command.current_dir(directory);
    }
    for (name, value) in launch.environment {
        command.env(name, value);
    }
    if let Some(file) = launch.capture {
        command
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file.try_clone()?);
    }
    if let Some(user) = launch.user {
        if let Some(home) = &user.home {
            command.env("HOME", home);
        }
        if let Some(name) = &user.name {
            command.env("USER", name).env("LOGNAME", name);
        }
    }
    let signals = launch.signals;
    let ids = launch.user.map(|user| {
        let groups: Vec<_> = user.groups.iter().map(|group| group.as_raw()).collect();
        (groups, user.gid, user.uid)
    });
    // SAFETY: the closure runs between fork and exec of a process with several threads, where only
    // async-signal-safe functions may be called. It makes plain system calls, allocates nothing
    // (its data was made before) and takes no lock.
    unsafe {
        command.pre_exec(move || {
            if let Some((groups, gid, uid)) = &ids {
                set_thread_groups(groups)?;
                nix::unistd::setresgid(*gid, *gid, *gid)?;
                nix::unistd::setresuid(*uid, *uid, *uid)?;
            }
            signals.restore()
        });
    }
    // Locked, so that the program is not collected before it is in the list.
    let mut waited_for = waited_for();
    let child = command.spawn()?;
    let handle = Pid(i32::try_from(child.id()).unwrap_or(0));
    waited_for.push(handle);
    drop(waited_for);
    if launch.scope == Scope::AllThatIsBelowUs {
        collect_in_background();
    }
    Ok(Started {
        scope: launch.scope,
        handle: PidFd::open(handle).ok().flatten(),
        child,
        ended: None,
    })
}

/// Programs whose end is waited for by the code that started them.
static WAITED_FOR: Mutex<Vec<Pid>> = Mutex::new(Vec::new());

fn waited_for() -> MutexGuard<'static, Vec<Pid>> {
    // Nothing is left half done under this lock.
    WAITED_FOR.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for Started {
    fn drop(&mut self) {
        let pid = self.pid();
        waited_for().retain(|other| *other != pid);
    }
}

impl Started {
    #[must_use]
    pub fn pid(&self) -> Pid {
        Pid(i32::try_from(self.child.id()).unwrap_or(0))
    }

    /// How it ended, if it has.
    pub fn try_wait(&mut self) -> Option<Ending> {
        if self.ended.is_none() {
            // The engine waits for the threads that it traces, and an early wait of ours could take
            // one of its stops: so the handle is asked first, and the wait is for this pid alone.
            let over = self
                .handle
                .as_ref()
                .is_none_or(|handle| handle.has_ended().unwrap_or(true));
            if over {
                self.ended = match self.child.try_wait() {
                    Ok(status) => status.map(ending),
                    Err(_) => Some(Ending::Unknown),
                };
            }
        }
        self.ended
    }

    /// Waits for its end, for at most `limit`.
    pub fn wait_for(&mut self, limit: Duration) -> Option<Ending> {
        let deadline = Instant::now() + limit;
        loop {
            let ended = self.try_wait();
            if ended.is_some() || Instant::now() >= deadline {
                return ended;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Asks the program and all that is to end with it to end.
    pub fn ask_to_end(&self) {
        self.signal_all(Signal::TERM);
    }

    /// Waits until the program and all that is to end with it have ended; after `grace`, kills what is
    /// left.
    pub fn end(&mut self, grace: Duration) -> Option<Ending> {
        let patience = Instant::now() + grace;
        // A process that even SIGKILL does not end within this time hangs in the kernel.
        let limit = patience + Duration::from_secs(2);
        loop {
            self.try_wait();
            let left = self.living();
            let now = Instant::now();
            if left == 0 || now >= limit {
                return self.ended;
            }
            if now >= patience {
                self.signal_all(Signal::KILL);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Started {
    fn signal_all(&self, signal: Signal) {
        match self.scope {
            Scope::AllThatIsBelowUs => signal_below(Pid::ours(), signal),
            Scope::ItsTree => {
                signal_below(self.pid(), signal);
                // Its pid is not given to another process before we have collected it.
                if self.ended.is_none()
                    && let Some(pid) = rustix::process::Pid::from_raw(self.pid().0)
                {
                    let _ = rustix::process::kill_process(pid, signal);
                }
            }
        }
    }

    /// How many processes are left of those that are to end with the program.
    fn living(&self) -> usize {
        match self.scope {
            Scope::AllThatIsBelowUs => living_descendants(self.pid()),
            Scope::ItsTree => {
                let alive = |pid| !processes::has_ended(pid);
                let below = descendants(self.pid());
                let below = below.into_iter().filter(|(pid, _)| alive(*pid)).count();
                below + usize::from(self.ended.is_none())
            }
        }
    }
}

/// Sends a signal to the program alone.
pub fn forward(pid: Pid, signal: nix::sys::signal::Signal) {
    // The program may have ended just now; until we collect it, its pid is not given to another.
    let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid.0), signal);
}

/// Kills all that is below this process.
pub fn kill_all() {
    signal_below(Pid::ours(), Signal::KILL);
}

/// From now on, collects orphans of programs when they have ended: they are our children, and would
/// pile up as zombies during a long recording. A program itself is left to the code that waits for it.
fn collect_in_background() {
    static COLLECTING: Once = Once::new();
    COLLECTING.call_once(|| {
        std::thread::spawn(|| {
            loop {
                std::thread::sleep(Duration::from_secs(1));
                let waited_for = waited_for();
                for pid in children() {
                    let ended = || processes::has_ended(pid);
                    if !waited_for.contains(&pid) && ended() {
                        collect(pid);
                    }
                }
            }
        });
    });
}

/// Our children: the children of our first thread, which starts programs and inherits their orphans.
fn children() -> Vec<Pid> {
    let us = std::process::id();
    match std::fs::read_to_string(format!("/proc/self/task/{us}/children")) {
        Ok(text) => text
            .split_ascii_whitespace()
            .filter_map(|pid| pid.parse().ok())
            .map(Pid)
            .collect(),
        // The kernel was built without that file.
        Err(_) => descendants(Pid::ours())
            .into_iter()
            .map(|(pid, _)| pid)
            .collect(),
    }
}

/// Signals all that is below a process.
fn signal_below(top: Pid, signal: Signal) {
    for (pid, _) in descendants(top) {
        let handle = rustix::process::Pid::from_raw(pid.0)
            .and_then(|raw| pidfd_open(raw, PidfdFlags::empty()).ok());
        // If the process is still a descendant after the handle was opened, the handle is that of the
        // process that is meant, and not of a later one with the same pid.
        if let Some(handle) = handle
            && descendants(top).iter().any(|(other, _)| *other == pid)
        {
            let _ = pidfd_send_signal(handle, signal);
        }
    }
}

/// How many of our descendants live. Collects those of our children that have ended, but leaves the
/// program itself to the code that waits for it.
fn living_descendants(program: Pid) -> usize {
    let us = Pid::ours();
    descendants(us)
        .into_iter()
        .filter(|(pid, parent)| {
            let ended = processes::has_ended(*pid);
            if ended && *parent == us && *pid != program {
                collect(*pid);
            }
            !ended
        })
        .count()
}

/// Collects a child that has ended; does nothing for a process that is not our child.
fn collect(pid: Pid) -> Option<WaitStatus> {
    waitpid(
        nix::unistd::Pid::from_raw(pid.0),
        Some(WaitPidFlag::WNOHANG),
    )
    .ok()
}

/// The processes below `top`, each with its parent.
fn descendants(top: Pid) -> Vec<(Pid, Pid)> {
    processes::descendants(top)
}
