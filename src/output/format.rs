//! What a format is: its properties, and how it is written.

use std::fmt::Debug;
use std::io::Write;

use super::{OutputError, RenderOptions, Unit};
use crate::profile::Profile;

/// A format that a profile can be written in, such as [`Pprof`](super::Pprof).
pub trait Format: Debug + Sync {
    /// Its properties, which are needed before anything is written.
    fn about(&self) -> &'static About;

    /// Writes a profile that is not empty; [`write`](super::write()) checks that first.
    ///
    /// # Errors
    /// If `out` cannot be written or the timeline's spill file cannot be read.
    fn write(
        &self,
        profile: &Profile,
        options: &RenderOptions,
        out: &mut dyn Write,
    ) -> Result<(), OutputError>;
}

/// The properties of a format.
#[derive(Clone, Copy, Debug)]
pub struct About {
    /// The value for `--format`, in lower case.
    pub name: &'static str,
    /// What a file is, as a phrase for `--help`.
    pub summary: &'static str,
    /// The name of what was written, as in `Wrote speedscope file to ...`.
    pub noun: &'static str,
    /// The endings of its files, in lower case, without the dot. The first is used where we choose the
    /// name.
    pub endings: &'static [&'static str],
    /// The unit of widths or counts if the user asks for none; `None` if the format stores times as they
    /// are.
    pub default_unit: Option<Unit>,
    /// Whether it shows thread names, whatever the options are.
    pub needs_thread_names: bool,
    /// Whether it shows what each thread did at which time.
    pub needs_timeline: bool,
    /// Whether a file can be brought up to date every few seconds during the recording.
    pub keeps_up_to_date: bool,
    /// How to view a file, as a sentence for the user.
    pub hint: Option<&'static str>,
}
