//! The files that a process had mapped when its core file was written. The kernel leaves out what it can be
//! read from again: code, and data that were never written to.
//!
//! A file may have been replaced since, or be that of another machine, so it must begin as it does in the
//! core file: with the same ELF header, and as a rule the same build id.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use rustix::fs::{Mode, OFlags};

use super::Core;
use super::headers::length;
use crate::model::Addr;
use crate::model::little_endian::{u16_at, u32_at, u64_at};
use crate::sys::linux::files::open_regular_in_root;

/// The size of an ELF header.
const HEADER: usize = 64;
const DELETED: &[u8] = b" (deleted)";

/// The directory in which paths of the process begin.
#[derive(Debug)]
pub(super) struct Root {
    handle: OwnedFd,
    /// Whether somebody named it: the files of another machine may lie there without their directories.
    is_given: bool,
}

impl Root {
    pub fn open(given: Option<&Path>) -> io::Result<Root> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let path = given.unwrap_or(Path::new("/"));
        Ok(Root {
            handle: rustix::fs::open(path, flags, Mode::empty())?,
            is_given: given.is_some(),
        })
    }

    /// Opens a regular file.
    pub fn file(&self, path: &Path) -> io::Result<File> {
        open_regular_in_root(self.handle.as_fd(), path)
    }
}

/// A file that was mapped.
#[derive(Debug)]
pub(super) struct Mapped {
    /// As it is in the core file.
    pub path: Vec<u8>,
    /// Where its beginning is, if that is in the core file.
    pub begin: Option<Begin>,
    /// How many mappings of it there are. A program or library has several, for code and for data.
    pub pieces: usize,
    opened: OnceLock<Option<Opened>>,
}

/// The beginning of a file, in memory that the core file has.
#[derive(Clone, Copy, Debug)]
pub(super) struct Begin {
    pub at: Addr,
    pub len: usize,
    /// Whether only the headers are sure to be as they are in the file: tools that edit ELF files (patchelf)
    /// put data behind them.
    pub may_differ: bool,
}

/// The file on this machine.
#[derive(Debug)]
pub(super) struct Opened {
    pub file: File,
    pub length: u64,
    /// Whether it begins as the file did that was mapped.
    pub is_checked: bool,
}

/// What became of a file that was needed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Need {
    None,
    /// There is none, or only another one of its name.
    Missing,
    /// The core file does not tell how it began.
    Unchecked,
    Met,
}

impl Mapped {
    pub fn new(path: Vec<u8>) -> Mapped {
        Mapped {
            path,
            begin: None,
            pieces: 0,
            opened: OnceLock::new(),
        }
    }

    pub fn open(&self, core: &Core) -> Option<&Opened> {
        let opened = self.opened.get_or_init(|| {
            let begin = self.begin.and_then(|begin| begin.read(core));
            let begin = begin.unwrap_or_default();
            let mut found = self.candidates(&core.root, &begin).into_iter();
            found.find_map(|path| open_at(&core.root, &path, &begin))
        });
        opened.as_ref()
    }

    /// Whether it was needed so far, and found.
    pub fn need(&self) -> Need {
        match self.opened.get() {
            None => Need::None,
            // Data of other kinds hold nothing of an interpreter.
            Some(None) if self.begin.is_none() && self.pieces < 2 => Need::None,
            Some(None) => Need::Missing,
            Some(Some(opened)) if opened.is_checked => Need::Met,
            Some(Some(_)) => Need::Unchecked,
        }
    }

    /// Where it may be: at its own path, without the directories, or where Fedora keeps files by build id.
    fn candidates(&self, root: &Root, begin: &[u8]) -> Vec<PathBuf> {
        let path = self.path.strip_suffix(DELETED).unwrap_or(&self.path);
        if !path.starts_with(b"/") {
            return Vec::new();
        }
        let path = Path::new(std::ffi::OsStr::from_bytes(path));
        let mut candidates = vec![path.to_owned()];
        if let Some(name) = path.file_name().filter(|_| root.is_given) {
            candidates.push(Path::new("/").join(name));
        }
        if let Some((first, rest)) = build_id(begin).as_deref().and_then(<[u8]>::split_first) {
            let rest: String = rest.iter().map(|byte| format!("{byte:02x}")).collect();
            candidates.push(format!("/usr/lib/.build-id/{first:02x}/{rest}").into());
        }
        candidates
    }
}

/// Opens a file, if it begins so.
fn open_at(root: &Root, path: &Path, begin: &[u8]) -> Option<Opened> {
    let file = root.file(path).ok()?;
    let mut found = vec![0; begin.len().max(HEADER)];
    file.read_exact_at(&mut found, 0).ok()?;
    // A core file may name any file that we may read. It must not tell what is in one that nobody runs.
    let is_elf = found.starts_with(b"\x7fELF");
    let is_checked = begin.len() >= HEADER;
    let is_the_same = is_elf && (!is_checked || found == begin);
    is_the_same.then(|| Opened {
        length: length(&file),
        file,
        is_checked,
    })
}

impl Begin {
    fn read(self, core: &Core) -> Option<Vec<u8>> {
        let mut begin = vec![0; self.len];
        core.read(self.at, &mut begin).ok()?;
        if self.may_differ {
            begin.truncate(headers_end(&begin)?);
        }
        Some(begin)
    }
}

/// Where the program headers of an ELF file end, if they are in its first page.
fn headers_end(page: &[u8]) -> Option<usize> {
    let at = usize::try_from(u64_at(page, 32)?).ok()?;
    let size = usize::from(u16_at(page, 56)?) * 56;
    at.checked_add(size).filter(|end| *end <= page.len())
}

/// The build id of an ELF file whose note is in its first page, where linkers put it.
fn build_id(page: &[u8]) -> Option<Vec<u8>> {
    const PT_NOTE: u32 = 4;
    const NT_GNU_BUILD_ID: u32 = 3;
    const LONGEST: usize = 64;
    let headers = page.get(usize::try_from(u64_at(page, 32)?).ok()?..)?;
    let headers = headers.chunks_exact(56).take(u16_at(page, 56)?.into());
    let mut notes = headers.filter(|header| u32_at(header, 0) == Some(PT_NOTE));
    notes.find_map(|header| {
        let start = usize::try_from(u64_at(header, 8)?).ok()?;
        let size = usize::try_from(u64_at(header, 32)?).ok()?;
        let mut notes = page.get(start..start.checked_add(size)?)?;
        loop {
            let name = usize::try_from(u32_at(notes, 0)?).ok()?.next_multiple_of(4);
            let size = usize::try_from(u32_at(notes, 4)?).ok()?;
            let rest = notes.get(12..)?.get(name..)?;
            let description = rest.get(..size)?;
            let is_id = u32_at(notes, 8)? == NT_GNU_BUILD_ID && notes.get(12..16)? == b"GNU\0";
            if is_id && (2..=LONGEST).contains(&size) {
                return Some(description.to_vec());
            }
            notes = rest.get(size.next_multiple_of(4)..)?;
        }
    })
}
