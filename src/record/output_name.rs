//! How the user is told of an output.

use std::fmt;
use std::path::Path;

/// The name of an output, to be shown to the user.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OutputName(String);

impl OutputName {
    /// `-` is standard output.
    pub(super) fn of(path: &Path) -> OutputName {
        OutputName(match path.to_str() {
            Some("-") => "standard output".into(),
            _ => format!("'{}'", path.display()),
        })
    }
}

impl fmt::Display for OutputName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
