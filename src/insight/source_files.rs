//! The source files of recorded processes.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::source::Sources;
use crate::model::{Interner, TargetStr};
use crate::target::{Process, open_file, open_in_own_root};

/// A longer file is not read.
const MAX_FILE: u64 = 1 << 20;

/// The most files that are read.
const MAX_FILES: usize = 1000;

/// Reads source files as the recorded processes see them. Of what is read nothing is shown.
#[derive(Debug)]
pub struct SourceFiles {
    processes: Vec<Process>,
    texts: FxHashMap<TargetStr, Option<Arc<str>>>,
}

impl SourceFiles {
    /// Those of the processes that were recorded and still run. If none does, files are looked for in our own
    /// root.
    #[must_use]
    pub fn of(interner: &Interner) -> SourceFiles {
        let processes = interner.processes().filter_map(|(_, recorded)| {
            let process = Process::open(recorded.pid).ok()?;
            (process.command() == recorded.command).then_some(process)
        });
        SourceFiles {
            processes: processes.collect(),
            texts: FxHashMap::default(),
        }
    }

    fn read(&self, file: &TargetStr) -> Option<Arc<str>> {
        let path = Path::new(file.untrusted());
        if path.extension().is_none_or(|it| it != "py") || !path.is_absolute() {
            return None;
        }
        let opened = match self.processes.is_empty() {
            true => open_in_own_root(path).ok(),
            false => self
                .processes
                .iter()
                .find_map(|it| open_file(it, path).ok()),
        };
        let mut text = String::new();
        let mut limited = opened?.take(MAX_FILE + 1);
        limited.read_to_string(&mut text).ok()?;
        (text.len() as u64 <= MAX_FILE).then(|| text.into())
    }
}

impl Sources for SourceFiles {
    fn text(&mut self, file: &TargetStr) -> Option<Arc<str>> {
        if let Some(known) = self.texts.get(file) {
            return known.clone();
        }
        if self.texts.len() >= MAX_FILES {
            return None;
        }
        let text = self.read(file);
        self.texts.insert(file.clone(), text.clone());
        text
    }
}
