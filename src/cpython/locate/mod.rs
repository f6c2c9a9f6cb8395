//! Finds where a process keeps the state of its Python, and which version that is.
//!
//! Every file that is mapped as a program or library is searched, not only those named after Python: a
//! renamed copy, an embedding program and uWSGI hold one too. Three sources are tried, each for
//! all files before the next:
//!
//! 1. the dynamic symbols in the target's memory, for which no file is needed;
//! 2. the file: its section `.PyRuntime` and the symbols that are not exported;
//! 3. the data in memory: the cookie of the debug offsets, or a pointer to what behaves like an
//!    interpreter state.
//!
//! Whatever is found must be proven: see [`walk`].

mod core;
mod dynamic;
mod file;
mod glance;
mod image;
mod rseq;
mod version;
mod walk;

use std::io;

pub use self::core::locate_in_core;
use self::file::ElfFile;
pub use self::glance::Glances;
use self::image::{Among, Image};
use self::walk::{Proof, Walk, scan};
use super::layout::{self, DEBUG_OFFSETS_SIZE_LIMIT, LayoutError};
use crate::memory::Memory;
use crate::model::{Addr, PythonVersion, TargetStr};
use crate::target::{MappedFile, Mapping, Process, Standing, open_mapping};

/// Where a process keeps the state of its Python.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Located {
    pub version: PythonVersion,
    pub runtime: RuntimeAddress,
    /// The file that holds the interpreter: the executable or a `libpython`.
    pub binary: TargetStr,
    /// From 3.13 on the beginning of `_PyRuntime`, where `_Py_DebugOffsets` lies: as much as could
    /// be read of [`DEBUG_OFFSETS_SIZE_LIMIT`] bytes.
    pub debug_offsets: Option<Vec<u8>>,
    /// What to add, wrapping, to the `thread_id` in a thread state to get the address at which the
    /// kernel keeps the number of the CPU on which that thread last ran in user mode. `None` where the C
    /// library does not tell.
    pub cpu_id: Option<u64>,
}

/// The address from which the interpreters are reached.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RuntimeAddress {
    /// `_PyRuntime`, from 3.7 on.
    Runtime(Addr),
    /// The variables that had its place before 3.7.
    Variables {
        interp_head: Addr,
        /// `_PyThreadState_Current`: the thread state that has the GIL.
        current_thread: Option<Addr>,
    },
}

/// Why no interpreter was found.
#[derive(thiserror::Error, Debug)]
pub enum LocateError {
    #[error("the process has no Python interpreter")]
    NotPython,
    #[error("the process runs PyPy, which spyhole does not read; it reads CPython")]
    PyPy,
    #[error("the process is a 32-bit program; spyhole reads 64-bit ones")]
    NotSixtyFourBit,
    #[error("a Python is loaded from {binary:?}, but its version cannot be told")]
    UnknownVersion { binary: TargetStr },
    #[error("Python {version} is not a version that spyhole can read")]
    UnsupportedVersion { version: PythonVersion },
    #[error(transparent)]
    Layout(LayoutError),
    /// Worth another try a little later.
    #[error("Python is loaded but not initialised yet")]
    NotReady,
    /// The program may initialise it again.
    #[error("Python is loaded, but its interpreter was shut down (Py_Finalize)")]
    Finalized,
    #[error("no permission to read the memory of the process")]
    PermissionDenied,
    #[error("the process has ended")]
    Gone,
    #[error("the process runs another program now")]
    Replaced,
    #[error("the mappings of the process cannot be read: {0}")]
    Unreadable(#[source] io::Error),
}

const COOKIE: &[u8; 8] = b"xdebugpy";
/// The most cookies that are tried in an image; more can only be there to waste our time.
const MAX_COOKIES: usize = 64;
/// More Pythons than any process has.
const MAX_PYTHONS: usize = 16;

/// Finds the interpreter of a process; of several the likeliest, see [`locate_all`].
///
/// # Errors
/// [`LocateError`] names the reason; after [`LocateError::NotReady`] another try may succeed.
pub fn locate<M: Memory>(process: &Process, memory: &mut M) -> Result<Located, LocateError> {
    let found = locate_all(process, memory)?;
    found.into_iter().next().ok_or(LocateError::NotPython)
}

/// Finds each Python of a process, at least one, the likeliest first. A program may load several that
/// know nothing of one another, each with interpreters and a GIL of its own.
///
/// # Errors
/// As [`locate`], when there is none.
pub fn locate_all<M: Memory>(
    process: &Process,
    memory: &mut M,
) -> Result<Vec<Located>, LocateError> {
    let maps = process.maps().map_err(|error| match error.kind() {
        io::ErrorKind::PermissionDenied => LocateError::PermissionDenied,
        _ if !process.is_alive() => LocateError::Gone,
        _ => LocateError::Unreadable(error),
    })?;
    let is_executable = |mapping: &Mapping| {
        process
            .executable()
            .is_some_and(|executable| executable.id == mapping.file_id())
    };
    let found = Search {
        maps: &maps,
        memory,
        open: |mapping: &Mapping| open_mapping(process, mapping).ok(),
    }
    .run(is_executable);
    found.map_err(|failure| match (failure, process.standing()) {
        (_, Standing::Ended) => LocateError::Gone,
        (_, Standing::Replaced) => LocateError::Replaced,
        (Failure::NothingReadable, Standing::Same) => LocateError::PermissionDenied,
        (Failure::Known(error), Standing::Same) => error,
    })
}

impl From<LayoutError> for LocateError {
    fn from(error: LayoutError) -> LocateError {
        match error {
            LayoutError::UnknownVersion(version) => LocateError::UnsupportedVersion { version },
            error => LocateError::Layout(error),
        }
    }
}

enum Failure {
    Known(LocateError),
    /// The beginning of no file could be read from memory.
    NothingReadable,
}

impl From<LocateError> for Failure {
    fn from(error: LocateError) -> Failure {
        Failure::Known(error)
    }
}

/// The search through one process's memory.
struct Search<'a, M, F> {
    /// In the order of addresses.
    maps: &'a [Mapping],
    memory: &'a mut M,
    open: F,
}

/// Where to look for addresses.
#[derive(Clone, Copy)]
enum Source {
    DynamicSymbols,
    File,
    Data,
}

impl<M: Memory, F: Fn(&Mapping) -> Option<MappedFile>> Search<'_, M, F> {
    fn run(mut self, is_executable: impl Fn(&Mapping) -> bool) -> Result<Vec<Located>, Failure> {
        let found = image::images(self.maps, self.memory, Among::Files);
        let mut images = found.images;
        if images.is_empty() && found.foreign + found.unreadable > 0 {
            return Err(if found.foreign > 0 {
                LocateError::NotSixtyFourBit.into()
            } else {
                Failure::NothingReadable
            });
        }
        // The likely ones first. The executable comes before files named after Python, as it does
        // for the loader, which takes a symbol from the first file that has it.
        images.sort_by_key(|image| {
            let named = contains_word(image.mapping.file_name(), b"python");
            (!is_executable(image.mapping), !named)
        });

        let reason = match self.search_images(&images) {
            Err(LocateError::NotPython) => {
                let unpacked = image::images(self.maps, self.memory, Among::Anonymous);
                images.extend(unpacked.images);
                self.search_images(&images)
            }
            found => found,
        };
        let is_pypy = |image: &Image<'_>| contains_word(image.mapping.file_name(), b"pypy");
        match reason {
            Err(LocateError::NotPython) if images.iter().any(is_pypy) => {
                Err(LocateError::PyPy.into())
            }
            found => found.map_err(Failure::from),
        }
    }

    /// All Pythons that are found by the first source that finds any.
    fn search_images(&mut self, images: &[Image<'_>]) -> Result<Vec<Located>, LocateError> {
        let mut reason = LocateError::NotPython;
        for source in [Source::DynamicSymbols, Source::File, Source::Data] {
            let mut found: Vec<Located> = Vec::new();
            for image in images {
                match self.search_image(image, images, source) {
                    Ok(Some(located)) => {
                        if !self.is_among(&located, &found) && found.len() < MAX_PYTHONS {
                            found.push(located);
                        }
                    }
                    Ok(None) => {}
                    Err(error) => reason = more_telling(reason, error),
                }
            }
            if !found.is_empty() {
                let cpu_id = rseq::cpu_id(images, self.memory);
                for located in &mut found {
                    located.cpu_id = cpu_id;
                }
                return Ok(found);
            }
            if !matches!(reason, LocateError::NotPython) {
                return Err(reason);
            }
        }
        Err(reason)
    }

    /// Whether one of `found` leads to the same interpreters: an executable that is not
    /// position-independent and the library whose variables it holds copies of are one Python.
    fn is_among(&mut self, located: &Located, found: &[Located]) -> bool {
        let interpreters = self.first_interpreter(located);
        found
            .iter()
            .any(|other| self.first_interpreter(other) == interpreters)
    }

    fn first_interpreter(&mut self, located: &Located) -> Option<Addr> {
        let head = match located.runtime {
            RuntimeAddress::Variables { interp_head, .. } => interp_head,
            RuntimeAddress::Runtime(runtime) => {
                let layout = match &located.debug_offsets {
                    Some(bytes) => layout::from_debug_offsets(bytes).ok()?,
                    None => layout::builtin(located.version).ok()?,
                };
                runtime.plus(layout.runtime.interpreters_head.into())
            }
        };
        self.memory.read_addr(head).ok()
    }

    fn search_image(
        &mut self,
        image: &Image<'_>,
        images: &[Image<'_>],
        source: Source,
    ) -> Result<Option<Located>, LocateError> {
        match source {
            Source::DynamicSymbols => {
                if let Some(runtime) = dynamic::symbol(image, self.memory, "_PyRuntime") {
                    return self.try_runtime(image, images, runtime).map(Some);
                }
                match dynamic::symbol(image, self.memory, "_PyThreadState_Current") {
                    Some(current) => self.try_variables(image, images, Some(current), None),
                    None => Ok(None),
                }
            }
            Source::File => self.search_file(image, images),
            Source::Data => self.search_data(image, images),
        }
    }

    fn search_file(
        &mut self,
        image: &Image<'_>,
        images: &[Image<'_>],
    ) -> Result<Option<Located>, LocateError> {
        let Some(file) = self.file_of(image) else {
            return Ok(None);
        };
        let in_memory = |at: u64| Addr(image.bias.wrapping_add(at));
        if let Some(at) = file.section_address(".PyRuntime").map(in_memory) {
            return self.try_runtime(image, images, at).map(Some);
        }
        let [runtime, interp_head, current] = file
            .symbol_addresses(["_PyRuntime", "interp_head", "_PyThreadState_Current"])
            .map(|address| address.map(in_memory));
        if let Some(runtime) = runtime {
            return self.try_runtime(image, images, runtime).map(Some);
        }
        if let Some(interp_head) = interp_head {
            return self.try_variables(image, images, current, Some(interp_head));
        }
        Ok(None)
    }

    /// The file of an image, if it is the one that was loaded: the build id in memory decides, and
    /// where there is none, device and inode.
    fn file_of(&mut self, image: &Image<'_>) -> Option<ElfFile> {
        let MappedFile { file, exact } = (self.open)(image.mapping)?;
        let file = ElfFile::open(file)?;
        let is_the_same = match image.build_id(self.memory) {
            Some(id) => file.build_id() == Some(id),
            None => exact && file.build_id().is_none(),
        };
        is_the_same.then_some(file)
    }

    fn search_data(
        &mut self,
        image: &Image<'_>,
        images: &[Image<'_>],
    ) -> Result<Option<Located>, LocateError> {
        let mut cookies = Vec::new();
        scan(self.memory, image, 0, |at, chunk| {
            let words = chunk.chunks_exact(8).zip(0u64..);
            cookies.extend(
                words
                    .filter(|(word, _)| *word == COOKIE)
                    .map(|(_, index)| at.plus(index * 8)),
            );
            cookies.len() < MAX_COOKIES
        });
        for runtime in cookies {
            if let Ok(located) = self.try_runtime(image, images, runtime) {
                return Ok(Some(located));
            }
        }

        // From 3.13 on there would have been a cookie.
        let is_older = |version: PythonVersion| (version.major, version.minor) < (3, 13);
        let Some(version) = self.version_text(image, is_older) else {
            return Ok(None);
        };
        let walk = Walk::new(&layout::builtin(version)?);
        let mut holders = walk.holders(self.memory, image, self.maps);
        if has_runtime(version) {
            holders.retain(|holder| walk.is_in_runtime(self.memory, *holder));
        }
        let Some(holder) = self.most_telling(&walk, &holders) else {
            return Err(LocateError::Finalized);
        };
        let runtime = if has_runtime(version) {
            RuntimeAddress::Runtime(Addr(holder.0.wrapping_sub(walk.interpreters_head)))
        } else {
            RuntimeAddress::Variables {
                interp_head: holder,
                current_thread: self.current_thread(&walk, images, holder, None),
            }
        };
        Ok(Some(located(image, version, runtime, None)))
    }

    /// Assumes that an address is that of `_PyRuntime`, and tries to prove it.
    fn try_runtime(
        &mut self,
        image: &Image<'_>,
        images: &[Image<'_>],
        runtime: Addr,
    ) -> Result<Located, LocateError> {
        let head = self.read_head(runtime);
        let (version, layout, debug_offsets) = if head.starts_with(COOKIE) {
            let layout = layout::from_debug_offsets(&head)?;
            (layout.version, layout, Some(head))
        } else {
            let Some(version) = self.version_of(image, images, has_runtime) else {
                return Err(self.without_version(image, runtime));
            };
            (version, layout::builtin(version)?, None)
        };
        let walk = Walk::new(&layout);
        match walk.prove(self.memory, runtime.plus(walk.interpreters_head)) {
            Proof::Proven => Ok(located(
                image,
                version,
                RuntimeAddress::Runtime(runtime),
                debug_offsets,
            )),
            Proof::Empty => {
                let head = runtime.plus(walk.interpreters_head);
                Err(self.without_interpreter(image, images, head))
            }
            Proof::Refuted => Err(LocateError::NotPython),
        }
    }

    /// The error for a runtime that has no interpreter, or whose interpreter has no thread: not ready
    /// yet, or shut down. The text of the version is made with the first interpreter, and stays when
    /// that is shut down. `interpreters.main`, which follows the head, is then cleared.
    fn without_interpreter(
        &mut self,
        image: &Image<'_>,
        images: &[Image<'_>],
        head: Addr,
    ) -> LocateError {
        let mut words = [head, head.plus(8)].into_iter();
        let are_gone = words.all(|at| self.memory.read_addr(at) == Ok(Addr::NULL));
        let mut all = std::iter::once(image).chain(images);
        match are_gone && all.any(|image| self.version_text(image, has_runtime).is_some()) {
            true => LocateError::Finalized,
            false => LocateError::NotReady,
        }
    }

    /// The error for a runtime whose version no text tells. The text is made when `sys` is, so either it
    /// is too early, or this is a relative of CPython that has another text.
    fn without_version(&mut self, image: &Image<'_>, runtime: Addr) -> LocateError {
        let empty = version::version_in_name(image.mapping.file_name())
            .and_then(|version| layout::builtin(version).ok())
            .is_none_or(|layout| {
                let walk = Walk::new(&layout);
                walk.prove(self.memory, runtime.plus(walk.interpreters_head)) == Proof::Empty
            });
        // `interpreters.head` is at one of these in all versions without debug offsets.
        let is_zero = [24, 32, 40].iter().all(|offset| {
            self.memory
                .read_u64(runtime.plus(*offset))
                .is_ok_and(|word| word == 0)
        });
        if empty && is_zero {
            LocateError::NotReady
        } else {
            LocateError::UnknownVersion {
                binary: image.mapping.display_path(),
            }
        }
    }

    /// Assumes that addresses, which were found in the image `of`, are those of the variables of 2.7 and
    /// 3.6, and tries to prove it.
    fn try_variables(
        &mut self,
        of: &Image<'_>,
        images: &[Image<'_>],
        current: Option<Addr>,
        interp_head: Option<Addr>,
    ) -> Result<Option<Located>, LocateError> {
        // The variables are in the image that also holds the version's text, even if a program
        // that is not position-independent has its own copy of the exported one.
        let is_old = |version| !has_runtime(version);
        let Some((image, version)) = std::iter::once(of)
            .chain(images)
            .find_map(|image| Some((image, self.version_text(image, is_old)?)))
        else {
            return Err(LocateError::NotReady);
        };
        let walk = Walk::new(&layout::builtin(version)?);
        let interp_head = match interp_head {
            Some(at) => at,
            None => self.find_interp_head(image, &walk, current)?,
        };
        match walk.prove(self.memory, interp_head) {
            Proof::Proven => Ok(Some(located(
                image,
                version,
                RuntimeAddress::Variables {
                    interp_head,
                    current_thread: self.current_thread(&walk, images, interp_head, current),
                },
                None,
            ))),
            Proof::Empty => Err(LocateError::Finalized),
            Proof::Refuted => Ok(None),
        }
    }

    /// Finds `interp_head`, which is not exported: by its symbol in the file, else by its place near the
    /// exported variable, else by a scan.
    fn find_interp_head(
        &mut self,
        image: &Image<'_>,
        walk: &Walk,
        current: Option<Addr>,
    ) -> Result<Addr, LocateError> {
        let from_file = self.file_of(image).and_then(|file| {
            let [address] = file.symbol_addresses(["interp_head"]);
            address
        });
        if let Some(address) = from_file {
            return Ok(Addr(image.bias.wrapping_add(address)));
        }
        // Python/pystate.c defines the two close to each other: in 2.7 `interp_head` follows directly,
        // in 3.6 there is one more variable between them.
        let near: Vec<Addr> = current
            .filter(|current| image.contains(*current))
            .map(|current| vec![current.plus(8), current.plus(16)])
            .unwrap_or_default()
            .into_iter()
            .filter(|holder| walk.prove(self.memory, *holder) == Proof::Proven)
            .collect();
        if let Some(holder) = self.most_telling(walk, &near) {
            return Ok(holder);
        }
        let holders = walk.holders(self.memory, image, self.maps);
        self.most_telling(walk, &holders)
            .ok_or(LocateError::NotReady)
    }

    /// Finds `_PyThreadState_Current`. The candidates are `likely`, which a symbol gave, the same symbol
    /// in any image, and its place before `interp_head`. The first one that leads to a thread of these
    /// interpreters counts. While no thread has the GIL the variable is null; then only a symbol is
    /// believed. `None` where it cannot be told.
    fn current_thread(
        &mut self,
        walk: &Walk,
        images: &[Image<'_>],
        interp_head: Addr,
        likely: Option<Addr>,
    ) -> Option<Addr> {
        let exported = images
            .iter()
            .filter_map(|image| dynamic::symbol(image, self.memory, "_PyThreadState_Current"));
        let named: Vec<Addr> = likely.into_iter().chain(exported).collect();
        // See `find_interp_head`.
        let near = [8, 16].map(|before| Addr(interp_head.0.wrapping_sub(before)));
        let mut empty = None;
        for &variable in named.iter().chain(&near) {
            match walk.prove_current(self.memory, interp_head, variable) {
                Proof::Proven => return Some(variable),
                Proof::Empty if named.contains(&variable) => empty = empty.or(Some(variable)),
                Proof::Empty | Proof::Refuted => {}
            }
        }
        empty
    }

    /// Of several pointers to an interpreter, the one that leads to the most interpreters:
    /// `autoInterpreterState` and `_PyRuntime.interpreters.main` point at the oldest, which is the
    /// last of the list. Among equals it is the first in memory, since the head is defined before
    /// these.
    fn most_telling(&mut self, walk: &Walk, holders: &[Addr]) -> Option<Addr> {
        let mut best: Option<(usize, Addr)> = None;
        for holder in holders {
            let count = walk.interpreters(self.memory, *holder).len();
            if best.is_none_or(|(most, _)| count > most) {
                best = Some((count, *holder));
            }
        }
        best.map(|(_, holder)| holder)
    }

    fn read_head(&mut self, runtime: Addr) -> Vec<u8> {
        [DEBUG_OFFSETS_SIZE_LIMIT, 888, 760, 584, 48]
            .into_iter()
            .find_map(|size| self.memory.read_vec(runtime, size).ok())
            .unwrap_or_default()
    }

    /// The version that an image tells or, if it tells none, another one. An executable that is not
    /// position-independent may hold a copy of a library's `_PyRuntime`.
    fn version_of(
        &mut self,
        image: &Image<'_>,
        images: &[Image<'_>],
        accept: fn(PythonVersion) -> bool,
    ) -> Option<PythonVersion> {
        std::iter::once(image).chain(images).find_map(|image| {
            self.version_symbol(image)
                .filter(|version| accept(*version))
                .or_else(|| self.version_text(image, accept))
        })
    }

    /// `const unsigned long Py_Version = PY_VERSION_HEX`, from 3.11 on.
    fn version_symbol(&mut self, image: &Image<'_>) -> Option<PythonVersion> {
        let at = dynamic::symbol(image, self.memory, "Py_Version")?;
        plausible(PythonVersion::from_hex(
            self.memory.read_u32(at).ok()?,
            false,
        ))
    }

    fn version_text(
        &mut self,
        image: &Image<'_>,
        accept: impl Fn(PythonVersion) -> bool,
    ) -> Option<PythonVersion> {
        let mut found = None;
        scan(self.memory, image, version::MAX_TEXT as u64, |_, chunk| {
            found = version::find_version(chunk, &accept);
            found.is_none()
        });
        found
    }
}

fn located(
    image: &Image<'_>,
    version: PythonVersion,
    runtime: RuntimeAddress,
    debug_offsets: Option<Vec<u8>>,
) -> Located {
    let binary = match image.mapping.is_file() {
        true => image.mapping.display_path(),
        false => TargetStr::new("[anonymous memory]"),
    };
    Located {
        version,
        runtime,
        binary,
        debug_offsets,
        cpu_id: None,
    }
}

/// `_PyRuntime` came with 3.7.
fn has_runtime(version: PythonVersion) -> bool {
    (version.major, version.minor) >= (3, 7)
}

fn plausible(version: PythonVersion) -> Option<PythonVersion> {
    (version.major == 3 || (version.major, version.minor) == (2, 7)).then_some(version)
}

/// The error that says more: any beats "not Python", and "not ready" beats the rest, since it may pass
/// with time.
fn more_telling(one: LocateError, other: LocateError) -> LocateError {
    match (&one, &other) {
        (_, LocateError::NotPython) | (LocateError::NotReady, _) => one,
        _ => other,
    }
}

fn contains_word(text: &[u8], word: &[u8]) -> bool {
    text.windows(word.len())
        .any(|part| part.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests;
