//! Processes: find, describe, permissions, children, identity; and core files. Knows nothing of Python but
//! how its files tend to be named.

pub mod core;
pub mod diagnosis;
mod files;
mod halted;
mod maps;
mod process;

pub use files::{MappedFile, open_file, open_in_own_root, open_mapping};
pub use halted::Halted;
pub use maps::Mapping;
#[cfg(any(test, feature = "internals"))]
pub use maps::{Permissions, parse_maps};
#[cfg(any(test, feature = "internals"))]
pub use process::Executable;
pub use process::{Identity, OpenError, Process, Standing};

pub use crate::sys::linux::status::{Stat, Status};
