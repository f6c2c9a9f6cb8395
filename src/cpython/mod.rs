//! All knowledge of CPython: where its state lies in memory and how to read it from outside.
//!
//! Version differences are data in [`layout`]; the other rooms take a [`layout::Layout`] and never
//! ask for a version.

mod chain;
pub mod code;
mod eval_loop;
pub mod fingerprint;
pub mod frames;
pub mod generators;
pub mod layout;
pub mod linetable;
pub mod locate;
pub mod locks;
pub mod loops;
pub mod objects;
pub mod tasks;
pub mod thread_names;
pub mod threads;
pub mod values;
pub mod variables;
mod words;
