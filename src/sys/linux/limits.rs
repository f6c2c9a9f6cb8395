//! Limits of what the kernel lets us use.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Raises our limit of open files to what the system allows: reading a process keeps two files
/// open for each of its threads. Children that are started afterwards inherit it.
pub fn raise_open_files() {
    if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        // If that fails, fewer threads can be watched, which is no reason to stop.
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
}
