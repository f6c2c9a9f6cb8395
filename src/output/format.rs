//! What a format is: how it is called, what it needs, how it is written.

use std::fmt::Debug;
use std::io::Write;

use super::{OutputError, RenderOptions, Unit};
use crate::profile::Profile;

/// A format that a profile can be written in, such as [`Pprof`](super::Pprof).
pub trait Format: Debug + Sync {
    /// As `--format` takes it, in lower case.
    fn name(&self) -> &'static str;

    /// What a file is, as a phrase for `--help`.
    fn summary(&self) -> &'static str;

    /// What was written, as in `Wrote speedscope file to ...`.
    fn noun(&self) -> &'static str;

    /// How the names of its files end, in lower case, without the dot. The first is that of a file
    /// whose name we choose.
    fn endings(&self) -> &'static [&'static str];

    /// What widths or counts stand for, unless the user asks for another unit; `None` if the format
    /// tells times as they are.
    fn default_unit(&self) -> Option<Unit> {
        None
    }

    /// What it shows of a profile besides stacks and what was counted of each.
    fn shows(&self) -> Shows;

    /// Whether a file can be brought up to date every few seconds while the recording goes on.
    fn keeps_up_to_date(&self) -> bool {
        false
    }

    /// How to view a file, as a sentence for the user.
    fn hint(&self) -> Option<&'static str> {
        None
    }

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

/// What a format shows in any case, whatever the options are; it costs something to record.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Shows {
    /// What threads are called.
    pub thread_names: bool,
    /// What each thread did when.
    pub timeline: bool,
}
