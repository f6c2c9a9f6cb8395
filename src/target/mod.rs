//! Processes: find, describe, permissions, children, identity. Knows nothing of Python but how its
//! files tend to be named.

pub mod diagnosis;
mod files;
mod halted;
mod maps;
mod process;

pub use files::{MappedFile, open_file, open_mapping};
pub use halted::Halted;
pub use maps::{Mapping, Permissions, parse_maps};
pub use process::{Executable, Identity, OpenError, Process, Standing};

pub use crate::sys::linux::status::{Stat, Status};
