//! What a format is: what is to be known of it, and how it is written.

use std::fmt::Debug;
use std::io::Write;

use super::{OutputError, RenderOptions, Unit};
use crate::profile::Profile;

/// A format that a profile can be written in, such as [`Pprof`](super::Pprof).
pub trait Format: Debug + Sync {
    /// What is to be known of it before anything is written.
    fn about(&self) -> &'static About;

    /// Writes a profile that is not empty; [`write`](super::write()) checks that first.
    ///
    /// # Errors
    /// If `out` cannot be written or the timeline's spill not be read.
    fn write(
        &self,
        profile: &Profile,
        options: &RenderOptions,
        out: &mut dyn Write,
    ) -> Result<(), OutputError>;
}

/// What is to be known of a format.
#[derive(Clone, Copy, Debug)]
pub struct About {
    /// As `--format` takes it, in lower case.
    pub name: &'static str,
    /// What a file is, as a phrase for `--help`.
    pub summary: &'static str,
    /// What was written, as in `Wrote speedscope file to ...`.
    pub noun: &'static str,
    /// How the names of its files end, in lower case, without the dot. The first is that of a file whose
    /// name we choose.
    pub endings: &'static [&'static str],
    /// What widths or counts stand for, unless the user asks for another unit; `None` if the format tells
    /// times as they are.
    pub default_unit: Option<Unit>,
    /// Whether it tells what threads are called, whatever the options are.
    pub needs_thread_names: bool,
    /// Whether it tells what each thread did when.
    pub needs_timeline: bool,
    /// Whether a file can be brought up to date every few seconds while the recording goes on.
    pub keeps_up_to_date: bool,
    /// How to view a file, as a sentence for the user.
    pub hint: Option<&'static str>,
}
