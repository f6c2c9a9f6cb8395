//! The workload of a check: a program that is started again and again, or running processes.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, anyhow};

use super::failure::{Failure, WithCode};
use crate::check::{Source, Version};
use crate::cli::args::Check;
use crate::cli::progress::{Line, Progress};
use crate::cli::{empty, exit, explain, terminal, words};
use crate::model::TargetStr;
use crate::profile::Profile;
use crate::record::{self, Ending, Launch, Program, Recorder};
use crate::survey::Choice;

/// The most attempts at a run if nothing was sampled.
const TRIES: u32 = 3;

/// What is recorded.
pub struct Workload<'a> {
    arguments: &'a Check,
    recorder: &'a Recorder,
    what: What,
    /// The folder that was set up for this check; removed at its end.
    _made: Option<tempfile::TempDir>,
}

enum What {
    Running(Choice),
    Program {
        here: PathBuf,
        before: Option<PathBuf>,
    },
}

/// One recording.
pub struct Recorded {
    pub profile: Profile,
    /// Units of work that were done, if they are counted.
    pub units: Option<f64>,
}

impl<'a> Workload<'a> {
    pub fn running(arguments: &'a Check, recorder: &'a Recorder, choice: Choice) -> Workload<'a> {
        Workload {
            arguments,
            recorder,
            what: What::Running(choice),
            _made: None,
        }
    }

    pub fn program(
        arguments: &'a Check,
        recorder: &'a Recorder,
        here: &Path,
    ) -> Result<Workload<'a>, Failure> {
        let mut made = None;
        let mut before = arguments.against.clone();
        if let Some(setup) = &arguments.against_setup {
            let folder = tempfile::tempdir()
                .context("no folder can be made for the other version; set TMPDIR")
                .code(exit::FAILED)?;
            let place = folder.path().join("before");
            set_up(setup, &place)?;
            before = Some(place);
            made = Some(folder);
        }
        let before = match before {
            None => None,
            Some(folder) => Some(other_version(here, &folder)?),
        };
        Ok(Workload {
            arguments,
            recorder,
            what: What::Program {
                here: here.to_owned(),
                before,
            },
            _made: made,
        })
    }

    /// The name to show to the user.
    pub fn name(&self) -> String {
        match &self.what {
            What::Running(choice) => {
                let pids: Vec<_> = choice
                    .roots
                    .iter()
                    .map(|root| root.pid.to_string())
                    .collect();
                match &pids[..] {
                    [pid] => format!("process {pid}"),
                    _ => format!("processes {}", pids.join(", ")),
                }
            }
            What::Program { .. } => {
                let words = self.arguments.program.iter();
                let words: Vec<_> = words
                    .map(|word| TargetStr::from_bytes(word.as_encoded_bytes()))
                    .collect();
                format!("'{}'", terminal::command_line(&words))
            }
        }
    }

    /// The sampling rate, in samples per second.
    pub fn rate(&self) -> u32 {
        self.recorder.options().rate
    }

    pub fn has_before(&self) -> bool {
        matches!(
            self.what,
            What::Program {
                before: Some(_),
                ..
            }
        )
    }

    pub fn is_program(&self) -> bool {
        matches!(self.what, What::Program { .. })
    }

    /// Where the program's own files are.
    pub fn source(&self) -> Source {
        Source::of(match &self.what {
            What::Program { here, .. } => here.clone(),
            What::Running(_) => std::env::current_dir().unwrap_or_default(),
        })
    }

    /// The versions that a repeat records, in a random order: the first run of a repeat may influence the
    /// second.
    pub fn order(&self, repeat: usize) -> Vec<Version> {
        if !self.has_before() {
            return vec![Version::After];
        }
        // Half of these numbers have the highest bit set, in no regular order.
        let mixed = (repeat as u64 ^ u64::from(std::process::id()) << 20)
            .wrapping_mul(0x9E37_79B9_7F4A_7C15);
        match mixed >> 63 {
            0 => vec![Version::Before, Version::After],
            _ => vec![Version::After, Version::Before],
        }
    }

    /// Records once; `repeat` counts from 1.
    pub fn record(
        &self,
        version: Version,
        repeat: usize,
        prefix: &str,
    ) -> Result<Recorded, Failure> {
        if self.recorder.control().asked_to_stop() {
            return Err(stopped());
        }
        match &self.what {
            What::Running(choice) => {
                let progress = self.progress(prefix);
                let recorded = self.recorder.attach(choice, &progress, &mut []);
                progress.finish();
                let recorded = recorded.map_err(explain::recording).code(exit::FAILED)?;
                self.recorded(recorded, None, None)
            }
            What::Program { here, before } => {
                let folder = match version {
                    Version::After => here,
                    Version::Before => before.as_ref().unwrap_or(here),
                };
                // On a busy machine, a short program may end before it is sampled.
                let mut attempt = 1;
                loop {
                    match self.run(folder, repeat, prefix) {
                        Err(failure)
                            if failure.code == exit::NOTHING_SAMPLED && attempt < TRIES =>
                        {
                            attempt += 1;
                        }
                        recorded => return recorded,
                    }
                }
            }
        }
    }

    fn progress(&self, prefix: &str) -> Progress {
        let hidden = self.arguments.keeping.hideprogress;
        let line = Line::new(hidden, prefix, self.recorder.options().duration);
        Progress::new(line, false)
    }

    fn run(&self, folder: &Path, repeat: usize, prefix: &str) -> Result<Recorded, Failure> {
        let control = self.recorder.control();
        let mut launch = Launch::new(&self.arguments.program);
        launch.directory = Some(folder);
        launch.environment = self.environment(repeat);
        launch.capture = true;
        let progress = self.progress(prefix);
        let run = self.recorder.start(&launch, &progress, &mut []);
        progress.finish();
        let run = run.code(exit::FAILED)?;
        let own_end = run.own_end;
        let (recorded, mut program) = run.end();
        // After ^C, the program may end in any way.
        if control.asked_to_stop() {
            return Err(stopped());
        }
        if let Some(ending) = own_end.filter(|ending| ending.exit_code() != Some(0)) {
            terminal::show_captured(&mut program);
            return Err(anyhow!(
                "the program ended {}, so what was recorded of it says nothing",
                words::ending(ending)
            ))
            .code(exit::PROGRAM_FAILED);
        }
        let recorded = recorded.map_err(explain::recording).code(exit::FAILED)?;
        let units = self.printed_units(&mut program)?;
        self.recorded(recorded, own_end, units)
    }

    fn recorded(
        &self,
        record::Recorded {
            profile, report, ..
        }: record::Recorded,
        own_end: Option<Ending>,
        units: Option<f64>,
    ) -> Result<Recorded, Failure> {
        if profile.is_empty() {
            let why = empty::explain(&report, self.recorder.options().rate, own_end);
            return Err(anyhow!("nothing was sampled: {why}")).code(exit::NOTHING_SAMPLED);
        }
        Ok(Recorded {
            profile,
            units: units.or(self.arguments.units),
        })
    }

    /// Both runs of a repeat get the same seed for Python's hashes: hash seeds make runs differ by more
    /// than most changes do. Each repeat gets another seed, so that no single one decides.
    fn environment(&self, repeat: usize) -> Vec<(&'static str, String)> {
        const SEED: &str = "PYTHONHASHSEED";
        match std::env::var_os(SEED) {
            Some(_) => Vec::new(),
            None => vec![(SEED, repeat.to_string())],
        }
    }

    fn printed_units(&self, program: &mut Program) -> Result<Option<f64>, Failure> {
        let Some(pattern) = &self.arguments.units_from else {
            return Ok(None);
        };
        let text = program.captured();
        let units = pattern
            .captures_iter(&text)
            .last()
            .and_then(|found| found.get(1)?.as_str().parse::<f64>().ok())
            .filter(|units| *units > 0.0 && units.is_finite());
        if units.is_none() {
            terminal::show_captured(program);
            return Err(anyhow!(
                "'{pattern}' finds no number of units in what the program printed"
            ))
            .code(exit::PROGRAM_FAILED);
        }
        Ok(units)
    }
}

fn stopped() -> Failure {
    Failure {
        code: exit::GIVEN_UP,
        error: anyhow!("stopped before there was a verdict"),
    }
}

/// The directory of the other version, which must not be `here`.
fn other_version(here: &Path, other: &Path) -> Result<PathBuf, Failure> {
    let place = other
        .canonicalize()
        .with_context(|| format!("there is no other version in '{}'", other.display()))
        .code(exit::BAD_BASELINE)?;
    if !place.is_dir() {
        return Err(anyhow!("'{}' is not a directory", other.display())).code(exit::BAD_BASELINE);
    }
    if place == here {
        return Err(anyhow!(
            "'{}' is this directory itself: there is nothing to compare",
            other.display()
        ))
        .code(exit::BAD_BASELINE);
    }
    Ok(place)
}

/// Runs the command that sets up the other version.
fn set_up(command: &str, place: &Path) -> Result<(), Failure> {
    terminal::say("Setting up the version before");
    let status = Command::new("sh")
        .arg("-c")
        .arg(command)
        .env("SPYHOLE_BEFORE", place)
        .stdin(Stdio::null())
        // Standard output is reserved for reports.
        .stdout(std::io::stderr())
        .status()
        .context("no shell can be started")
        .code(exit::FAILED)?;
    if !status.success() {
        return Err(anyhow!(
            "the command that sets up the version before failed ({status}): {command}"
        ))
        .code(exit::BAD_BASELINE);
    }
    if !place.is_dir() {
        return Err(anyhow!(
            "the command that sets up the version before made no directory $SPYHOLE_BEFORE: {command}"
        ))
        .code(exit::BAD_BASELINE);
    }
    Ok(())
}
