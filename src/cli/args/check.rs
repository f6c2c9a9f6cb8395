//! `spyhole check`.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgGroup, Args, ValueEnum, ValueHint};

use super::{Keeping, Labels, Running, Sampling};

#[derive(Args, Debug)]
#[command(next_help_heading = "What to record")]
#[command(group = ArgGroup::new("target")
    .args(["pid", "port", "name", "container", "profile", "program"]).required(true))]
pub struct Check {
    #[command(flatten)]
    pub running: Running,

    /// Judge recordings that were written with `record -o FILE.pb.gz`, instead of recording
    #[arg(long, value_name = "FILE", value_delimiter = ',', value_hint = ValueHint::FilePath)]
    pub profile: Vec<PathBuf>,

    /// Judge a recording of a program that failed, too
    #[arg(long, requires = "profile")]
    pub allow_failed: bool,

    /// A program to start and record, again and again, and its arguments
    #[arg(
        value_name = "PROGRAM",
        trailing_var_arg = true,
        value_hint = ValueHint::CommandWithArguments
    )]
    pub program: Vec<OsString>,

    #[command(flatten)]
    pub sampling: Sampling,

    #[command(flatten)]
    pub labels: Labels,

    #[command(flatten)]
    pub keeping: Keeping,

    /// How often to record at most [default: 80 of each version; 10 where there is one; 1 of what runs]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub repeats: Option<u32>,

    /// Make no further repeat that would end after so many seconds
    #[arg(long, value_name = "SECONDS", value_parser = parse_seconds)]
    pub max_time: Option<Duration>,

    /// How many units of work a run does, such as requests, for rules with /unit
    #[arg(long, value_name = "NUMBER", value_parser = parse_units)]
    pub units: Option<f64>,

    /// The same, found in the program's output by a regular expression with the number as a group
    #[arg(long, value_name = "PATTERN", conflicts_with = "units", requires = "program", value_parser = parse_units_pattern)]
    pub units_from: Option<regex::Regex>,

    /// Rules in a file [default: spyhole.toml, if it is there]
    #[arg(short = 'c', long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "By what to judge")]
    pub rules: Option<PathBuf>,

    /// A rule, such as 'get_name < 5%'; may be given again
    #[arg(
        short = 'e',
        long,
        value_name = "RULE",
        help_heading = "By what to judge"
    )]
    pub rule: Vec<String>,

    /// Compare with a directory that holds another version: both are recorded in turn, each in its own
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, requires = "program",
        conflicts_with_all = ["baseline", "against_profile"], help_heading = "By what to judge")]
    pub against: Option<PathBuf>,

    /// The same, with a shell command that puts the other version into $SPYHOLE_BEFORE, a directory
    /// that is not there yet: 'git worktree add "$SPYHOLE_BEFORE" origin/main'
    #[arg(long, value_name = "COMMAND", requires = "program",
        conflicts_with_all = ["against", "baseline", "against_profile"], help_heading = "By what to judge")]
    pub against_setup: Option<String>,

    /// Compare with recordings of the version before
    #[arg(long, value_name = "FILE", value_delimiter = ',', requires = "profile",
        conflicts_with = "baseline", value_hint = ValueHint::FilePath, help_heading = "By what to judge")]
    pub against_profile: Vec<PathBuf>,

    /// Compare with what --save wrote
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "By what to judge")]
    pub baseline: Option<PathBuf>,

    /// Write what was measured, to be kept with the sources and compared with by --baseline
    #[arg(long, value_name = "FILE", conflicts_with_all = ["against", "against_setup"],
        value_hint = ValueHint::FilePath, help_heading = "By what to judge")]
    pub save: Option<PathBuf>,

    /// Exit with code 11 instead of 0 if the samples do not decide
    #[arg(long, help_heading = "By what to judge")]
    pub strict: bool,

    /// A summary [in GitHub Actions also added to the summary of the job]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Reports")]
    pub markdown: Option<PathBuf>,

    /// A test case for each rule
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Reports")]
    pub junit: Option<PathBuf>,

    /// For code scanning
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Reports")]
    pub sarif: Option<PathBuf>,

    /// Everything
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Reports")]
    pub json: Option<PathBuf>,

    /// Messages at file and line, as GitHub takes them from standard output
    #[arg(long, value_enum, default_value = "auto", help_heading = "Reports")]
    pub annotations: Annotations,

    /// Where to put flamegraphs: after.svg, and if there are two versions before.svg and
    /// difference.svg
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, help_heading = "Reports")]
    pub flamegraphs: Option<PathBuf>,
}

/// `--annotations`.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum Annotations {
    /// In GitHub Actions
    Auto,
    Github,
    None,
}

fn parse_seconds(text: &str) -> Result<Duration, String> {
    text.parse::<f64>()
        .ok()
        .filter(|seconds| *seconds > 0.0)
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .ok_or_else(|| "a time is a positive number of seconds".into())
}

fn parse_units(text: &str) -> Result<f64, String> {
    text.parse::<f64>()
        .ok()
        .filter(|units| *units > 0.0 && units.is_finite())
        .ok_or_else(|| "a number of units is more than 0".into())
}

fn parse_units_pattern(text: &str) -> Result<regex::Regex, String> {
    let pattern = regex::Regex::new(text).map_err(|error| error.to_string())?;
    match pattern.captures_len() {
        2 => Ok(pattern),
        _ => Err("it needs one group, for the number: 'requests: ([0-9.]+)'".into()),
    }
}

pub const USAGE: &str = "\
spyhole check [OPTIONS] [--] PROGRAM [ARGUMENT]...
       spyhole check [OPTIONS] --pid PID|--port PORT|--name PATTERN|--container ID -d SECONDS
       spyhole check [OPTIONS] --profile FILE[,FILE]...";

pub const HELP: &str = "\
Rules:
  get_name < 5%                      a function with all that it calls, share of the time
  self get_name < 5%                 without what it calls
  get_name in get_list_view < 20ms   only below that view; seconds of CPU a run
  get_name wall < 20ms/unit          seconds that pass, for a unit of work (--units, --units-from)
  total < +5%                        more seconds of CPU than before (--against, --baseline)
  get_name < +20ms                   the same, in seconds
  get_name < +2points                more of the time than before, in points of percent
  never copy.deepcopy                no sample may show it
  always package:numpy               some sample must show it
  never insight:n-plus-one           no mistake of this kind may be proven (spyhole explain)
  never insight:*                    nor any other

A function is named by its module and qualified name, or by the last parts of that; * stands for anything. \
Instead of a function a rule may name file:views.py, package:django or category:application (also \
packages, stdlib, database). In a file: rules = [\"total < +5%\"], or [[rule]] with check, name and why.

A rule fails if its figure and the whole interval around it are beyond the limit. If the samples leave it \
open, the rule is inconclusive: a warning, or with --strict a failure. Recording ends when the verdict is \
certain. Two versions are run in turn and compared by blocks of repeats; the fastest run of a block tells \
how long the whole takes.

Examples:
  spyhole check --against ../main -- python bench.py        is it slower than the other checkout?
  spyhole check -e 'never copy.deepcopy' -- python bench.py
  spyhole check --save perf.toml -- python bench.py         once
  spyhole check --baseline perf.toml -e 'get_name < +2points' -- python bench.py

Exit codes:
  0    all rules hold, or the samples do not say (see --strict)
  1    something failed: the process could not be recorded, or a report not written
  2    the command line was not understood
  3    nothing was sampled
  4    the rules could not be read
  5    the baseline, or a profile, could not be read, or lacks what a rule needs
  6    what was recorded before cannot be compared
  7    the program failed, or did not print its units
  8    a rule is about a name that no sample shows
  10   a rule is broken
  11   with --strict: the samples do not decide
  130  ended by ^C before there was a verdict";
