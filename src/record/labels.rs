//! Which labels are read of a program's variables.

use std::sync::Arc;

use crate::frameworks::{Watch, WatchFileError, Watches, parse_watches};

/// What is read of the variables of functions that frameworks and libraries have, as labels of samples: the
/// route of a request, an SQL statement, the name of a task.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LabelOptions {
    /// Whether labels are read at all.
    pub read: bool,
    /// Whether parameters, keys in paths and literals in statements are kept. They may be somebody's secrets.
    pub keep_values: bool,
    more: Vec<Watch>,
}

impl Default for LabelOptions {
    fn default() -> LabelOptions {
        LabelOptions {
            read: true,
            keep_values: false,
            more: Vec::new(),
        }
    }
}

impl LabelOptions {
    /// Adds the watches that a TOML text describes.
    ///
    /// # Errors
    /// When it is not such a text.
    pub fn add_watches(&mut self, toml: &str) -> Result<(), WatchFileError> {
        self.more.extend(parse_watches(toml)?);
        Ok(())
    }

    pub(super) fn watches(&self) -> Option<Arc<Watches>> {
        let watches = || Watches::known_and(self.more.clone(), self.keep_values);
        self.read.then(|| Arc::new(watches()))
    }
}
