//! A file that is written whole or not at all.
//!
//! A regular file is created under a temporary name in the directory where it belongs, and renamed when
//! it is complete. Both are done through a handle of the directory, so that nobody can make the path
//! lead elsewhere meanwhile. Standard output, FIFOs and devices are written directly.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{self, AtFlags, FileType, Mode, OFlags};

use super::credentials::{Caller, as_caller};

/// Where the output goes, known to be writable.
#[derive(Debug)]
pub struct Destination {
    place: Place,
    caller: Option<Caller>,
}

#[derive(Debug)]
enum Place {
    /// It is already open: standard output, a device, a FIFO with a reader.
    Open(File),
    /// A FIFO that nobody reads yet. Opening it waits for a reader, so it is opened only at the end.
    Fifo(OsString),
    Regular(Regular),
}

#[derive(Clone, Debug)]
struct Regular {
    directory: Arc<OwnedFd>,
    name: OsString,
    /// The mode of the file that is there already, so that a private one stays private.
    mode: Option<Mode>,
}

impl Destination {
    /// Finds out what `path` is and whether it can be written, as `caller`; `-` is standard
    /// output. Nothing that is there is changed.
    ///
    /// # Errors
    /// Why it cannot be written.
    pub fn check(path: &Path, caller: Option<&Caller>) -> io::Result<Destination> {
        let place = match inherited(path) {
            Some(fd) => Place::Open(File::from(fd?)),
            None => as_caller(caller, || Place::find(path))?,
        };
        Ok(Destination {
            place,
            caller: caller.cloned(),
        })
    }

    /// Whether the output will be a regular file, which can be opened with its path.
    #[must_use]
    pub fn is_regular(&self) -> bool {
        matches!(self.place, Place::Regular(_))
    }

    /// Opens the place for writing.
    ///
    /// # Errors
    /// When it can no longer be written.
    pub fn create(&self) -> io::Result<OutputFile> {
        let caller = self.caller.as_ref();
        match &self.place {
            Place::Open(file) => Ok(OutputFile {
                file: file.try_clone()?,
                unfinished: None,
            }),
            Place::Fifo(path) => Ok(OutputFile {
                file: as_caller(caller, || {
                    let flags = OFlags::WRONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
                    Ok(File::from(fs::open(path, flags, Mode::empty())?))
                })?,
                unfinished: None,
            }),
            Place::Regular(regular) => {
                as_caller(caller, || regular.create()).map(|(file, temporary)| OutputFile {
                    file,
                    unfinished: Some(Unfinished {
                        regular: regular.clone(),
                        temporary,
                        caller: self.caller.clone(),
                    }),
                })
            }
        }
    }
}

/// The descriptor of our own process for which a path stands, if it does. Such a path must not be
/// written like others: `/dev/stdout` may be a link to a file beside which nothing can be created.
fn inherited(path: &Path) -> Option<io::Result<OwnedFd>> {
    let text = path.to_str()?;
    let number = match text {
        "-" | "/dev/stdout" => 1,
        "/dev/stderr" => 2,
        _ => ["/dev/fd/", "/proc/self/fd/"]
            .iter()
            .find_map(|prefix| text.strip_prefix(prefix))?
            .parse::<u32>()
            .ok()?,
    };
    Some(match number {
        1 => io::stdout().as_fd().try_clone_to_owned(),
        2 => io::stderr().as_fd().try_clone_to_owned(),
        // Any other descriptor that we were given is opened anew, through the kernel's link to it.
        _ => File::options()
            .append(true)
            .open(format!("/proc/self/fd/{number}"))
            .map(OwnedFd::from),
    })
}

impl Place {
    fn find(path: &Path) -> io::Result<Place> {
        let name = path
            .file_name()
            .ok_or_else(|| io::Error::from(io::ErrorKind::IsADirectory))?;
        let parent = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = fs::open(parent, flags, Mode::empty())?;
        let mode = match fs::statat(&directory, name, AtFlags::SYMLINK_NOFOLLOW) {
            Err(rustix::io::Errno::NOENT) => None,
            Err(error) => return Err(error.into()),
            Ok(stat) => match FileType::from_raw_mode(stat.st_mode) {
                FileType::RegularFile => {
                    // This fails if the file is write-protected; renaming over it would not.
                    open_there(&directory, name, OFlags::WRONLY)?;
                    Some(Mode::from_raw_mode(stat.st_mode))
                }
                // The link itself is replaced; the file that it points to is left alone.
                FileType::Symlink => None,
                FileType::Directory => return Err(io::ErrorKind::IsADirectory.into()),
                FileType::Fifo => {
                    return match open_there(&directory, name, OFlags::WRONLY) {
                        Ok(file) => Ok(Place::Open(wait_when_full(file)?)),
                        Err(error) if error.raw_os_error() == Some(libc::ENXIO) => {
                            Ok(Place::Fifo(path.as_os_str().to_owned()))
                        }
                        Err(error) => Err(error),
                    };
                }
                _ => {
                    let file = open_there(&directory, name, OFlags::WRONLY)?;
                    return Ok(Place::Open(wait_when_full(file)?));
                }
            },
        };
        let regular = Regular {
            directory: Arc::new(directory),
            name: name.to_owned(),
            mode,
        };
        // The only sure way to know that a file can be created is to create one.
        let (_, temporary) = regular.create()?;
        regular.remove(&temporary);
        Ok(Place::Regular(regular))
    }
}

fn open_there(directory: &OwnedFd, name: &OsStr, access: OFlags) -> io::Result<File> {
    let flags = access | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
    Ok(File::from(fs::openat(
        directory,
        name,
        flags,
        Mode::empty(),
    )?))
}

fn wait_when_full(file: File) -> io::Result<File> {
    let flags = fs::fcntl_getfl(&file)?;
    fs::fcntl_setfl(&file, flags - OFlags::NONBLOCK)?;
    Ok(file)
}

impl Regular {
    fn create(&self) -> io::Result<(File, OsString)> {
        // A name may be taken by another output of ours, or by a stranger who guessed it.
        for attempt in 0..100 {
            let name = self.temporary_name(attempt);
            let flags =
                OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let mode = self.mode.unwrap_or(Mode::from_raw_mode(0o666));
            match fs::openat(&*self.directory, &name, flags, mode) {
                Ok(file) => return Ok((File::from(file), name)),
                Err(rustix::io::Errno::EXIST) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }

    fn temporary_name(&self, attempt: u32) -> OsString {
        const LONGEST_NAME: usize = 255;
        let suffix = format!(".{}-{attempt}.tmp", std::process::id());
        let kept = self.name.len().min(LONGEST_NAME - 1 - suffix.len());
        let mut name = OsString::from(".");
        name.push(OsStr::from_bytes(&self.name.as_bytes()[..kept]));
        name.push(suffix);
        name
    }

    fn remove(&self, temporary: &OsStr) {
        // Nothing better can be done about a file that cannot be removed.
        let _ = fs::unlinkat(&*self.directory, temporary, AtFlags::empty());
    }
}

/// An output that is being written. If it is dropped before [`commit`](Self::commit), a regular file
/// leaves no trace.
#[derive(Debug)]
pub struct OutputFile {
    file: File,
    unfinished: Option<Unfinished>,
}

/// A file that is not yet in its place.
#[derive(Clone, Debug)]
pub struct Unfinished {
    regular: Regular,
    temporary: OsString,
    caller: Option<Caller>,
}

impl Unfinished {
    /// Removes the file.
    pub fn discard(&self) {
        let _ = as_caller(self.caller.as_ref(), || {
            self.regular.remove(&self.temporary);
            Ok(())
        });
    }
}

impl OutputFile {
    /// The file to discard when writing is broken off from outside.
    #[must_use]
    pub fn unfinished(&self) -> Option<Unfinished> {
        self.unfinished.clone()
    }

    /// Waits until everything is on disk, if it is a regular file.
    ///
    /// # Errors
    /// When it could not be written to disk.
    pub fn sync(&self) -> io::Result<()> {
        match self.unfinished {
            Some(_) => self.file.sync_data(),
            None => Ok(()),
        }
    }

    /// Puts the file in its place, complete and on disk.
    ///
    /// # Errors
    /// When it could not be written completely; then what was there before is still there.
    pub fn commit(mut self) -> io::Result<()> {
        self.file.flush()?;
        let Some(unfinished) = &self.unfinished else {
            return Ok(());
        };
        self.sync()?;
        let regular = &unfinished.regular;
        as_caller(unfinished.caller.as_ref(), || {
            let directory = &*regular.directory;
            Ok(fs::renameat(
                directory,
                &unfinished.temporary,
                directory,
                &regular.name,
            )?)
        })?;
        self.unfinished = None;
        Ok(())
    }
}

impl Write for OutputFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for OutputFile {
    fn drop(&mut self) {
        if let Some(unfinished) = self.unfinished.take() {
            unfinished.discard();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(directory: &Path) -> Vec<OsString> {
        let entries = std::fs::read_dir(directory).unwrap();
        entries.map(|entry| entry.unwrap().file_name()).collect()
    }

    #[test]
    fn a_file_appears_when_it_is_complete() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.svg");
        let destination = Destination::check(&path, None).unwrap();
        assert!(names(directory.path()).is_empty());
        let mut file = destination.create().unwrap();
        file.write_all(b"whole").unwrap();
        assert!(!path.exists());
        file.commit().unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"whole");
        assert_eq!(names(directory.path()), ["x.svg"]);
    }

    #[test]
    fn an_output_that_is_broken_off_leaves_the_old_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.svg");
        std::fs::write(&path, "before").unwrap();
        let destination = Destination::check(&path, None).unwrap();
        let mut file = destination.create().unwrap();
        file.write_all(b"half").unwrap();
        drop(file);
        assert_eq!(std::fs::read(&path).unwrap(), b"before");
        assert_eq!(names(directory.path()), ["x.svg"]);
    }

    #[test]
    fn a_link_is_replaced_and_not_followed() {
        let directory = tempfile::tempdir().unwrap();
        let (path, other) = (
            directory.path().join("x.svg"),
            directory.path().join("other"),
        );
        std::fs::write(&other, "precious").unwrap();
        std::os::unix::fs::symlink(&other, &path).unwrap();
        let destination = Destination::check(&path, None).unwrap();
        let mut file = destination.create().unwrap();
        file.write_all(b"new").unwrap();
        file.commit().unwrap();
        assert_eq!(std::fs::read(&other).unwrap(), b"precious");
        assert_eq!(std::fs::read(&path).unwrap(), b"new");
    }

    #[test]
    fn a_long_name_and_a_private_file_stay_what_they_are() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x".repeat(255));
        std::fs::write(&path, "").unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
        Destination::check(&path, None)
            .unwrap()
            .create()
            .unwrap()
            .commit()
            .unwrap();
        assert_eq!(
            std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
    }

    #[test]
    fn a_path_that_cannot_be_written_is_refused_before_writing() {
        let directory = tempfile::tempdir().unwrap();
        for path in [
            directory.path().to_owned(),
            directory.path().join("no/x.svg"),
        ] {
            assert!(Destination::check(&path, None).is_err(), "{path:?}");
        }
    }
}
