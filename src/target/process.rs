//! A process: which it is, whether it still is that, what it runs.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::maps::{Mapping, parse_maps};
use crate::model::{Pid, TargetStr, Tid};
use crate::sys::linux::files::{FileId, file_id_at};
use crate::sys::linux::pidfd::PidFd;
use crate::sys::linux::status::{Stat, Status};

/// `/proc/PID/maps` of a process with the most mappings that the kernel allows by default
/// (`vm.max_map_count`, 65530) and long paths stays below this.
const MAX_MAPS_SIZE: u64 = 32 << 20;
/// `stat`, `status`, `cmdline`: the last is the only one that can be long.
const MAX_TEXT_SIZE: u64 = 4 << 20;

/// A process and no later one with the same number.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Identity {
    pub pid: Pid,
    /// Start time in clock ticks since boot (field 22 of `/proc/PID/stat`).
    pub started: u64,
}

/// A process that was opened once and is never mixed up with a later one of the same pid.
#[derive(Debug)]
pub struct Process {
    pid: Pid,
    handle: Option<PidFd>,
    /// `/proc/PID`: everything is read through it. Once the process is gone it gives nothing,
    /// even if its pid is in use again.
    directory: OwnedFd,
    /// `/proc/PID/maps`, opened once: it belongs to the memory that the process had then and gives
    /// nothing after an exec, even of the same program.
    memory_token: Option<File>,
    started: u64,
    /// Where the main thread's stack began, which an exec changes: between vfork and exec a process
    /// has its parent's memory, to which `memory_token` then belongs.
    stack_start: u64,
    executable: Option<Executable>,
    command: Vec<TargetStr>,
    parent: Pid,
    namespace_pids: Vec<Pid>,
}

/// The file that a process runs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Executable {
    pub(crate) id: FileId,
    /// Its path as the kernel tells it, with ` (deleted)` where that holds.
    pub path: TargetStr,
}

/// Whether a process is still the one that was opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Standing {
    Same,
    /// It has ended; what is left may be a zombie.
    Ended,
    /// It runs another program, or the same one anew, by `exec`.
    Replaced,
}

/// Why a process could not be opened.
#[derive(thiserror::Error, Debug)]
pub enum OpenError {
    #[error("there is no process {0}")]
    NoSuchProcess(Pid),
    #[error("process {0} has ended; its parent has not collected it yet (a zombie)")]
    Zombie(Pid),
    #[error("{thread} is a thread of process {process}")]
    Thread { thread: Pid, process: Pid },
    #[error("process {pid} cannot be looked at: {source}")]
    Unreadable { pid: Pid, source: io::Error },
}

impl Process {
    /// # Errors
    /// [`OpenError`] says which of the reasons it was.
    pub fn open(pid: Pid) -> Result<Process, OpenError> {
        // An error means that there is no such process, or that the number is a thread's: the
        // directory tells which.
        let handle = PidFd::open(pid).unwrap_or_default();
        let unreadable = |source: io::Error| match source.raw_os_error() {
            // ENOENT: no directory; ESRCH: it was there and the process is gone.
            Some(libc::ENOENT | libc::ESRCH) => OpenError::NoSuchProcess(pid),
            _ => OpenError::Unreadable { pid, source },
        };
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
        let directory = rustix::fs::open(format!("/proc/{pid}"), flags, Mode::empty())
            .map_err(|error| unreadable(error.into()))?;
        let status = Status::parse(&read_at(&directory, "status").map_err(unreadable)?);
        if let Some(process) = status.tgid.filter(|tgid| *tgid != pid) {
            return Err(OpenError::Thread {
                thread: pid,
                process,
            });
        }
        let stat = read_stat(&directory).map_err(unreadable)?;
        let mut process = Process {
            pid,
            handle,
            memory_token: open_at(&directory, "maps").ok(),
            started: stat.started,
            stack_start: stat.stack_start,
            executable: read_executable(&directory, pid),
            command: read_command(&directory, pid),
            parent: stat.parent,
            namespace_pids: status.namespace_pids,
            directory,
        };
        if process.has_ended(stat) {
            return Err(OpenError::Zombie(pid));
        }
        // The pid may have changed hands between the handle's opening and the directory's: both
        // must agree that the process is there now.
        match process.standing() {
            Standing::Ended => Err(OpenError::NoSuchProcess(pid)),
            Standing::Same => Ok(process),
            Standing::Replaced => {
                process.stack_start = process.stat().map_or(0, |stat| stat.stack_start);
                process.memory_token = open_at(&process.directory, "maps").ok();
                process.executable = read_executable(&process.directory, pid);
                process.command = read_command(&process.directory, pid);
                Ok(process)
            }
        }
    }

    #[must_use]
    pub fn pid(&self) -> Pid {
        self.pid
    }

    #[must_use]
    pub fn identity(&self) -> Identity {
        Identity {
            pid: self.pid,
            started: self.started,
        }
    }

    /// In clock ticks since boot.
    #[must_use]
    pub fn started(&self) -> u64 {
        self.started
    }

    /// The parent at the time of opening.
    #[must_use]
    pub fn parent(&self) -> Pid {
        self.parent
    }

    /// The process's ids from our pid namespace inwards; the last is the one it knows itself by.
    #[must_use]
    pub fn namespace_pids(&self) -> &[Pid] {
        &self.namespace_pids
    }

    /// Argument by argument.
    #[must_use]
    pub fn command(&self) -> &[TargetStr] {
        &self.command
    }

    /// `None` where we may not know (another user's process) or for a thread of the kernel.
    #[must_use]
    pub fn executable(&self) -> Option<&Executable> {
        self.executable.as_ref()
    }

    pub(super) fn directory(&self) -> &OwnedFd {
        &self.directory
    }

    /// A handle to wait for the process's end with, where the kernel has such: readable then.
    #[must_use]
    pub fn handle(&self) -> Option<BorrowedFd<'_>> {
        self.handle.as_ref().map(AsFd::as_fd)
    }

    /// Whether it runs; a zombie does not.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        read_stat(&self.directory).is_ok_and(|stat| !self.has_ended(stat))
    }

    /// A main thread that left its process with `pthread_exit` looks like a zombie while other
    /// threads run on: the handle knows better.
    fn has_ended(&self, stat: Stat) -> bool {
        stat.has_ended()
            && self
                .handle
                .as_ref()
                .is_none_or(|handle| handle.has_ended().unwrap_or(true))
    }

    /// Whether it is still the process that was opened and runs the same program.
    #[must_use]
    pub fn standing(&self) -> Standing {
        let Ok(stat) = read_stat(&self.directory) else {
            return Standing::Ended;
        };
        if self.has_ended(stat) {
            return Standing::Ended;
        }
        let both_known = self.stack_start != 0 && stat.stack_start != 0;
        if both_known && self.stack_start != stat.stack_start {
            return Standing::Replaced;
        }
        if let Some(token) = &self.memory_token {
            let mut byte = [0];
            if matches!(token.read_at(&mut byte, 0), Ok(1..)) {
                return Standing::Same;
            }
            // No memory: a new program, or a process on its way out that is no zombie yet.
            return match read_at(&self.directory, "maps") {
                Ok(maps) if !maps.is_empty() => Standing::Replaced,
                Ok(_) if self.executable.is_none() => Standing::Same,
                _ => Standing::Ended,
            };
        }
        match (&self.executable, read_executable(&self.directory, self.pid)) {
            (Some(then), Some(now)) if then.id != now.id => Standing::Replaced,
            _ => Standing::Same,
        }
    }

    /// # Errors
    /// `PermissionDenied` when we may not know; an error of kind `NotFound` or a raw `ESRCH` when
    /// the process is gone. A process on its way out and a thread of the kernel have no mappings.
    pub fn maps(&self) -> io::Result<Vec<Mapping>> {
        Ok(parse_maps(&read_limited(
            open_at(&self.directory, "maps")?,
            MAX_MAPS_SIZE,
        )?))
    }

    /// The kernel's ids of its threads, in our pid namespace.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn tasks(&self) -> io::Result<Vec<Tid>> {
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
        let tasks = rustix::fs::openat(&self.directory, "task", flags, Mode::empty())?;
        let mut ids = Vec::new();
        for entry in rustix::fs::Dir::new(tasks)? {
            let entry = entry?;
            ids.extend(
                entry
                    .file_name()
                    .to_str()
                    .ok()
                    .and_then(|name| name.parse().ok())
                    .map(Tid),
            );
        }
        Ok(ids)
    }

    /// Whether its environment, as it was at the start of its program, has a variable of one of these
    /// names; `false` also where we may not know, and when the process is gone.
    #[must_use]
    pub fn has_variable(&self, names: &[&str]) -> bool {
        let environment = read_at(&self.directory, "environ").unwrap_or_default();
        let mut variables = environment.split(|byte| *byte == 0);
        variables.any(|variable| {
            let name = variable.split(|byte| *byte == b'=').next();
            variable.contains(&b'=') && names.iter().any(|it| name == Some(it.as_bytes()))
        })
    }

    /// Those that it started and that are its children still; none where the kernel does not list them.
    /// Of a process with very many threads only those that its first ones started.
    #[must_use]
    pub fn children(&self) -> Vec<Pid> {
        const MANY: usize = 64;
        let tasks = self.tasks().unwrap_or_default();
        let lists = tasks.into_iter().take(MANY).filter_map(|tid| {
            let list = read_at(&self.directory, &format!("task/{tid}/children")).ok()?;
            String::from_utf8(list).ok()
        });
        let parse = |list: String| {
            let pids = list.split_ascii_whitespace().map(str::parse);
            pids.filter_map(Result::ok).map(Pid).collect::<Vec<_>>()
        };
        lists.flat_map(parse).collect()
    }

    /// All descendants, parents before their children.
    #[must_use]
    pub fn descendants(&self) -> Vec<Pid> {
        let children = remoteprocess::Process::new(self.pid.0)
            .and_then(|process| process.child_processes())
            .unwrap_or_default();
        children.into_iter().map(|(pid, _)| Pid(pid)).collect()
    }

    /// `/proc/PID/stat` as it is now.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn stat(&self) -> io::Result<Stat> {
        read_stat(&self.directory)
    }

    /// `/proc/PID/status` as it is now.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn status(&self) -> io::Result<Status> {
        Ok(Status::parse(&read_at(&self.directory, "status")?))
    }

    /// Whether the names of its files suggest Python. A renamed or embedded Python is not found so,
    /// and not all that is found so is one.
    #[must_use]
    pub fn looks_like_python(&self) -> bool {
        let named = |path: &[u8]| {
            let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or(path);
            name.windows(6)
                .any(|part| part.eq_ignore_ascii_case(b"python"))
        };
        self.executable
            .as_ref()
            .is_some_and(|exe| named(exe.path.untrusted().as_bytes()))
            || self
                .command
                .first()
                .is_some_and(|program| named(program.untrusted().as_bytes()))
            || self.maps().is_ok_and(|maps| {
                maps.iter()
                    .any(|mapping| mapping.permissions.execute && named(mapping.file_path()))
            })
    }
}

fn open_at(directory: &OwnedFd, name: &str) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOCTTY;
    Ok(rustix::fs::openat(directory, name, flags, Mode::empty())?.into())
}

fn read_at(directory: &OwnedFd, name: &str) -> io::Result<Vec<u8>> {
    read_limited(open_at(directory, name)?, MAX_TEXT_SIZE)
}

fn read_limited(file: File, limit: u64) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    file.take(limit).read_to_end(&mut text)?;
    Ok(text)
}

fn read_stat(directory: &OwnedFd) -> io::Result<Stat> {
    Stat::parse(&read_at(directory, "stat")?).ok_or_else(|| Errno::SRCH.into())
}

fn read_executable(directory: &OwnedFd, pid: Pid) -> Option<Executable> {
    let id = file_id_at(directory, "exe").ok()?;
    // The crate gives text with what is no UTF-8 replaced; such a path we read ourselves.
    let path = match remoteprocess::Process::new(pid.0).and_then(|process| process.exe()) {
        Ok(path) if !path.contains(char::REPLACEMENT_CHARACTER) => TargetStr::new(path),
        _ => {
            let link = rustix::fs::readlinkat(directory, "exe", Vec::new()).ok()?;
            TargetStr::from_bytes(link.as_bytes())
        }
    };
    Some(Executable { id, path })
}

fn read_command(directory: &OwnedFd, pid: Pid) -> Vec<TargetStr> {
    // The crate refuses arguments that are no UTF-8; such a command line we read ourselves.
    if let Ok(command) = remoteprocess::Process::new(pid.0).and_then(|process| process.cmdline()) {
        return command.into_iter().map(TargetStr::new).collect();
    }
    let Ok(text) = read_at(directory, "cmdline") else {
        return Vec::new();
    };
    text.split(|byte| *byte == 0)
        .filter(|argument| !argument.is_empty())
        .map(TargetStr::from_bytes)
        .collect()
}
