//! A process: its identity, whether it is still the same one, and what it runs.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::maps::{Mapping, parse_maps};
use crate::model::{Nanos, Pid, TargetStr, Tid};
use crate::sys::linux::files::{FileId, file_id_at};
use crate::sys::linux::monotonic;
use crate::sys::linux::pidfd::PidFd;
use crate::sys::linux::processes;
use crate::sys::linux::status::{Stat, Status};
use crate::sys::linux::tasks::living_thread;

/// The most that is read of `/proc/PID/maps`. That of a process with as many mappings as the kernel
/// allows by default (`vm.max_map_count`, 65530) and long paths is smaller.
const MAX_MAPS_SIZE: u64 = 32 << 20;
/// The most that is read of other files in `/proc/PID`. Only `cmdline` and `environ` can be long.
const MAX_TEXT_SIZE: u64 = 4 << 20;

/// For so long, a main thread that was seen to live is taken to live on. Many files are opened through it one
/// after the other; one of a thread that has ended meanwhile cannot be opened.
const LIVES_ON: Nanos = Nanos(1_000_000);

/// What identifies a process, so that a later one with the same pid is not taken for it.
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
    /// The directory of its main thread, through which it is read.
    main: Arc<Directory>,
    /// When the main thread was last seen to live, in nanoseconds of the monotonic clock.
    main_lived: AtomicU64,
    /// The directory of another thread, in case the main thread has ended before the others.
    other: Mutex<Option<Arc<Directory>>>,
    /// `/proc/PID/maps`, opened once: it belongs to the memory that the process had then and gives
    /// nothing after an exec, even of the same program.
    memory_token: Option<MemoryToken>,
    started: u64,
    /// Where the main thread's stack began, which an exec changes. `memory_token` does not show an exec
    /// if it was opened between vfork and exec: then it belongs to the memory of the parent.
    stack_start: u64,
    executable: Option<Executable>,
    command: Vec<TargetStr>,
    parent: Pid,
}

/// `/proc/TID` of a thread. Once the thread is gone it gives nothing, even if its id is in use
/// again. For a main thread that has ended while others run on, it gives what belongs to the process
/// (`stat`, `status`, `task`), but nothing of its memory and its files.
#[derive(Debug)]
pub(super) struct Directory {
    tid: Tid,
    handle: OwnedFd,
}

#[derive(Debug)]
struct MemoryToken {
    maps: File,
    /// The thread through which `maps` was opened. When that has ended, `maps` gives nothing.
    through: Tid,
}

/// The file that a process runs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Executable {
    pub(crate) id: FileId,
    /// Its path as the kernel gives it, with ` (deleted)` at the end if the file was deleted.
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
    #[error("/proc is that of another pid namespace")]
    OtherPidNamespace,
    #[error("process {pid} cannot be looked at: {source}")]
    Unreadable { pid: Pid, source: io::Error },
}

impl Process {
    /// Opens a process.
    ///
    /// # Errors
    /// [`OpenError`] says which of the reasons it was.
    pub fn open(pid: Pid) -> Result<Process, OpenError> {
        if !processes::proc_is_of_our_namespace() {
            return Err(OpenError::OtherPidNamespace);
        }
        // An error means that there is no such process, or that the id is that of a thread: the
        // directory tells which.
        let handle = PidFd::open(pid).unwrap_or_default();
        let unreadable = |source: io::Error| match source.raw_os_error() {
            // ENOENT: no directory; ESRCH: it was there and the process is gone.
            Some(libc::ENOENT | libc::ESRCH) => OpenError::NoSuchProcess(pid),
            _ => OpenError::Unreadable { pid, source },
        };
        let main = Directory::open(Tid(pid.0)).map_err(unreadable)?;
        let status = Status::parse(&main.read("status").map_err(unreadable)?);
        if let Some(process) = status.tgid.filter(|tgid| *tgid != pid) {
            return Err(OpenError::Thread {
                thread: pid,
                process,
            });
        }
        let stat = main.stat().map_err(unreadable)?;
        let mut process = Process {
            pid,
            handle,
            main: Arc::new(main),
            main_lived: AtomicU64::new(0),
            other: Mutex::new(None),
            memory_token: None,
            started: stat.started,
            stack_start: 0,
            executable: None,
            command: Vec::new(),
            parent: stat.parent,
        };
        process.describe();
        if process.has_ended(stat) {
            return Err(OpenError::Zombie(pid));
        }
        // The pid may have been given to another process after the handle and before the directory was
        // opened: both must agree that the process is there now.
        match process.standing() {
            Standing::Ended => Err(OpenError::NoSuchProcess(pid)),
            Standing::Same => Ok(process),
            Standing::Replaced => {
                process.describe();
                Ok(process)
            }
        }
    }

    /// Reads what an exec changes.
    fn describe(&mut self) {
        let living = self.living();
        self.stack_start = living.stat().map_or(0, |stat| stat.stack_start);
        self.memory_token = living.memory_token();
        self.executable = living.executable();
        self.command = living.command();
    }

    /// The directory of a thread that lives, most often the main thread. If none lives, that of the main
    /// thread.
    pub(super) fn living(&self) -> Arc<Directory> {
        let seen = Nanos(self.main_lived.load(Ordering::Relaxed));
        let is_recent = monotonic::now().saturating_sub(seen) < LIVES_ON;
        if is_recent || self.main_stat().is_ok_and(|stat| !stat.is_ending()) {
            return Arc::clone(&self.main);
        }
        let mut other = self.other.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(other) = other.as_ref().filter(|other| other.lives()) {
            return Arc::clone(other);
        }
        match self.another_living() {
            Some(found) => Arc::clone(other.insert(Arc::new(found))),
            None => Arc::clone(&self.main),
        }
    }

    /// The state of the main thread as it is now.
    fn main_stat(&self) -> io::Result<Stat> {
        let stat = self.main.stat();
        let lived = match &stat {
            Ok(stat) if !stat.is_ending() => monotonic::now(),
            _ => Nanos::ZERO,
        };
        self.main_lived.store(lived.0, Ordering::Relaxed);
        stat
    }

    fn another_living(&self) -> Option<Directory> {
        // Any of them may end while it is being opened.
        (0..4).find_map(|_| {
            let tid = living_thread(self.pid).filter(|tid| *tid != self.main.tid)?;
            let found = Directory::open(tid).ok()?;
            // After the directory was opened, the id must still be that of a thread of this process.
            let status = Status::parse(&found.read("status").ok()?);
            (status.tgid == Some(self.pid) && found.lives()).then_some(found)
        })
    }

    #[cfg(any(test, feature = "internals"))]
    /// A thread through which its memory and its files can be reached (`/proc/TID`,
    /// `process_vm_readv`): the main thread, unless that has ended before others.
    #[must_use]
    pub fn living_thread(&self) -> Tid {
        self.living().tid
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

    /// Its start time in clock ticks since boot.
    #[must_use]
    pub fn started(&self) -> u64 {
        self.started
    }

    /// The parent at the time of opening.
    #[must_use]
    pub fn parent(&self) -> Pid {
        self.parent
    }

    /// Its command line, argument by argument.
    #[must_use]
    pub fn command(&self) -> &[TargetStr] {
        &self.command
    }

    /// The file that it runs; `None` where we may not know (another user's process), and for a kernel
    /// thread.
    #[must_use]
    pub fn executable(&self) -> Option<&Executable> {
        self.executable.as_ref()
    }

    #[cfg(any(test, feature = "internals"))]
    /// A handle that becomes readable when the process ends; `None` where the kernel has none.
    #[must_use]
    pub fn handle(&self) -> Option<BorrowedFd<'_>> {
        self.handle.as_ref().map(AsFd::as_fd)
    }

    /// Whether it runs; a zombie does not.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.main.stat().is_ok_and(|stat| !self.has_ended(stat))
    }

    /// Whether the whole process has ended. `stat` alone does not tell: a main thread that has called
    /// `pthread_exit` looks like a zombie while other threads run on.
    fn has_ended(&self, stat: Stat) -> bool {
        stat.has_ended()
            && match &self.handle {
                Some(handle) => handle.has_ended().unwrap_or(true),
                None => processes::has_ended(self.pid),
            }
    }

    /// Whether it is still the process that was opened and runs the same program.
    #[must_use]
    pub fn standing(&self) -> Standing {
        let Ok(main) = self.main_stat() else {
            return Standing::Ended;
        };
        if self.has_ended(main) {
            return Standing::Ended;
        }
        let living = self.living();
        let stat = match living.tid == self.main.tid {
            true => Some(main),
            false => living.stat().ok(),
        };
        let stack_start = stat.map_or(0, |stat| stat.stack_start);
        let both_known = self.stack_start != 0 && stack_start != 0;
        if both_known && self.stack_start != stack_start {
            return Standing::Replaced;
        }
        if let Some(token) = &self.memory_token {
            let mut byte = [0];
            if matches!(token.maps.read_at(&mut byte, 0), Ok(1..)) {
                return Standing::Same;
            }
            // The token gives nothing because the thread through which it was opened has ended, or
            // because of an exec. The thread that calls exec becomes the main thread. Here the main
            // thread had ended before and still has, so the exec did not happen.
            if token.through != self.main.tid && main.has_ended() {
                return self.by_executable(&living);
            }
            // The memory is gone: there is a new program, or the process is ending but not yet a zombie.
            return match living.read("maps") {
                Ok(maps) if !maps.is_empty() => Standing::Replaced,
                Ok(_) if self.executable.is_none() => Standing::Same,
                _ => Standing::Ended,
            };
        }
        self.by_executable(&living)
    }

    fn by_executable(&self, living: &Directory) -> Standing {
        match (&self.executable, living.executable()) {
            (Some(then), Some(now)) if then.id != now.id => Standing::Replaced,
            _ => Standing::Same,
        }
    }

    /// Its memory mappings. A process that is ending and a kernel thread have none.
    ///
    /// # Errors
    /// `PermissionDenied` when we may not know; an error of kind `NotFound` or a raw `ESRCH` when
    /// the process is gone.
    pub fn maps(&self) -> io::Result<Vec<Mapping>> {
        let maps = self.living().open_file("maps")?;
        Ok(parse_maps(&read_limited(maps, MAX_MAPS_SIZE)?))
    }

    /// The kernel ids of its threads, in our pid namespace.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn tasks(&self) -> io::Result<Vec<Tid>> {
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
        let tasks = rustix::fs::openat(&self.main.handle, "task", flags, Mode::empty())?;
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

    /// How many threads it has. A main thread that has ended before the others does not count.
    #[must_use]
    pub fn living_threads(&self) -> usize {
        let ended = usize::from(self.main.stat().is_ok_and(|stat| stat.has_ended()));
        self.tasks()
            .map_or(0, |tasks| tasks.len().saturating_sub(ended))
    }

    /// Whether its environment, as it was at the start of its program, has a variable of one of these
    /// names; `false` also where we may not know, and when the process is gone.
    #[must_use]
    pub fn has_variable(&self, names: &[&str]) -> bool {
        let environment = self.living().read("environ").unwrap_or_default();
        let mut variables = environment.split(|byte| *byte == 0);
        variables.any(|variable| {
            let name = variable.split(|byte| *byte == b'=').next();
            variable.contains(&b'=') && names.iter().any(|it| name == Some(it.as_bytes()))
        })
    }

    /// Its children; empty where the kernel does not list them. For a process with very many threads,
    /// only the children that its first threads started.
    #[must_use]
    pub fn children(&self) -> Vec<Pid> {
        const MANY: usize = 64;
        let tasks = self.tasks().unwrap_or_default();
        let lists = tasks.into_iter().take(MANY).filter_map(|tid| {
            let list = self.main.read(&format!("task/{tid}/children")).ok()?;
            String::from_utf8(list).ok()
        });
        let parse = |list: String| {
            let pids = list.split_ascii_whitespace().map(str::parse);
            pids.filter_map(Result::ok).map(Pid).collect::<Vec<_>>()
        };
        lists.flat_map(parse).collect()
    }

    #[cfg(any(feature = "cli", feature = "internals"))]
    /// All descendants, parents before their children.
    #[must_use]
    pub fn descendants(&self) -> Vec<Pid> {
        let below = processes::descendants(self.pid);
        below.into_iter().map(|(pid, _)| pid).collect()
    }

    #[cfg(any(test, feature = "internals"))]
    /// `/proc/PID/stat` as it is now.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn stat(&self) -> io::Result<Stat> {
        self.main.stat()
    }

    /// `/proc/PID/status` as it is now.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn status(&self) -> io::Result<Status> {
        Ok(Status::parse(&self.main.read("status")?))
    }

    /// Whether the names of its files suggest Python. A renamed or embedded Python is not recognised in
    /// this way, and a process that is recognised need not be one.
    #[must_use]
    pub fn looks_like_python(&self) -> bool {
        self.is_named_python()
            || self.maps().is_ok_and(|maps| {
                maps.iter()
                    .any(|mapping| mapping.permissions.execute && names_python(mapping.file_path()))
            })
    }

    /// Whether the name of its program suggests Python.
    #[must_use]
    pub fn is_named_python(&self) -> bool {
        let named = |text: &TargetStr| names_python(text.untrusted().as_bytes());
        self.executable.as_ref().is_some_and(|exe| named(&exe.path))
            || self.command.first().is_some_and(named)
    }
}

/// Whether the last part of a path contains the word `python`, in upper or lower case.
fn names_python(path: &[u8]) -> bool {
    let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or(path);
    name.windows(6)
        .any(|part| part.eq_ignore_ascii_case(b"python"))
}

impl Directory {
    fn open(tid: Tid) -> io::Result<Directory> {
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
        let handle = rustix::fs::open(format!("/proc/{tid}"), flags, Mode::empty())?;
        Ok(Directory { tid, handle })
    }

    pub(super) fn handle(&self) -> BorrowedFd<'_> {
        self.handle.as_fd()
    }

    /// Whether the thread has neither ended nor is about to.
    fn lives(&self) -> bool {
        self.stat().is_ok_and(|stat| !stat.is_ending())
    }

    fn open_file(&self, name: &str) -> io::Result<File> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOCTTY;
        Ok(rustix::fs::openat(&self.handle, name, flags, Mode::empty())?.into())
    }

    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        read_limited(self.open_file(name)?, MAX_TEXT_SIZE)
    }

    fn stat(&self) -> io::Result<Stat> {
        Stat::parse(&self.read("stat")?).ok_or_else(|| Errno::SRCH.into())
    }

    fn memory_token(&self) -> Option<MemoryToken> {
        Some(MemoryToken {
            maps: self.open_file("maps").ok()?,
            through: self.tid,
        })
    }

    fn executable(&self) -> Option<Executable> {
        let id = file_id_at(&self.handle, "exe").ok()?;
        // remoteprocess replaces what is not UTF-8 in a path; such a path we read ourselves.
        let path = match remoteprocess::Process::new(self.tid.0).and_then(|process| process.exe()) {
            Ok(path) if !path.contains(char::REPLACEMENT_CHARACTER) => {
                TargetStr::from_bytes(path.as_bytes())
            }
            _ => {
                let link = rustix::fs::readlinkat(&self.handle, "exe", Vec::new()).ok()?;
                TargetStr::from_bytes(link.as_bytes())
            }
        };
        Some(Executable { id, path })
    }

    fn command(&self) -> Vec<TargetStr> {
        // remoteprocess refuses arguments that are not UTF-8; such a command line we read ourselves.
        let process = remoteprocess::Process::new(self.tid.0);
        if let Ok(command) = process.and_then(|process| process.cmdline()) {
            let words = command.iter();
            return words
                .map(|word| TargetStr::from_bytes(word.as_bytes()))
                .collect();
        }
        let Ok(text) = self.read("cmdline") else {
            return Vec::new();
        };
        text.split(|byte| *byte == 0)
            .filter(|argument| !argument.is_empty())
            .map(TargetStr::from_bytes)
            .collect()
    }
}

fn read_limited(file: File, limit: u64) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    file.take(limit).read_to_end(&mut text)?;
    Ok(text)
}
