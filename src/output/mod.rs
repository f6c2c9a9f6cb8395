//! What a user opens: one file a format, each made from a [`Profile`] alone.
//!
//! Names in a profile come from the target and may be made to hurt. Each format passes them
//! through [`escape`], then through the escaping that the format itself asks for.

mod category;
mod chrometrace;
mod escape;
mod naming;
mod palette;
mod pprof;
mod raw;
mod shown;
mod speedscope;
mod svg;
mod title;

use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::path::Path;

use crate::model::Nanos;
use crate::profile::{Profile, Values};

pub use category::Category;
pub use escape::visible;
pub(crate) use escape::visible_text;
pub(crate) use title::grouped;
pub use title::program;

/// A format that a profile can be written in.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Format {
    /// An SVG to zoom and search in a browser.
    #[default]
    Flamegraph,
    /// Collapsed stacks: `frame;frame;... count`, root first.
    Raw,
    /// JSON for <https://www.speedscope.app>.
    Speedscope,
    /// JSON for `chrome://tracing` and <https://ui.perfetto.dev>.
    Chrometrace,
    /// A gzipped profile.proto of pprof's.
    Pprof,
}

impl Format {
    /// The format that a file of this name should have; a flamegraph where the ending says
    /// nothing.
    #[must_use]
    pub fn from_path(path: &Path) -> Format {
        let extension = path.extension().and_then(|extension| extension.to_str());
        match extension.map(str::to_ascii_lowercase).as_deref() {
            Some("txt") => Format::Raw,
            Some("json") => Format::Speedscope,
            Some("pb" | "pprof") => Format::Pprof,
            Some("gz")
                if path
                    .with_extension("")
                    .extension()
                    .is_some_and(|it| it == "pb") =>
            {
                Format::Pprof
            }
            _ => Format::Flamegraph,
        }
    }

    /// What a file of this format ends in, without the dot.
    #[must_use]
    pub fn extension(self) -> &'static str {
        match self {
            Format::Flamegraph => "svg",
            Format::Raw => "txt",
            Format::Speedscope | Format::Chrometrace => "json",
            Format::Pprof => "pb.gz",
        }
    }
}

/// Which line a frame is shown with, and so which frames are the same.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum LineMode {
    /// The line that ran.
    #[default]
    Current,
    /// The first line of the function (`--function`).
    Function,
    /// None (`--nolineno`).
    None,
}

/// What widths and counts stand for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unit {
    Samples,
    /// Time that passed.
    Wall,
    /// CPU time that the threads used.
    Cpu,
}

impl Unit {
    /// Samples, or whole microseconds. At least one of what was seen, since nothing that was seen
    /// may vanish; only CPU time can be none.
    fn of(self, values: Values) -> u64 {
        let least = u64::from(values.count > 0);
        match self {
            Unit::Samples => values.count,
            Unit::Wall => (values.wall.0 / 1000).max(least),
            Unit::Cpu => values.cpu.0 / 1000,
        }
    }
}

/// How frames are shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct RenderOptions {
    pub lines: LineMode,
    /// Show files as the interpreter has them, not from their package on.
    pub full_filenames: bool,
    /// A root frame for each thread.
    pub threads: bool,
    /// A root frame for each process, below that of the process that started it.
    pub processes: bool,
    /// In formats without times of their own; each has a default.
    pub unit: Option<Unit>,
}

/// Why a profile could not be written.
#[derive(thiserror::Error, Debug)]
pub enum OutputError {
    /// Nothing was sampled: there is nothing to show.
    #[error("the profile is empty")]
    Empty,
    /// Widths were to be CPU time, and none was told.
    #[error("the kernel told of no CPU time; leave out --unit cpu")]
    NoCpuTime,
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Writes the whole profile to `out`.
///
/// # Errors
/// [`OutputError::Empty`] or [`OutputError::NoCpuTime`] before anything is written if there is
/// nothing to show;
/// [`OutputError::Io`] if `out` cannot be written or the timeline's spill not be read.
pub fn write(
    format: Format,
    profile: &Profile,
    options: &RenderOptions,
    out: &mut dyn Write,
) -> Result<(), OutputError> {
    check_shown(profile, options)?;
    match format {
        Format::Flamegraph => svg::write(profile, options, out),
        Format::Raw => raw::write(profile, options, out),
        Format::Speedscope => speedscope::write(profile, options, out),
        Format::Chrometrace => chrometrace::write(profile, options, out),
        Format::Pprof => pprof::write(profile, out),
    }
}

/// One side of a comparison.
#[derive(Clone, Copy, Debug)]
pub struct Side<'a> {
    /// What was recorded of it, put together by [`Profile::absorb`].
    pub profile: &'a Profile,
    /// How many recordings these are. All figures are means of them.
    pub runs: NonZeroUsize,
}

/// Writes a flamegraph of what changed: widths are those of `after`, colours tell what became more
/// or less, by [`RenderOptions::unit`].
///
/// Stacks are the same if they read the same, so what differs without a change should not be shown:
/// lines ([`LineMode::None`]), directories, threads and processes.
///
/// # Errors
/// As [`write()`], if there is nothing to show on either side.
pub fn write_difference(
    before: Side<'_>,
    after: Side<'_>,
    options: &RenderOptions,
    out: &mut dyn Write,
) -> Result<(), OutputError> {
    for side in [before, after] {
        check_shown(side.profile, options)?;
    }
    svg::write_difference(before, after, options, out)
}

/// Whether there is anything to show.
fn check_shown(profile: &Profile, options: &RenderOptions) -> Result<(), OutputError> {
    if profile.is_empty() {
        return Err(OutputError::Empty);
    }
    if options.unit == Some(Unit::Cpu) && profile.total().cpu == Nanos::ZERO {
        return Err(OutputError::NoCpuTime);
    }
    Ok(())
}
