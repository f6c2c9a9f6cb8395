//! What a user opens: one file a format, each made from a [`Profile`] alone. Another format is a new file
//! that implements [`Format`], and its line in [`FORMATS`].
//!
//! Names in a profile come from the target and may be made to hurt. Each format passes them
//! through [`visible`], then through the escaping that the format itself asks for.

mod category;
mod chrometrace;
mod escape;
mod format;
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
pub use crate::model::visible;
pub(crate) use crate::model::visible_text;
use crate::profile::{Profile, Values};

pub use category::Category;
pub use chrometrace::ChromeTrace;
pub use format::{About, Format};
pub(crate) use naming::{Names, PathElement};
pub use pprof::Pprof;
pub use raw::Raw;
pub use speedscope::Speedscope;
pub use svg::Flamegraph;
pub(crate) use title::grouped;
pub use title::program;

/// All formats. Where two have the same ending, a file of that ending is of the first.
pub const FORMATS: [&dyn Format; 5] = [&Flamegraph, &Raw, &Speedscope, &ChromeTrace, &Pprof];

/// What is written unless the user says otherwise.
pub const DEFAULT_FORMAT: &dyn Format = &Flamegraph;

/// The format of this [`name`](About::name), in whatever case.
#[must_use]
pub fn format_named(name: &str) -> Option<&'static dyn Format> {
    let mut formats = FORMATS.into_iter();
    formats.find(|format| format.about().name.eq_ignore_ascii_case(name))
}

/// The format that a file of this name should have; [`DEFAULT_FORMAT`] where the ending says nothing.
#[must_use]
pub fn format_of_path(path: &Path) -> &'static dyn Format {
    let name = path.file_name().unwrap_or_default();
    let name = name.to_string_lossy().to_ascii_lowercase();
    let has_ending = |ending: &&str| {
        let before = name.strip_suffix(ending);
        let stem = before.and_then(|before| before.strip_suffix('.'));
        stem.is_some_and(|stem| !stem.is_empty())
    };
    let mut formats = FORMATS.into_iter();
    formats
        .find(|format| format.about().endings.iter().any(has_ending))
        .unwrap_or(DEFAULT_FORMAT)
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
#[non_exhaustive]
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
#[non_exhaustive]
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

impl OutputError {
    /// For who writes files and knows of no profiles.
    #[must_use]
    pub fn into_io(self) -> io::Error {
        match self {
            OutputError::Io(error) => error,
            other => io::Error::other(other),
        }
    }
}

/// Writes the whole profile to `out`.
///
/// # Errors
/// [`OutputError::Empty`] or [`OutputError::NoCpuTime`] before anything is written if there is
/// nothing to show;
/// [`OutputError::Io`] if `out` cannot be written or the timeline's spill not be read.
pub fn write(
    format: &dyn Format,
    profile: &Profile,
    options: &RenderOptions,
    out: &mut dyn Write,
) -> Result<(), OutputError> {
    check_shown(profile, options)?;
    format.write(profile, options, out)
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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn the_ending_of_a_file_tells_its_format() {
        for (path, expected) in [
            ("a.svg", "flamegraph"),
            ("a.txt", "raw"),
            ("a.JSON", "speedscope"),
            ("a.pb", "pprof"),
            ("a.pb.gz", "pprof"),
            ("dir.txt/a.b.pprof", "pprof"),
            ("a.gz", "flamegraph"),
            ("txt", "flamegraph"),
            (".txt", "flamegraph"),
            ("-", "flamegraph"),
            ("a.txt/", "raw"),
            ("/", "flamegraph"),
        ] {
            assert_eq!(
                format_of_path(Path::new(path)).about().name,
                expected,
                "{path}"
            );
        }
    }

    #[test]
    fn formats_are_told_apart_by_name_and_name_their_files_so_that_they_are_found_again() {
        for format in FORMATS {
            let named = format_named(&format.about().name.to_uppercase()).expect("a format");
            assert_eq!(named.about().name, format.about().name);
            let path = format!("a.{}", format.about().endings[0]);
            let found = format_of_path(Path::new(&path));
            assert_eq!(found.about().endings[0], format.about().endings[0]);
        }
    }
}
