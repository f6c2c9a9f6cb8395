//! Opening files that a target names or has mapped. The target may be hostile: see
//! `sys::linux::files` for what is done about that.

use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{Mode, OFlags};

use super::maps::Mapping;
use super::process::Process;
use crate::sys::linux::credentials::{AssumedIdentity, FilesystemIdentity};
use crate::sys::linux::files::{file_id, open_regular_in_root, reopen_regular};

/// Opens, for reading, the regular file that `path` leads to in the target's root and with the
/// target's rights.
///
/// # Errors
/// `InvalidInput` when it is no regular file; else what the system says.
pub fn open_file(process: &Process, path: &Path) -> io::Result<File> {
    if !path.is_absolute() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "not an absolute path",
        ));
    }
    // Looking into another process's root needs our own rights, so this comes first.
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let living = process.living();
    let root = rustix::fs::openat(living.handle(), "root", flags, Mode::empty())?;
    let identity = identity_of(process)?;
    let _assumed = AssumedIdentity::assume(&identity)?;
    open_regular_in_root(std::os::fd::AsFd::as_fd(&root), path)
}

/// Opens, for reading, the regular file that `path` leads to in our own root: for a program that has ended and
/// was in the same.
///
/// # Errors
/// `InvalidInput` when it is no regular file; else what the system says.
pub fn open_in_own_root(path: &Path) -> io::Result<File> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = rustix::fs::open("/", flags, Mode::empty())?;
    open_regular_in_root(std::os::fd::AsFd::as_fd(&root), path)
}

/// Opens the file behind a mapping. With the necessary rights, this works even if the file is deleted
/// or another one has its name now. Without them, the result says that it may be another file.
///
/// # Errors
/// What the system says; `InvalidInput` when it is no regular file.
pub fn open_mapping(process: &Process, mapping: &Mapping) -> io::Result<MappedFile> {
    // The kernel's direct links to the file; the first needs CAP_SYS_ADMIN or CAP_CHECKPOINT_RESTORE.
    // Since the target has mapped the file, it may read it.
    let links = [
        format!("map_files/{:x}-{:x}", mapping.start.0, mapping.end.0),
        "exe".to_owned(),
    ];
    let living = process.living();
    for link in &links {
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        let Ok(handle) = rustix::fs::openat(living.handle(), link, flags, Mode::empty()) else {
            continue;
        };
        let exact = link != "exe" || file_id(&handle)? == mapping.file_id();
        if exact && let Ok(file) = reopen_regular(std::os::fd::AsFd::as_fd(&handle)) {
            return Ok(MappedFile { file, exact });
        }
    }
    let path = Path::new(std::ffi::OsStr::from_bytes(mapping.file_path()));
    let file = open_file(process, path)?;
    let exact = file_id(&file)? == mapping.file_id();
    Ok(MappedFile { file, exact })
}

/// A file that should be the one behind a mapping.
#[derive(Debug)]
pub struct MappedFile {
    pub file: File,
    /// Whether device and inode say that it is that file. If not, it may still be: some filesystems give
    /// another device in mappings than in `stat`. Then the content must tell.
    pub exact: bool,
}

fn identity_of(process: &Process) -> io::Result<FilesystemIdentity> {
    let status = process.status()?;
    let (Some(uids), Some(gids)) = (status.uids, status.gids) else {
        return Err(io::ErrorKind::PermissionDenied.into());
    };
    Ok(FilesystemIdentity {
        uid: uids[3],
        gid: gids[3],
        groups: status.groups,
    })
}
