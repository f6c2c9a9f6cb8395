//! Output formats: one file a format, each made from a [`Profile`] alone. Another format is a new file
//! that implements [`Format`], and a line in [`FORMATS`].
//!
//! Names in a profile come from the target and may be crafted to do harm. Each format passes them through
//! [`visible`] and then escapes them for its own syntax.

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

pub use crate::model::visible;
pub(crate) use crate::model::visible_text;
use crate::model::{Nanos, TextId};
use crate::profile::{Profile, Values};

pub use category::Category;
pub use chrometrace::ChromeTrace;
pub use format::{About, Format};
pub(crate) use naming::{Names, PathElement};
#[cfg(feature = "cli")]
pub(crate) use palette::Shade;
pub use pprof::Pprof;
pub use raw::Raw;
pub use speedscope::Speedscope;
pub use svg::Flamegraph;
pub(crate) use title::grouped;
pub use title::program;
#[cfg(feature = "cli")]
pub(crate) use title::{quality, title};

/// All formats. If two share an ending, the first is chosen for it.
pub const FORMATS: [&dyn Format; 5] = [&Flamegraph, &Raw, &Speedscope, &ChromeTrace, &Pprof];

/// The format if the user asks for none.
pub const DEFAULT_FORMAT: &dyn Format = &Flamegraph;

/// The format with this [`name`](About::name), in upper or lower case.
#[must_use]
pub fn format_named(name: &str) -> Option<&'static dyn Format> {
    let mut formats = FORMATS.into_iter();
    formats.find(|format| format.about().name.eq_ignore_ascii_case(name))
}

/// The format for a file with this name; [`DEFAULT_FORMAT`] if its ending is unknown.
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

/// Which line is shown with a frame. Frames that are shown alike are merged.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum LineMode {
    /// The line that was executing.
    #[default]
    Current,
    /// The first line of the function (`--function`).
    Function,
    /// No line (`--nolineno`).
    None,
}

/// The unit of widths and counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unit {
    Samples,
    /// Time that passed.
    Wall,
    /// CPU time that the threads used.
    Cpu,
}

impl Unit {
    /// Samples, or whole microseconds. Anything that was seen counts at least one, so that it does not
    /// vanish. CPU time alone can be zero.
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
    /// Show full file paths, as the interpreter has them, and not from the package on.
    pub full_filenames: bool,
    /// Add a root frame for each thread.
    pub threads: bool,
    /// Add a root frame for each process, below the one that started it.
    pub processes: bool,
    /// For formats without times of their own; each has a default.
    pub unit: Option<Unit>,
    /// Add a root frame for each value of the label with this key, above all others.
    pub by: Option<TextId>,
}

/// Why a profile could not be written.
#[derive(thiserror::Error, Debug)]
#[non_exhaustive]
pub enum OutputError {
    /// There are no samples.
    #[error("the profile is empty")]
    Empty,
    /// CPU time was asked for, but the kernel reported none.
    #[error("the kernel told of no CPU time; leave out --unit cpu")]
    NoCpuTime,
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl OutputError {
    /// For callers that write files and do not know about profiles.
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
/// [`OutputError::Empty`] or [`OutputError::NoCpuTime`] before anything is written if there is nothing to
/// show; [`OutputError::Io`] if `out` cannot be written or the timeline's spill file cannot be read.
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
    /// Its recordings, merged by [`Profile::absorb`].
    pub profile: &'a Profile,
    /// The number of these recordings. All figures are means per recording.
    pub runs: NonZeroUsize,
}

/// Writes a flamegraph of what changed: widths are those of `after`, colours show what grew or shrank, in
/// [`RenderOptions::unit`].
///
/// Stacks are compared by what is shown of them. What differs without a change should therefore not be
/// shown: lines ([`LineMode::None`]), directories, threads and processes.
///
/// # Errors
/// As [`write()`], for either side.
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
