//! The short name of a source file: its path from the outermost package directory on.

use std::path::Path;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::target::core::Core;
use crate::target::{Process, open_file};

/// The most answers that are kept, one per directory. Programs have few.
const MAX_DIRECTORIES: usize = 10_000;

/// The most directories that are searched upwards. Packages are not nested deeper.
const MAX_DEPTH: usize = 64;

/// Where files are looked for.
#[derive(Debug)]
pub enum FileSystem {
    /// Nowhere.
    #[cfg(test)]
    None,
    Process(Arc<Process>),
    Core(Arc<Core>),
}

/// Shortens file names by looking for `__init__.py` in the target's own file system, as py-spy does. It
/// only checks whether files exist.
#[derive(Debug)]
pub struct ShortFiles {
    files: FileSystem,
    is_package: FxHashMap<String, bool>,
}

impl ShortFiles {
    /// Where no file is found, each file's short name is its base name.
    pub fn new(files: FileSystem) -> ShortFiles {
        ShortFiles {
            files,
            is_package: FxHashMap::default(),
        }
    }

    /// `/usr/lib/python3/dist-packages/django/db/models/query.py` becomes `django/db/models/query.py`. A
    /// file outside packages becomes its base name. A name that is not a path (`<string>`) does not
    /// change.
    pub fn shorten(&mut self, file: &str) -> String {
        let mut from = file.rfind('/').map_or(0, |slash| slash + 1);
        for _ in 0..MAX_DEPTH {
            let Some(directory) = from.checked_sub(1).and_then(|end| file.get(..end)) else {
                break;
            };
            if !directory.starts_with('/') || !self.is_package(directory) {
                break;
            }
            from = directory.rfind('/').map_or(0, |slash| slash + 1);
        }
        file.get(from..).unwrap_or(file).to_owned()
    }

    fn is_package(&mut self, directory: &str) -> bool {
        if let Some(&answer) = self.is_package.get(directory) {
            return answer;
        }
        if self.is_package.len() >= MAX_DIRECTORIES {
            self.is_package.clear();
        }
        let marker = format!("{directory}/__init__.py");
        let found = match &self.files {
            #[cfg(test)]
            FileSystem::None => false,
            FileSystem::Process(process) => open_file(process, Path::new(&marker)).is_ok(),
            FileSystem::Core(core) => core.has_file(Path::new(&marker)),
        };
        self.is_package.insert(directory.to_owned(), found);
        found
    }
}
