//! Core files: what is left of a process that has ended. One is opened as a live process is: it has
//! mappings, memory, threads and a command line.
//!
//! A core file may be cut, damaged or forged. Every length in it is compared with that of the file before
//! anything is read or reserved.

mod arguments;
mod headers;
mod mapped;
mod mappings;
mod memory;
mod notes;
#[cfg(test)]
mod tests;
mod unpack;

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use self::headers::{Headers, length};
use self::mapped::{Begin, Mapped, Need, Root};
use self::memory::{Extent, From};
use self::notes::Notes;
use super::files::MappedFile;
use super::maps::Mapping;
use crate::model::{Addr, Pid, TargetStr, Tid};

pub use self::memory::CoreMemory;

/// How much of a file's beginning is compared.
const FIRST_PAGE: usize = 4096;

/// A core file.
#[derive(Debug)]
pub struct Core {
    file: File,
    root: Root,
    pid: Pid,
    command: Vec<TargetStr>,
    threads: Vec<CoreThread>,
    signal: Option<CoreSignal>,
    entry: Option<Addr>,
    mappings: Vec<Mapping>,
    /// In the order of addresses; none overlaps another.
    extents: Vec<Extent>,
    /// By the number that the mappings have in place of an inode, from 1 on.
    mapped: Vec<Mapped>,
    missing: u64,
}

/// A thread as it was when the process ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CoreThread {
    /// In the pid namespace of the process.
    pub tid: Tid,
    /// The thread pointer, which on x86-64 is what `pthread_self` gives.
    pub thread_pointer: Option<Addr>,
    /// The system call that it waited in.
    pub waits_in: Option<SystemCall>,
    /// What the last system call gave, if it was in one.
    result: Option<i64>,
}

/// A system call, and its first argument where that is known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SystemCall {
    pub name: &'static str,
    pub argument: Option<u64>,
}

/// The signal that ended a process.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct CoreSignal {
    pub number: i32,
    /// The thread that got it.
    pub thread: Tid,
    pub cause: SignalCause,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum SignalCause {
    /// What the thread did at this address: what it read or wrote or ran, or where its instruction is.
    Fault(Addr),
    /// A process sent it: another, or the process itself.
    SentBy(Pid),
    Unknown,
}

/// The machine that a process ran on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Machine {
    X86_64,
    Aarch64,
}

/// Why a core file cannot be read.
#[derive(thiserror::Error, Debug)]
#[non_exhaustive]
pub enum CoreError {
    #[error("it cannot be read: {0}")]
    Unreadable(#[source] io::Error),
    #[error("it is not a regular file")]
    NotRegular,
    #[error("it is no ELF core file")]
    NotElf,
    #[error("it is a program or a library, not a core file")]
    Program,
    #[error(
        "it is the core file of a 32-bit or big-endian program; spyhole reads 64-bit little-endian ones"
    )]
    NotSixtyFourBit,
    #[error(
        "it is the core file of a machine that spyhole does not know (number {0} in ELF); \
         it reads those of x86-64 (62) and aarch64 (183)"
    )]
    OtherMachine(u16),
    #[error("it ends before the memory that it should hold")]
    Truncated,
    #[error("it is damaged: {0} cannot be right")]
    Malformed(&'static str),
    #[error("it tells of no thread; its notes are missing")]
    NoThreads,
    #[error(
        "it holds no data of the process, only its files; /proc/PID/coredump_filter tells what is written \
         (core(5)), and 33 in it is the usual value"
    )]
    NoData,
    #[error("it is packed with {0}, which spyhole does not unpack: unpack it first")]
    OtherPacking(&'static str),
    #[error("it cannot be unpacked: {0}")]
    Unpacking(#[source] io::Error),
    #[error("unpacked it is larger than a core file can be")]
    TooLarge,
    #[error("{path:?} cannot be opened: {error}")]
    Root { path: PathBuf, error: io::Error },
}

/// Told of the progress of unpacking: how many bytes of how many. The last is 0 where it is not known.
pub type Progress<'a> = &'a mut dyn FnMut(u64, u64);

impl Core {
    /// Opens a core file, packed with zstd, lz4 or gzip or not; `-` is standard input. The files that the
    /// process had mapped are looked for below `root`, or where they were.
    ///
    /// # Errors
    /// When it is no core file of a machine that is known, or holds too little.
    pub fn open(
        path: &Path,
        root: Option<&Path>,
        progress: Progress<'_>,
    ) -> Result<Core, CoreError> {
        let file = unpack::open(path, progress)?;
        let root = Root::open(root).map_err(|error| CoreError::Root {
            path: root.unwrap_or(Path::new("/")).to_owned(),
            error,
        })?;
        Core::from_file(file, root)
    }

    fn from_file(file: File, root: Root) -> Result<Core, CoreError> {
        let headers = Headers::read(&file)?;
        let length = length(&file);
        let notes = Notes::read(&file, &headers);
        let Some(first) = notes.threads.first() else {
            return Err(match headers.end() > length {
                true => CoreError::Truncated,
                false => CoreError::NoThreads,
            });
        };
        let pid = notes.pid.unwrap_or(Pid(first.tid.0));
        let segments = &headers.segments;
        if !segments
            .iter()
            .any(|segment| segment.write && segment.written > 0)
        {
            return Err(CoreError::NoData);
        }
        let (mappings, paths) = mappings::mappings(segments, &notes.files, notes.vdso);
        let mut core = Core {
            extents: mappings::extents(&mappings, segments, length),
            file,
            root,
            pid,
            command: Vec::new(),
            threads: notes.threads,
            signal: notes.signal,
            entry: notes.entry,
            mappings,
            mapped: Vec::new(),
            missing: headers.end().saturating_sub(length),
        };
        core.mapped = core.mapped_files(paths);
        core.command = arguments::read(&core, notes.stack, &notes.auxiliary)
            .unwrap_or_else(|| arguments::words(&notes.command, b' '));
        Ok(core)
    }

    #[must_use]
    pub fn pid(&self) -> Pid {
        self.pid
    }

    /// The words of the command line. If the process's stack does not tell it, it is cut after 80 bytes.
    #[must_use]
    pub fn command(&self) -> &[TargetStr] {
        &self.command
    }

    /// The threads; the one that got the signal comes first.
    #[must_use]
    pub fn threads(&self) -> &[CoreThread] {
        &self.threads
    }

    /// The signal that ended the process; `None` if the core file was made of one that went on.
    #[must_use]
    pub fn signal(&self) -> Option<CoreSignal> {
        self.signal
    }

    /// In the order of addresses.
    #[must_use]
    pub fn maps(&self) -> &[Mapping] {
        &self.mappings
    }

    /// The mapping in which the program began to run.
    #[must_use]
    pub fn executable(&self) -> Option<&Mapping> {
        let entry = self.entry?;
        let mut mappings = self.mappings.iter();
        mappings.find(|mapping| mapping.contains(entry) && mapping.is_file())
    }

    /// Opens the file behind a mapping, if it is there.
    #[must_use]
    pub fn open_mapping(&self, mapping: &Mapping) -> Option<MappedFile> {
        let number = usize::try_from(mapping.inode).ok()?.checked_sub(1)?;
        let opened = self.mapped.get(number)?.open(self)?;
        Some(MappedFile {
            file: opened.file.try_clone().ok()?,
            exact: opened.is_checked,
        })
    }

    /// Whether a regular file is there.
    #[must_use]
    pub fn has_file(&self, path: &Path) -> bool {
        self.root.file(path).is_ok()
    }

    /// How many bytes the core file lacks at its end.
    #[must_use]
    pub fn missing(&self) -> u64 {
        self.missing
    }

    /// The files that were needed so far and are not there as they were mapped.
    #[must_use]
    pub fn missing_files(&self) -> Vec<TargetStr> {
        self.files_with(Need::Missing)
    }

    /// The files that were read although the core file does not tell whether they are the same.
    #[must_use]
    pub fn unchecked_files(&self) -> Vec<TargetStr> {
        self.files_with(Need::Unchecked)
    }

    fn files_with(&self, need: Need) -> Vec<TargetStr> {
        let files = self.mapped.iter().filter(|mapped| mapped.need() == need);
        files
            .map(|mapped| TargetStr::from_bytes(&mapped.path))
            .collect()
    }

    /// The mapped files by number: for each, where its beginning is in memory, if the core file has that.
    fn mapped_files(&self, paths: Vec<Vec<u8>>) -> Vec<Mapped> {
        let mut mapped: Vec<Mapped> = paths.into_iter().map(Mapped::new).collect();
        for mapping in &self.mappings {
            let number = usize::try_from(mapping.inode).unwrap_or(0);
            let Some(mapped) = number.checked_sub(1).and_then(|it| mapped.get_mut(it)) else {
                continue;
            };
            mapped.pieces += 1;
            if mapping.offset == 0 && mapped.begin.is_none() {
                mapped.begin = self.begin_at(mapping);
            }
        }
        mapped
    }

    fn begin_at(&self, mapping: &Mapping) -> Option<Begin> {
        let start = mapping.start.0;
        let index = self.extents.partition_point(|extent| extent.end <= start);
        let extent = self.extents.get(index)?;
        let is_written = extent.start == start && matches!(extent.from, From::Core(_));
        is_written.then(|| Begin {
            at: mapping.start,
            len: usize::try_from(extent.end - start).map_or(FIRST_PAGE, |len| len.min(FIRST_PAGE)),
            may_differ: mapping.permissions.write,
        })
    }
}

impl Machine {
    /// By its number in ELF (include/uapi/linux/elf-em.h).
    fn of(number: u16) -> Option<Machine> {
        match number {
            62 => Some(Machine::X86_64),
            183 => Some(Machine::Aarch64),
            _ => None,
        }
    }

    fn call_name(self, number: usize) -> Option<&'static str> {
        match self {
            Machine::X86_64 => syscalls::x86_64::Sysno::new(number).map(|call| call.name()),
            Machine::Aarch64 => syscalls::aarch64::Sysno::new(number).map(|call| call.name()),
        }
    }
}

impl CoreSignal {
    /// `SIGSEGV`; a signal without a name has its number.
    #[must_use]
    pub fn name(&self) -> String {
        match nix::sys::signal::Signal::try_from(self.number) {
            Ok(signal) => signal.as_str().to_owned(),
            Err(_) => format!("signal {}", self.number),
        }
    }
}

impl CoreThread {
    /// Notes which call it was in, by its number; a negative one stands for none. It waited if the call was
    /// cut short, as all are that wait while their process ends or is stopped.
    fn note_system_call(&mut self, machine: Machine, number: i64, argument: Option<u64>) {
        // EINTR, and ERESTARTSYS to ERESTART_RESTARTBLOCK (include/linux/errno.h).
        const INTERRUPTED: [i64; 5] = [-4, -512, -513, -514, -516];
        let name = usize::try_from(number)
            .ok()
            .and_then(|number| machine.call_name(number));
        let waited = self
            .result
            .is_some_and(|result| INTERRUPTED.contains(&result));
        self.waits_in = name
            .filter(|_| waited)
            .map(|name| SystemCall { name, argument });
    }
}
