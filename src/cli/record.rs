//! `spyhole record`.

use std::ffi::OsStr;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, anyhow};

use super::args::Record;
use super::control::Written;
use super::periodic::KeptFile;
use super::session::{Launch, Session, Telling};
use super::{empty, exit, program, summary, target, terminal};
use crate::model::{Interner, TOO_MANY};
use crate::output::{self, Format, LineMode, RenderOptions};
use crate::profile::Profile;
use crate::sampler::{Follow, Report, Stop};
use crate::survey::Choice;
use crate::sys::linux::credentials::Caller;
use crate::sys::linux::output_file::Destination;
use crate::sys::linux::spawn::Ending;

/// Records, writes, and tells with which code to leave.
///
/// # Errors
/// When nothing was written, for any reason but that nothing was sampled.
pub fn run(arguments: &Record) -> Result<u8, anyhow::Error> {
    if arguments.native {
        terminal::say("Error: --native is not in this version of spyhole yet; leave it out");
        return Ok(exit::USAGE);
    }
    let mut session = Session::begin(&arguments.sampling)?;
    let output = Output::check(arguments, session.caller.as_ref())?;
    session.thread_names = arguments.threads
        || matches!(
            output.format,
            Format::Speedscope | Format::Chrometrace | Format::Pprof
        );
    if output.format == Format::Pprof && output.destination.is_regular() {
        session.kept = Some(KeptFile {
            destination: Arc::clone(&output.destination),
            name: output.name(),
        });
    }
    let recorder = Recorder {
        arguments,
        session,
        output,
    };
    match arguments.running.wanted() {
        Some(wanted) => recorder.attach(&target::choose(&wanted, arguments.word.as_deref())?),
        None => recorder.start(),
    }
}

/// Where the result goes, and as what.
struct Output {
    path: PathBuf,
    format: Format,
    destination: Arc<Destination>,
}

impl Output {
    /// Before anything is recorded: an hour of recording must not end in "permission denied".
    fn check(arguments: &Record, caller: Option<&Caller>) -> Result<Output, anyhow::Error> {
        let format = match (arguments.format, &arguments.output) {
            (Some(name), _) => name.into(),
            (None, Some(path)) => Format::from_path(path),
            (None, None) => Format::default(),
        };
        if arguments.unit.is_some() && !matches!(format, Format::Flamegraph | Format::Raw) {
            return Err(anyhow!(
                "--unit is for flamegraph and raw; the other formats tell times as they are"
            ));
        }
        let path = match &arguments.output {
            Some(path) => path.clone(),
            None => default_name(arguments, format).into(),
        };
        let destination = Destination::check(&path, caller).with_context(|| {
            let whose = match caller.and_then(|caller| caller.name.as_ref()) {
                Some(name) => format!(" by {name}, who called sudo"),
                None => String::new(),
            };
            let shown = path.display();
            format!("'{shown}' cannot be written{whose}; choose another place with -o")
        })?;
        if arguments.open && !destination.is_regular() {
            return Err(anyhow!(
                "--open needs a regular file to open; choose one with -o"
            ));
        }
        Ok(Output {
            path,
            format,
            destination: Arc::new(destination),
        })
    }
}

impl Output {
    /// For the user.
    fn name(&self) -> String {
        match self.path.to_str() {
            Some("-") => "standard output".into(),
            _ => format!("'{}'", self.path.display()),
        }
    }
}

/// As py-spy names it, but in the current directory whatever the program's path is.
fn default_name(arguments: &Record, format: Format) -> String {
    let running = &arguments.running;
    let subject = match (running.pid.first(), arguments.program.first()) {
        (Some(pid), _) => pid.to_string(),
        (None, Some(program)) => Path::new(program)
            .file_name()
            .unwrap_or(OsStr::new("program"))
            .to_string_lossy()
            .replace(char::is_control, "_"),
        (None, None) => match (running.port, &arguments.word) {
            (Some(port), _) => format!("port-{port}"),
            (None, Some(word)) => word
                .replace(['/', '\0'], "_")
                .replace(char::is_control, "_"),
            (None, None) => "spyhole".into(),
        },
    };
    let time = jiff::Zoned::now().strftime("%Y-%m-%dT%H-%M-%S%z");
    format!("{subject}-{time}.{}", format.extension())
}

/// One recording, from its arguments to its end.
struct Recorder<'a> {
    arguments: &'a Record,
    session: Session<'a>,
    output: Output,
}

const TELLING: Telling<'static> = Telling {
    announce: true,
    prefix: "",
};

impl Recorder<'_> {
    fn attach(&self, choice: &Choice) -> Result<u8, anyhow::Error> {
        let (report, mut profile) = self.session.attach(choice, TELLING)?;
        self.conclude(&report, &mut profile, None)
    }

    fn start(&self) -> Result<u8, anyhow::Error> {
        let control = &self.session.control;
        let launch = Launch {
            words: &self.arguments.program,
            directory: None,
            environment: &[],
            capture: self.arguments.capture,
        };
        let mut ran = self.session.start(launch, TELLING)?;
        let by_itself = ran.own_end.filter(|_| !control.asked_to_stop());
        let result = match &mut ran.recorded {
            Ok((report, profile)) => self.conclude(report, profile, by_itself),
            Err(_) => Ok(exit::FAILED),
        };
        if let (Ok(code), Ok(_)) = (&result, &ran.recorded) {
            control.concluded(*code);
        }
        let (recorded, mut program) = ran.end(control);
        if !matches!(result, Ok(0)) {
            program.show_captured();
        }
        recorded.and(result)
    }

    /// Writes the file, or says why there is none.
    fn conclude(
        &self,
        report: &Report,
        profile: &mut Profile,
        by_itself: Option<Ending>,
    ) -> Result<u8, anyhow::Error> {
        match (self.session.control.why_stop(), report.stop) {
            (Some(why), _) => {
                terminal::say(format_args!("Stopped sampling because {why}"));
            }
            (None, Stop::TargetEnded) => {
                let how = by_itself.map_or(String::new(), |ending| {
                    format!(" {}", program::describe(ending))
                });
                terminal::say(format_args!(
                    "Stopped sampling because the process ended{how}"
                ));
            }
            (None, Stop::Asked | Stop::Duration) => {}
        }
        let own_code = by_itself.and_then(Ending::exit_code).unwrap_or(0);
        if profile.is_empty() {
            let why = empty::explain(report, self.session.sampling.rate, by_itself);
            terminal::say(format_args!("Error: nothing was sampled: {why}"));
            return Ok(if own_code == 0 {
                exit::NOTHING_SAMPLED
            } else {
                own_code
            });
        }
        self.write(report, profile).with_context(|| {
            let before = match self.session.control.written() {
                Written::Nothing | Written::Whole => String::new(),
                so_far => format!(", but {}", so_far.what_is_kept()),
            };
            format!("{} could not be written{before}", self.output.name())
        })?;
        self.tell(report, profile);
        if self.arguments.open {
            let user = self.session.caller.as_ref();
            if let Err(error) =
                program::open_in_browser(&self.output.path, user, self.session.signals)
            {
                // The recording is there all the same.
                terminal::complain(&error);
            }
        }
        Ok(own_code)
    }

    fn write(&self, report: &Report, profile: &Profile) -> Result<(), anyhow::Error> {
        let arguments = self.arguments;
        let options = RenderOptions {
            lines: match (arguments.function, arguments.nolineno) {
                (true, _) => LineMode::Function,
                (false, true) => LineMode::None,
                (false, false) => LineMode::Current,
            },
            full_filenames: arguments.full_filenames,
            threads: arguments.threads,
            processes: arguments.sampling.subprocesses || are_several(report, &profile.interner),
            unit: arguments.unit.map(Into::into),
        };
        let mut file = BufWriter::new(self.session.control.create(&self.output.destination)?);
        output::write(self.output.format, profile, &options, &mut file)?;
        file.flush()?;
        let file = file
            .into_inner()
            .map_err(std::io::IntoInnerError::into_error)?;
        self.session.control.commit(file, Written::Whole)?;
        Ok(())
    }

    fn tell(&self, report: &Report, profile: &Profile) {
        let ticks = &report.ticks;
        let what = match self.output.format {
            Format::Flamegraph => "flamegraph data",
            Format::Raw => "raw flamegraph data (collapsed stacks)",
            Format::Speedscope => "speedscope file",
            Format::Chrometrace => "chrome trace",
            Format::Pprof => "pprof profile",
        };
        terminal::say(format_args!(
            "Wrote {what} to {}. Samples: {} Errors: {}",
            self.output.name(),
            ticks.samples,
            ticks.lost + ticks.lost_threads,
        ));
        terminal::say(summary::how_well(report, self.session.sampling.rate));
        if profile.interner.is_full() {
            terminal::say(format_args!(
                "The program made up more names, lines and stacks than are kept; the rest is {}",
                TOO_MANY
            ));
        }
        if let Some(error) = profile.timeline().failure() {
            terminal::say(format_args!(
                "The order in time is incomplete, {} pieces are missing: its temporary file could \
                 not be written: {error}. TMPDIR chooses another place",
                profile.timeline().dropped()
            ));
        }
        match self.output.format {
            Format::Speedscope => {
                terminal::say("Visit https://www.speedscope.app/ to view");
            }
            Format::Chrometrace => {
                terminal::say("Visit chrome://tracing or https://ui.perfetto.dev/ to view");
            }
            Format::Flamegraph | Format::Raw | Format::Pprof => {}
        }
    }
}

/// Whether several processes were recorded, though nobody asked for all below one: workers, or those
/// that an autoreloader started one after the other. A program that execs stays one.
fn are_several(report: &Report, interner: &Interner) -> bool {
    let mut processes = interner.processes().map(|(_, process)| process);
    let Some(first) = processes.next() else {
        return false;
    };
    let follows = report.follow != Follow::FirstPython;
    processes.any(|process| match process.pid == first.pid {
        // Two Pythons in one process.
        true => process.python != first.python,
        false => follows,
    })
}
