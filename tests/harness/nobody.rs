//! Programs of an ordinary user, where the tests run as root.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{Place, interpreters};
use crate::common::{lacking, skipped};

const NOBODY: u32 = 65534;

/// A directory that everyone may use, with the binary, and a Python that everyone may run.
pub fn place_for_nobody() -> Option<(Place, PathBuf, &'static Path)> {
    if !std::fs::metadata("/proc/self").is_ok_and(|own| {
        use std::os::unix::fs::MetadataExt;
        own.uid() == 0
    }) {
        skipped("nobody's programs", "to become nobody takes root");
        return None;
    }
    let python = interpreters().iter().find(|python| {
        let mut command = Command::new(&python.path);
        command
            .args(["-c", "import threading"])
            .uid(NOBODY)
            .gid(NOBODY);
        command.stderr(Stdio::null());
        python.version >= (3, 6) && command.status().is_ok_and(|status| status.success())
    });
    let Some(python) = python else {
        lacking("nobody's programs", "no Python 3 that everyone may run");
        return None;
    };
    let place = Place::new();
    let directory = place.path("");
    std::fs::set_permissions(&directory, PermissionsExt::from_mode(0o777)).expect("sets");
    let binary = place.path("spyhole");
    std::fs::copy(env!("CARGO_BIN_EXE_spyhole"), &binary).expect("copies");
    Some((place, binary, &python.path))
}

pub fn as_nobody(program: &Path, place: &Place) -> Command {
    let mut command = Command::new(program);
    command.uid(NOBODY).gid(NOBODY).current_dir(place.path(""));
    command.env("HOME", place.path("")).stdin(Stdio::null());
    command
}
