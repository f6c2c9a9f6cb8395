//! The command line: every command and option, and what `--help` says of them.

mod check;
mod labels;
mod top;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{ArgGroup, Args, CommandFactory, Parser, Subcommand, ValueEnum, ValueHint};

use crate::model::{Counting, Halting, Pid};
use crate::output::{self, DEFAULT_FORMAT, FORMATS, Format, Unit};
use crate::record::{LabelFilter, RecordOptions};
use crate::sampler::EngineChoice;

pub use check::{Annotations, Check};
use labels::Labels;
pub use top::Top;

/// The version, with the commit where it was built from a checkout: `0.1.0 (1a2b3c4d5e6f)`.
const VERSION: &str = git_version::git_version!(
    args = [
        "--always",
        "--exclude=*",
        "--abbrev=12",
        "--dirty=, changed"
    ],
    prefix = concat!(env!("CARGO_PKG_VERSION"), " ("),
    suffix = ")",
    cargo_prefix = ""
);

#[derive(Parser, Debug)]
#[command(
    name = "spyhole",
    version = VERSION,
    about = "Looks into a running Python process and shows where its time goes",
    after_help = EXAMPLES,
    arg_required_else_help = true,
    disable_help_subcommand = true
)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

/// What spyhole does. `r`, `t` and `d` stay short for record, top and dump whatever commands join
/// later, so the short forms are written out and not inferred.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Record a running process, or a program, into a flamegraph or another format
    #[command(
        aliases = ["r", "re", "rec", "reco", "recor"],
        override_usage = RECORD_USAGE,
        after_help = RECORD_HELP
    )]
    Record(Box<Record>),

    /// List the Python processes: what each is for, where it listens, how busy it is
    #[command(after_help = PS_HELP)]
    Ps(Ps),

    /// Tell whether a process can be looked at, and what would change that
    #[command(after_help = DOCTOR_HELP)]
    Doctor(Doctor),

    /// Judge a program, or profiles, by rules: a perf smoke test for CI
    #[command(override_usage = check::USAGE, after_help = check::HELP)]
    Check(Box<Check>),

    /// Watch what a running process, or a program, does from moment to moment
    #[command(aliases = ["t", "to"], override_usage = top::USAGE, after_help = top::HELP)]
    Top(Box<Top>),

    /// Show what each thread of a running process does at this moment
    #[command(aliases = ["d", "du", "dum"], after_help = DUMP_HELP)]
    Dump(Dump),

    /// Say what a mistake is that spyhole has found, how it is found, and when that is wrong
    #[command(after_help = EXPLAIN_HELP)]
    Explain(Explain),

    /// Write completions for a shell to standard output
    #[command(hide = true)]
    Completions { shell: clap_complete::Shell },
}

/// The command line as it is parsed: runs of a check are short, and what a function grew by is told by
/// few of their samples, so it looks more often than a recording does.
pub fn command() -> clap::Command {
    const RATE_OF_CHECK: &str = "1000";
    Cli::command().mut_subcommand("check", |check| {
        check.mut_arg("rate", |rate| rate.default_value(RATE_OF_CHECK))
    })
}

/// `spyhole ps`.
#[derive(Args, Debug)]
pub struct Ps {
    /// Only those in whose command line this regular expression is found
    pub pattern: Option<regex::Regex>,

    /// Write JSON, with whole command lines
    #[arg(long)]
    pub json: bool,
}

/// `spyhole explain`.
#[derive(Args, Debug)]
pub struct Explain {
    /// The id of a rule; without one, all are listed
    pub rule: Option<String>,
}

/// `spyhole doctor`.
#[derive(Args, Debug)]
#[command(group = ArgGroup::new("target").args(["pid", "port", "name", "container", "word"]))]
pub struct Doctor {
    #[command(flatten)]
    pub running: Running,

    /// A process id, or a word of a command line
    #[arg(value_name = "TARGET")]
    pub word: Option<String>,
}

/// `spyhole dump`.
#[derive(Args, Debug)]
#[command(group = ArgGroup::new("target")
    .args(["pid", "port", "name", "container", "word", "core"]).required(true))]
pub struct Dump {
    #[command(flatten)]
    pub running: Running,

    /// A process id, or a word of a command line
    #[arg(value_name = "TARGET")]
    pub word: Option<String>,

    /// Show the Python processes below it, too
    #[arg(short, long)]
    pub subprocesses: bool,

    /// Write JSON: all threads in one array, with py-spy's fields and more
    #[arg(short, long)]
    pub json: bool,

    /// Show each thread, task and greenlet by itself, even where others have the same stack
    #[arg(long)]
    pub all: bool,

    /// Show whole paths of files instead of those below the package
    #[arg(long)]
    pub full_filenames: bool,

    /// Hold no running thread still, not even for microseconds: its stack may be of several moments
    #[arg(long)]
    pub nonblocking: bool,

    /// Show arguments and local variables, a line each; twice (-ll) whole
    ///
    /// Values are written as Python's repr would write them. A line takes up to 200 characters, of
    /// each container 20 items, three levels deep. -ll takes up to 20,000 characters, 1,000 items and
    /// six levels, and shows the attributes of objects. What is longer ends in … and tells its length.
    /// While they are read, threads that run are paused, for some hundredths of a second or, with -ll,
    /// tenths.
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub locals: u8,

    /// Show values whose name (of a variable, a key, an attribute) is that of a secret
    ///
    /// Without it, values of names with password, token, secret, authorization, api_key, cookie
    /// and the like are shown as '***'.
    #[arg(long, requires = "locals")]
    pub show_secrets: bool,

    /// Show what each thread did when this core file was written; - is standard input
    ///
    /// The core file may be packed with zstd, lz4 or gzip, as systemd-coredump packs it; it is then unpacked
    /// into the directory for temporary files (TMPDIR).
    #[arg(short, long, value_name = "FILE",
          conflicts_with_all = ["subprocesses", "nonblocking"])]
    pub core: Option<PathBuf>,

    /// Look for the program and libraries of the core file below DIR instead of /
    ///
    /// For the core file of another machine or container: DIR has them at their paths, or all side by side.
    /// A file counts only if it begins as it did in the process.
    #[arg(long, value_name = "DIR", requires = "core",
          conflicts_with_all = ["pid", "port", "name", "container", "word"])]
    pub sysroot: Option<PathBuf>,

    /// Show native (C, C++, Rust) frames, too
    #[arg(short, long, hide = true)]
    pub native: bool,
}

/// `spyhole record`.
#[derive(Args, Debug)]
#[command(next_help_heading = "What to record")]
pub struct Record {
    #[command(flatten)]
    pub subject: Subject,

    #[command(flatten)]
    pub sampling: Sampling,

    #[command(flatten)]
    pub keeping: Keeping,

    #[command(flatten)]
    pub labels: Labels,

    /// Where to write, - for standard output [default: PID or PROGRAM and the time, here]
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Output")]
    pub output: Option<PathBuf>,

    #[arg(
        short,
        long,
        help = format_help(),
        value_parser = format_parser(),
        ignore_case = true,
        help_heading = "Output"
    )]
    pub format: Option<&'static dyn Format>,

    #[arg(long, value_enum, help = unit_help(), help_heading = "Output")]
    pub unit: Option<UnitName>,

    /// A frame for each function, at its first line, instead of one for each line
    #[arg(
        short = 'F',
        long,
        conflicts_with = "nolineno",
        help_heading = "Output"
    )]
    pub function: bool,

    /// Leave out line numbers
    #[arg(long, help_heading = "Output")]
    pub nolineno: bool,

    /// Tell threads apart: each is a root of its own, with its id and name
    #[arg(short, long, help_heading = "Output")]
    pub threads: bool,

    /// Show whole paths of files instead of those below the package
    #[arg(long, help_heading = "Output")]
    pub full_filenames: bool,

    /// Show what the time was spent on for each value of a label, such as route, sql or task: as a table at the
    /// end, and as roots of the flamegraph
    #[arg(
        long,
        value_name = "LABEL",
        conflicts_with = "no_labels",
        help_heading = "Output"
    )]
    pub by: Option<String>,

    /// Keep only samples with such a label; * stands for any text: --where route='recipes/*'
    #[arg(
        long = "where",
        value_name = "LABEL=VALUE",
        conflicts_with = "no_labels",
        help_heading = "Output"
    )]
    pub only: Vec<LabelFilter>,

    /// Open the file in the browser when it is written
    #[arg(long, help_heading = "Output")]
    pub open: bool,

    /// Show native (C, C++, Rust) frames, too
    #[arg(short, long, hide = true)]
    pub native: bool,

    /// Keep what the started program writes, and show it only if the program fails
    #[arg(long, hide = true, conflicts_with = "pid")]
    pub capture: bool,
}

/// What to look at: something that runs, or a program to start.
#[derive(Args, Debug)]
#[command(group = ArgGroup::new("target")
    .args(["pid", "port", "name", "container", "program"]).required(true))]
pub struct Subject {
    #[command(flatten)]
    pub running: Running,

    /// A program to start and record, and its arguments; -- may stand before it. A single word that
    /// is no program names the running Python in whose command line it is
    #[arg(
        value_name = "PROGRAM",
        trailing_var_arg = true,
        value_hint = ValueHint::CommandWithArguments
    )]
    pub program: Vec<OsString>,

    /// The word that `running.name` was made of, if it could have been a program.
    #[arg(skip)]
    pub word: Option<String>,
}

/// What is kept of a recording that is judged or becomes a file, and what is told meanwhile.
#[derive(Args, Debug)]
pub struct Keeping {
    /// Leave out the CPU time that no Python frame used, which else has a root of its own in --unit cpu
    #[arg(long, help_heading = "Output")]
    pub python_only: bool,

    /// Show no progress line
    #[arg(long, hide = true)]
    pub hideprogress: bool,
}

/// How to look, and at what.
#[derive(Args, Debug)]
pub struct Sampling {
    /// Record the Python processes that it started or will start, too
    #[arg(short, long)]
    pub subprocesses: bool,

    /// How long, in seconds (0.5 will do), or unlimited: until ^C or the end of the process
    #[arg(short, long, value_name = "SECONDS", default_value = "unlimited", value_parser = parse_duration)]
    pub duration: RecordDuration,

    /// How many times a second to look
    #[arg(short, long, value_name = "HZ", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub rate: u32,

    /// Count waiting threads, too; changes nothing beside --gil
    #[arg(short, long)]
    pub idle: bool,

    /// Count only the thread that holds the GIL
    #[arg(short, long)]
    pub gil: bool,

    /// Which threads count at a look [default: work]
    #[arg(long, value_enum, conflicts_with_all = ["idle", "gil"])]
    pub mode: Option<Mode>,

    /// Never pause a thread, not even for microseconds; stacks of code that calls a lot then stay
    /// unproven, and are counted so
    #[arg(long, help_heading = "How to look")]
    pub nonblocking: bool,

    /// Pause the thread that runs in every look, instead of standing on its CPU: for comparison,
    /// and where spyhole must stay on CPUs of its own
    #[arg(long, conflicts_with = "nonblocking", help_heading = "How to look")]
    pub blocking: bool,

    /// Under sudo, run the started program as root instead of as the user who called sudo
    #[arg(long, conflicts_with = "pid")]
    pub run_as_root: bool,

    /// What reads the process
    #[arg(long, value_enum, default_value = "auto", help_heading = "How to look")]
    pub engine: EngineName,
}

/// What names a process that runs.
#[derive(Args, Debug)]
pub struct Running {
    /// The process to record: its id, decimal or with 0x; several with commas, or given again
    #[arg(short, long, value_name = "PID", value_delimiter = ',', value_parser = parse_pid)]
    pub pid: Vec<Pid>,

    /// The process that serves that TCP port
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    pub port: Option<u16>,

    /// The Python in whose command line this regular expression is found
    #[arg(long, value_name = "PATTERN")]
    pub name: Option<regex::Regex>,

    /// The Pythons in the container whose id begins so
    #[arg(long, value_name = "ID")]
    pub container: Option<String>,
}

/// What a recorder is told, for something that is kept.
pub fn options(sampling: &Sampling, keeping: &Keeping, labels: &Labels) -> RecordOptions {
    RecordOptions {
        labels: labels.options(),
        outside_of_python: !keeping.python_only,
        ..sampling.options()
    }
}

impl Sampling {
    /// Which threads count.
    fn counting(&self) -> Counting {
        match (self.mode, self.gil, self.idle) {
            (Some(mode), ..) => mode.into(),
            (None, true, _) => Counting::Gil,
            (None, false, true) => Counting::Wall,
            (None, false, false) => Counting::default(),
        }
    }

    /// What a recorder is told of it.
    fn options(&self) -> RecordOptions {
        RecordOptions {
            rate: self.rate,
            duration: match self.duration {
                RecordDuration::Unlimited => None,
                RecordDuration::For(duration) => Some(duration),
            },
            counting: self.counting(),
            halting: self.halting(),
            engine: self.engine.into(),
            subprocesses: self.subprocesses,
            run_as_root: self.run_as_root,
            ..RecordOptions::default()
        }
    }

    /// How the target may be treated.
    fn halting(&self) -> Halting {
        match (self.nonblocking, self.blocking) {
            (true, _) => Halting::Never,
            (false, true) => Halting::Always,
            (false, false) => Halting::WhenNeeded,
        }
    }
}

/// `--mode`.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// Every thread, waiting or not, as --idle
    Wall,
    /// Threads that run, and those that wait within a request or task, as for a database
    Work,
    /// Threads that run, and ran since the look before
    Cpu,
    /// The thread that holds the GIL, as --gil
    Gil,
}

impl From<Mode> for Counting {
    fn from(mode: Mode) -> Counting {
        match mode {
            Mode::Wall => Counting::Wall,
            Mode::Work => Counting::Work,
            Mode::Cpu => Counting::Cpu,
            Mode::Gil => Counting::Gil,
        }
    }
}

/// `--unit`.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum UnitName {
    /// Samples, whatever time each stands for
    Samples,
    /// Time that passed: seconds, in raw microseconds
    Wall,
    /// CPU time that threads used: seconds, in raw microseconds
    Cpu,
}

impl From<Unit> for UnitName {
    fn from(unit: Unit) -> UnitName {
        match unit {
            Unit::Samples => UnitName::Samples,
            Unit::Wall => UnitName::Wall,
            Unit::Cpu => UnitName::Cpu,
        }
    }
}

impl From<UnitName> for Unit {
    fn from(name: UnitName) -> Unit {
        match name {
            UnitName::Samples => Unit::Samples,
            UnitName::Wall => Unit::Wall,
            UnitName::Cpu => Unit::Cpu,
        }
    }
}

/// `--duration`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RecordDuration {
    Unlimited,
    For(Duration),
}

/// `--format`, one of those that there are.
fn format_parser() -> impl TypedValueParser<Value = &'static dyn Format> {
    let names = FORMATS.map(|format| {
        let about = format.about();
        PossibleValue::new(about.name).help(about.summary)
    });
    PossibleValuesParser::new(names)
        .try_map(|name| output::format_named(&name).ok_or("no such format"))
}

fn format_help() -> String {
    let default = DEFAULT_FORMAT.about().name;
    let endings = FORMATS.into_iter().filter_map(|format| {
        let (name, ending) = (format.about().name, format.about().endings[0]);
        // A format may share its ending with one that is chosen before it.
        let chosen = output::format_of_path(Path::new(&format!("a.{ending}")));
        let is_told = name != default && name == chosen.about().name;
        is_told.then(|| format!(".{ending} {name}"))
    });
    let endings: Vec<String> = endings.collect();
    let endings = endings.join(", ");
    format!("What to write [default: by the ending of FILE: {endings}, else {default}]")
}

fn unit_help() -> String {
    let units = FORMATS.into_iter().filter_map(|format| {
        let unit = UnitName::from(format.about().default_unit?).to_possible_value()?;
        Some(format!("{} for {}", unit.get_name(), format.about().name))
    });
    let units: Vec<String> = units.collect();
    let units = units.join(", ");
    format!("What widths and counts mean [default: {units}]")
}

/// `--engine`.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum EngineName {
    /// spyhole's own reader, or py-spy's for a Python that spyhole's does not know
    Auto,
    /// spyhole's own reader and no other
    Cpython,
    /// py-spy's reader
    #[cfg(feature = "py-spy")]
    PySpy,
}

impl From<EngineName> for EngineChoice {
    fn from(name: EngineName) -> EngineChoice {
        match name {
            EngineName::Auto => EngineChoice::Auto,
            EngineName::Cpython => EngineChoice::Cpython,
            #[cfg(feature = "py-spy")]
            EngineName::PySpy => EngineChoice::PySpy,
        }
    }
}

fn parse_pid(text: &str) -> Result<Pid, String> {
    let number = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => i32::from_str_radix(digits, 16),
        None => text.parse(),
    };
    match number {
        Ok(pid) if pid > 0 => Ok(Pid(pid)),
        _ => Err("a process id is a positive number, decimal or with 0x".into()),
    }
}

fn parse_duration(text: &str) -> Result<RecordDuration, String> {
    if text.eq_ignore_ascii_case("unlimited") {
        return Ok(RecordDuration::Unlimited);
    }
    text.parse::<f64>()
        .ok()
        .filter(|seconds| *seconds > 0.0)
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .map(RecordDuration::For)
        .ok_or_else(|| "a duration is a positive number of seconds, or unlimited".into())
}

const EXAMPLES: &str = "\
Examples:
  spyhole ps                                         which Python processes there are
  spyhole record --port 8000 -d 10 -o profile.svg    ten seconds of the server at that port
  spyhole record runserver                           the Django server, over reloads, until ^C
  spyhole record -o profile.svg -- python app.py     a program from start to end
  spyhole top --port 8000                            what it does from moment to moment
  spyhole dump --port 8000                           what each thread does at this moment
  spyhole check --against ../main -- python bench.py is it slower than the other checkout?

spyhole record --help tells the rest.";

const RECORD_USAGE: &str = "\
spyhole record [OPTIONS] --pid PID|--port PORT|--name PATTERN|--container ID
       spyhole record [OPTIONS] WORD
       spyhole record [OPTIONS] [--] PROGRAM [ARGUMENT]...";

const RECORD_HELP: &str = "\
Examples:
  spyhole record --pid 1234                          until ^C, into 1234-<time>.svg
  spyhole record --pid 1234 -d 10 -o profile.svg     ten seconds
  spyhole record -s -o all.svg -- gunicorn app:app   a program and the processes below it
  spyhole record --pid 1234 -d 5 -f raw -o -         collapsed stacks, to standard output

Some processes leave their work to others, and are recorded through those: an autoreloader (Django, \
Flask, uvicorn) through the server that it starts again whenever a file changes, a master (gunicorn, \
uWSGI, Celery, uvicorn) together with its workers.

A single WORD is a program, if there is one of that name. Otherwise it is looked for in the command lines \
of the running Pythons. --name and -- say which of the two is meant.

A recording ends after its duration, at ^C, SIGTERM or SIGHUP, or when the process ends. The file is \
written in each case. A second ^C gives up without a file. SIGUSR1 (`kill -USR1`) has what was recorded so far \
written to the file, and the recording goes on. The last lines tell how often spyhole looked, \
and which samples it could not prove to be of one moment.

When the recording ends, a program that spyhole started is ended too (SIGTERM, after 5 seconds SIGKILL), \
with all that it started. If the program ends first, what it leaves behind runs on. A process that \
spyhole only looked at always runs on.

Exit codes:
  0    the file was written
  1    the process could not be recorded, or the file not be written
  2    the command line was not understood
  3    nothing was sampled; no file was written
  130  given up at a second ^C
If a program that spyhole started fails by itself, its code takes the place of 0 or 3: its exit code, or \
128 and the number of the signal that ended it.";

const EXPLAIN_HELP: &str = "\
Examples:
  spyhole explain                 which mistakes spyhole finds
  spyhole explain n-plus-one      what one of them is

A comment in the source silences a rule at one line: # spyhole: ignore[n-plus-one]";

const PS_HELP: &str = "\
A process's role is read off the frames that it is in. Its children stand below it. CPU is measured over \
a fifth of a second, in percent of one CPU. Another user's processes need `sudo`.";

const DUMP_HELP: &str = "\
Examples:
  spyhole dump --pid 1234
  spyhole dump --port 8000            the server at that port, with all its threads
  spyhole dump -ll --port 8000        and what their variables hold
  spyhole dump -s gunicorn            a master with its workers, by a word of the command line
  spyhole dump --json --pid 1234 | jq '.[] | select(.owns_gil) | .frames[0]'
  spyhole dump --core core.1234       what each thread did when the process ended
  coredumpctl dump python3 | spyhole dump --core -

All threads are read at one moment. A thread that runs is held still for some microseconds; one that waits is \
not touched. If a stack could not be proven to be of that moment, a note says so. Threads with the same stack \
are shown once.

A thread is active if it has a CPU or is ready to run, else idle. It is shown what an idle thread waits for: \
the GIL, or a system call.

The tasks of asyncio follow the thread that runs their loop, each below the one that waits for it; suspended greenlets \
come last. Nothing is halted while they are read; if they changed meanwhile, that is said.

From a core file, the signal that ended the process is told, too, and which thread got it. What the core file lacks is \
read from the program and libraries of the process, if these are here as they were; --sysroot tells where else.

Exit codes: 0 all that was named was shown; 1 something could not be read, and the lines say why; 2 the command \
line was not understood.";

const DOCTOR_HELP: &str = "\
Without a target it tells what holds for all. With one it also tries to read it.

Exit codes: 0 what was asked about works; 1 it does not, and the lines say why; 2 the command line was \
not understood.";

#[cfg(test)]
mod tests {
    use super::*;

    fn record(arguments: &[&str]) -> Result<Record, clap::Error> {
        let words = ["spyhole", "record"].iter().chain(arguments);
        match Cli::try_parse_from(words)?.command {
            Command::Record(record) => Ok(*record),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_definitions_hold_together() {
        command().debug_assert();
    }

    #[test]
    fn a_pid_is_decimal_or_hexadecimal() {
        assert_eq!(
            record(&["-p", "1234"]).unwrap().subject.running.pid,
            [Pid(1234)]
        );
        assert_eq!(
            record(&["-p", "0x4d2"]).unwrap().subject.running.pid,
            [Pid(1234)]
        );
        for wrong in ["0", "-1", "x", "0x", "99999999999"] {
            assert!(record(&["--pid", wrong]).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_program_takes_what_follows_it() {
        for dashes in [&["--"][..], &[]] {
            let words = ["-r", "7"].iter().chain(dashes);
            let words: Vec<_> = words
                .chain(&["python", "-c", "x", "-r", "9"])
                .copied()
                .collect();
            let record = record(&words).unwrap();
            assert_eq!(
                (record.sampling.rate, record.subject.program.len()),
                (7, 5),
                "{words:?}"
            );
        }
    }

    #[test]
    fn a_duration_is_seconds_or_unlimited() {
        let duration =
            |text| record(&["-p", "1", "-d", text]).map(|record| record.sampling.duration);
        let half = RecordDuration::For(Duration::from_millis(500));
        assert_eq!(duration("0.5").unwrap(), half);
        assert_eq!(duration("unlimited").unwrap(), RecordDuration::Unlimited);
        for wrong in ["0", "nan", "inf", "1e300", "-3", "ten", ""] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn contradictions_are_refused() {
        for words in [
            &["-p", "1", "python"][..],
            &[],
            &["-p", "1", "-F", "--nolineno"],
            &["-p", "1", "-r", "0"],
            &["-p", "1", "--capture"],
            &["-p", "1", "-f", "gif"],
            &["-p", "1", "--mode", "gil", "--idle"],
            &["-p", "1", "--mode", "cpu", "--gil"],
            &["-p", "1", "--blocking", "--nonblocking"],
        ] {
            assert!(record(words).is_err(), "{words:?}");
        }
        let format = record(&["-p", "1", "-f", "SpeedScope"]).unwrap().format;
        assert_eq!(format.map(|format| format.about().name), Some("speedscope"));
    }
}
