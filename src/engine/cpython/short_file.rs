//! The short name of a source file: from the outermost directory that is a package.

use std::path::Path;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::target::{Process, open_file};

/// How many answers are kept, one a directory; a program has few of them.
const MAX_DIRECTORIES: usize = 10_000;

/// Packages do not lie deeper than this.
const MAX_DEPTH: usize = 64;

/// Shortens file names by looking for `__init__.py` in the target's own file system, as py-spy
/// does. It only asks whether files exist.
#[derive(Debug)]
pub struct ShortFiles {
    /// Whose file system it is. Without one, no file is found.
    process: Option<Arc<Process>>,
    is_package: FxHashMap<String, bool>,
}

impl ShortFiles {
    /// Without a process each file's short name is its base name.
    pub fn new(process: Option<Arc<Process>>) -> ShortFiles {
        ShortFiles {
            process,
            is_package: FxHashMap::default(),
        }
    }

    /// `/usr/lib/python3/dist-packages/django/db/models/query.py` becomes
    /// `django/db/models/query.py`; what lies in no package becomes its base name; what is no path
    /// (`<string>`) stays.
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
        let found = self
            .process
            .as_ref()
            .is_some_and(|process| open_file(process, Path::new(&marker)).is_ok());
        self.is_package.insert(directory.to_owned(), found);
        found
    }
}
