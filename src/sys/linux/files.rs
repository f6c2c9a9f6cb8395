//! Opening files by names that somebody else chose.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

/// As many links in one path as the kernel follows (`MAXSYMLINKS`).
const MAX_LINKS: usize = 40;

/// Opens a regular file for reading, with `root` for the root directory of the path and of all
/// links in it. Nothing but a regular file is ever opened, not even for an instant: opening a
/// FIFO or a device has effects.
///
/// # Errors
/// What the system calls give; `InvalidInput` when the path leads to something else than a regular
/// file.
pub fn open_regular_in_root(root: BorrowedFd<'_>, path: &Path) -> io::Result<File> {
    reopen_regular(resolve_in_root(root, path)?.as_fd())
}

/// Opens for reading what an `O_PATH` handle stands for, if that is a regular file.
///
/// # Errors
/// As [`open_regular_in_root`].
pub fn reopen_regular(handle: BorrowedFd<'_>) -> io::Result<File> {
    let kind = FileType::from_raw_mode(rustix::fs::fstat(handle)?.st_mode);
    if kind != FileType::RegularFile {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "not a regular file",
        ));
    }
    let link = format!("/proc/self/fd/{}", handle.as_raw_fd());
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    Ok(rustix::fs::open(link, flags, Mode::empty())?.into())
}

fn resolve_in_root(root: BorrowedFd<'_>, path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    // EAGAIN: something on the way was renamed meanwhile, and the kernel could not tell whether
    // `..` left the root (openat2(2)).
    for _ in 0..16 {
        match rustix::fs::openat2(root, path, flags, Mode::empty(), resolve) {
            Ok(handle) => return Ok(handle),
            Err(Errno::AGAIN | Errno::INTR) => {}
            // Before 5.6 there is no openat2, and the filters of older container runtimes answer
            // EPERM to calls that they do not know.
            Err(Errno::NOSYS | Errno::PERM) => return walk_in_root(root, path),
            Err(error) => return Err(error.into()),
        }
    }
    Err(Errno::AGAIN.into())
}

/// What `RESOLVE_IN_ROOT` does, one component at a time: no link is followed by the kernel, and
/// `..` goes back to the directory that we came from, never above the root.
fn walk_in_root(root: BorrowedFd<'_>, path: &Path) -> io::Result<OwnedFd> {
    let step = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut directories: Vec<OwnedFd> = Vec::new();
    let mut pending = components_reversed(path);
    let mut links = 0;
    let mut last = None;
    while let Some(name) = pending.pop() {
        if let Some(directory) = last.take() {
            directories.push(directory);
        }
        if name.as_os_str() == ".." {
            directories.pop();
            continue;
        }
        let here = directories.last().map_or(root, AsFd::as_fd);
        let next = rustix::fs::openat(here, &name, step, Mode::empty())?;
        let kind = FileType::from_raw_mode(rustix::fs::fstat(&next)?.st_mode);
        if kind != FileType::Symlink {
            last = Some(next);
            continue;
        }
        links += 1;
        if links > MAX_LINKS {
            return Err(Errno::LOOP.into());
        }
        let text = rustix::fs::readlinkat(&next, "", Vec::new())?;
        let target = Path::new(OsStr::from_bytes(text.as_bytes()));
        if target.is_absolute() {
            directories.clear();
        }
        pending.extend(components_reversed(target));
    }
    last.or_else(|| directories.pop())
        .ok_or_else(|| Errno::ISDIR.into())
}

/// The components of a path, last first, without the root and `.`.
fn components_reversed(path: &Path) -> Vec<PathBuf> {
    path.components()
        .filter(|part| matches!(part, Component::Normal(_) | Component::ParentDir))
        .map(|part| PathBuf::from(part.as_os_str()))
        .rev()
        .collect()
}

/// The identity of an open or named file.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct FileId {
    pub dev: u64,
    pub inode: u64,
}

/// # Errors
/// What `fstat` gives.
pub fn file_id(file: impl AsFd) -> io::Result<FileId> {
    let stat = rustix::fs::fstat(file)?;
    Ok(FileId {
        dev: stat.st_dev,
        inode: stat.st_ino,
    })
}

/// The identity of what a name below a directory leads to, links followed.
///
/// # Errors
/// What `statat` gives.
pub fn file_id_at(directory: impl AsFd, name: &str) -> io::Result<FileId> {
    let stat = rustix::fs::statat(directory, name, AtFlags::empty())?;
    Ok(FileId {
        dev: stat.st_dev,
        inode: stat.st_ino,
    })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    fn directory(path: &Path) -> OwnedFd {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        rustix::fs::open(path, flags, Mode::empty()).expect("opens")
    }

    #[test]
    fn walking_by_hand_leads_where_the_kernel_does() {
        let outer = tempfile::tempdir().expect("a directory");
        let root = outer.path().join("root");
        fs::create_dir_all(root.join("a/b")).expect("creates");
        fs::write(outer.path().join("file"), "outside").expect("writes");
        fs::write(root.join("a/file"), "inside").expect("writes");
        fs::write(root.join("file"), "top").expect("writes");
        for (link, target) in [
            ("absolute", "/a/file"),
            ("up", "../../../file"),
            ("a/b/relative", "../file"),
            ("a/directory", "/a/b"),
            ("chain", "absolute"),
            ("loop", "loop"),
            ("dangling", "/none"),
            ("out", "../file"),
        ] {
            symlink(target, root.join(link)).expect("links");
        }
        let handle = directory(&root);
        for path in [
            "/file",
            "/a/file",
            "/absolute",
            "/up",
            "/out",
            "/chain",
            "/a/b/relative",
            "/a/directory/relative",
            "/a/directory/../file",
            "/../../a/./file",
            "/../file",
            "/loop",
            "/dangling",
            "/none/file",
            "/a",
        ] {
            let path = Path::new(path);
            let place = |found: io::Result<OwnedFd>| found.and_then(file_id).ok();
            let by_hand = place(walk_in_root(handle.as_fd(), path));
            let by_kernel = place(resolve_in_root(handle.as_fd(), path));
            assert_eq!(by_hand, by_kernel, "{}", path.display());
        }
        let opened = open_regular_in_root(handle.as_fd(), Path::new("/out")).expect("opens");
        assert_eq!(io::read_to_string(opened).expect("reads"), "top");
        assert!(open_regular_in_root(handle.as_fd(), Path::new("/a")).is_err());
    }
}
