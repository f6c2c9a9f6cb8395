//! Which Pythons there are to test with.

use std::collections::HashSet;
use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Interpreter {
    pub name: String,
    pub version: (u8, u8),
    pub free_threaded: bool,
    pub path: PathBuf,
}

impl Interpreter {
    /// `python -I -S` as far as the version has these.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.path);
        command.args(["-S", "-E", "-s"]);
        command
    }
}

/// All that are found: those named in `SPYHOLE_PYTHONS` (paths, separated by colons) and no others
/// if it is set; else those of `$SPYHOLE_CACHE/interpreters.list`, pyenv's, and those on `PATH`.
pub fn interpreters() -> &'static [Interpreter] {
    static FOUND: OnceLock<Vec<Interpreter>> = OnceLock::new();
    FOUND.get_or_init(|| {
        let mut found = match env::var_os("SPYHOLE_PYTHONS") {
            Some(paths) => env::split_paths(&paths).filter_map(ask).collect(),
            None => {
                let mut found = listed();
                found.extend(candidates().into_iter().filter_map(ask));
                found
            }
        };
        let mut seen = HashSet::new();
        found.retain(|python| {
            python
                .path
                .canonicalize()
                .is_ok_and(|path| seen.insert(path))
        });
        if found.is_empty() {
            super::lacking("live tests", "no Python was found");
        }
        found
    })
}

/// The first of each version, free-threaded ones apart: for tests in which the build matters less
/// than the version.
pub fn one_of_each_version() -> Vec<Interpreter> {
    let mut seen = HashSet::new();
    interpreters()
        .iter()
        .filter(|python| seen.insert((python.version, python.free_threaded)))
        .cloned()
        .collect()
}

/// `$SPYHOLE_CACHE`, or where it is by default.
pub fn cache() -> PathBuf {
    let path = |name| env::var_os(name).map(PathBuf::from);
    path("SPYHOLE_CACHE").unwrap_or_else(|| {
        path("XDG_CACHE_HOME")
            .unwrap_or_else(|| path("HOME").unwrap_or_default().join(".cache"))
            .join("spyhole")
    })
}

/// Lines `name<TAB>major.minor[t]<TAB>path`.
fn listed() -> Vec<Interpreter> {
    let text = std::fs::read_to_string(cache().join("interpreters.list")).unwrap_or_default();
    text.lines()
        .filter_map(|line| {
            let mut fields = line.split('\t');
            let (name, version, path) = (fields.next()?, fields.next()?, fields.next()?);
            let (version, free_threaded) = parse_version(version)?;
            let path = PathBuf::from(path);
            path.exists().then(|| Interpreter {
                name: name.to_owned(),
                version,
                free_threaded,
                path,
            })
        })
        .collect()
}

fn parse_version(text: &str) -> Option<((u8, u8), bool)> {
    let (number, free_threaded) = match text.strip_suffix('t') {
        Some(number) => (number, true),
        None => (text, false),
    };
    let (major, minor) = number.split_once('.')?;
    Some(((major.parse().ok()?, minor.parse().ok()?), free_threaded))
}

fn candidates() -> Vec<PathBuf> {
    let home = PathBuf::from(env::var_os("HOME").unwrap_or_default());
    let pyenv = env::var_os("PYENV_ROOT").map_or_else(|| home.join(".pyenv"), PathBuf::from);
    let mut found: Vec<PathBuf> = std::fs::read_dir(pyenv.join("versions"))
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path().join("bin/python"))
        .collect();
    found.sort();
    let directories = env::var_os("PATH").unwrap_or_default();
    for directory in env::split_paths(&directories) {
        // pyenv's shims are scripts that choose one of the above.
        if !directory.ends_with("shims") {
            found.extend(
                ["python3", "python2"]
                    .iter()
                    .map(|name| directory.join(name)),
            );
        }
    }
    found.retain(|path| path.exists());
    found
}

/// An interpreter says itself what it is.
fn ask(path: impl AsRef<Path>) -> Option<Interpreter> {
    let path = path.as_ref();
    let program = "import sys, sysconfig\n\
        t = 't' if sysconfig.get_config_var('Py_GIL_DISABLED') else ''\n\
        sys.stdout.write('%d.%d%s' % (sys.version_info[0], sys.version_info[1], t))";
    let output = Command::new(path).args(["-c", program]).output().ok()?;
    let (version, free_threaded) = parse_version(std::str::from_utf8(&output.stdout).ok()?)?;
    Some(Interpreter {
        name: path.display().to_string(),
        version,
        free_threaded,
        path: path.to_owned(),
    })
}
