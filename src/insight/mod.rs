//! Says what a profile means: mistakes that its stacks and labels prove, where they are and what they cost.
//!
//! The mistakes are data of `frameworks`. One is told only if it is proven: by labels
//! that were read from the program's memory, by the order of frames, or by the source at the place of the
//! call. An alarm that is false costs more trust than three cases that are missed.

mod by_label;
mod call_site;
mod finding;
mod matcher;
mod source;
mod source_files;

pub use self::by_label::{OfLabel, by_label};
pub use self::call_site::CallSite;
pub use self::finding::{Cause, Finding, find};
pub use self::source::{NoSources, Sources};
pub use self::source_files::SourceFiles;

pub use crate::frameworks::{Activity, Called, FramePattern, Mistake, RULES, Rule, mistakes, rule};
