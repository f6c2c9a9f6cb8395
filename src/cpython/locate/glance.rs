//! Whether a process has a Python, as far as a look tells that is cheap enough to take at all processes.

use rustc_hash::FxHashSet;

use super::file::ElfFile;
use super::image::{self, Among, Image};
use super::version::{self, find_version};
use super::walk::scan;
use super::{COOKIE, contains_word, dynamic, has_runtime};
use crate::memory::Memory;
use crate::sys::linux::files::FileId;
use crate::target::{MappedFile, Mapping, Process, open_mapping};

/// Looks at many processes, and remembers which libraries are no Python.
#[derive(Debug, Default)]
pub struct Glances {
    /// Files that hold no Python.
    none: FxHashSet<FileId>,
}

/// Each CPython exports one of these, if it exports anything.
const NAMES: [&str; 2] = ["_PyRuntime", "_PyThreadState_Current"];
/// The smallest Python that we know, a static 2.7, takes two megabytes, of which a tenth is data.
const LEAST_SIZE: u64 = 1 << 20;
const LEAST_DATA: u64 = 64 << 10;
/// No interpreter has as much data; databases and browsers do.
const MOST_DATA: u64 = 16 << 20;

impl Glances {
    /// Whether some program or library in the process is a Python, or looks like one; `None` where its
    /// memory cannot be read.
    pub fn has_python<M: Memory>(&mut self, process: &Process, memory: &mut M) -> Option<bool> {
        let maps = process.maps().ok()?;
        let found = image::images(&maps, memory, Among::Files);
        if found.images.is_empty() && found.unreadable > 0 {
            return None;
        }
        let executable = process.executable().map(|executable| executable.id);
        let is_python = found.images.iter().any(|image| {
            let file = image.mapping.file_id();
            // An executable may become a Python later; a library is one from the start.
            let is_library = Some(file) != executable;
            if is_library && self.none.contains(&file) {
                return false;
            }
            let is_python = is_python(image, process, memory);
            if is_library && !is_python {
                self.none.insert(file);
            }
            is_python
        });
        if is_python {
            return Some(true);
        }
        let unpacked = image::images(&maps, memory, Among::Anonymous).images;
        let mut unpacked = unpacked.iter();
        Some(unpacked.any(|image| exports(image, memory) || may_be_static(image, memory)))
    }
}

fn is_python<M: Memory>(image: &Image<'_>, process: &Process, memory: &mut M) -> bool {
    contains_word(image.mapping.file_name(), b"pypy")
        || exports(image, memory)
        || has_python_size(image)
            && (has_runtime_section(image.mapping, process) || may_be_static(image, memory))
}

fn exports<M: Memory>(image: &Image<'_>, memory: &mut M) -> bool {
    let mut names = NAMES.iter();
    names.any(|name| dynamic::symbol(image, memory, name).is_some())
}

fn has_python_size(image: &Image<'_>) -> bool {
    let data: u64 = image.writable().map(|load| load.size).sum();
    image.size() >= LEAST_SIZE && (LEAST_DATA..=MOST_DATA).contains(&data)
}

/// From 3.7 on `_PyRuntime` has a section of its own, which stripping leaves.
fn has_runtime_section(mapping: &Mapping, process: &Process) -> bool {
    let file = open_mapping(process, mapping).ok();
    let file = file.and_then(|MappedFile { file, .. }| ElfFile::open(file));
    file.is_some_and(|file| file.section_address(".PyRuntime").is_some())
}

/// Whether the data hold the cookie of 3.13 and later, or the version text of an earlier Python.
fn may_be_static<M: Memory>(image: &Image<'_>, memory: &mut M) -> bool {
    if !has_python_size(image) {
        return false;
    }
    let mut is_python = false;
    scan(memory, image, version::MAX_TEXT as u64, |_, chunk| {
        let mut words = chunk.chunks_exact(8);
        is_python = words.any(|word| word == COOKIE)
            || find_version(chunk, |version| !has_runtime(version) || version.minor < 13).is_some();
        !is_python
    });
    is_python
}
