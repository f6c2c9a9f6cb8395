//! `spyhole record`.

use std::ffi::OsStr;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow};

use super::args::{Record, RecordDuration};
use super::control::Control;
use super::program::{self, Program, Setup};
use super::progress::{Line, Progress};
use super::{empty, exit, explain, summary, target, terminal};
use crate::engine::{EngineOptions, Halting};
use crate::model::{Interner, Nanos, Pid, Sample, TOO_MANY, TargetStr};
use crate::output::{self, Format, LineMode, RenderOptions};
use crate::profile::{IdlePolicy, Profile, Recording, Ticks};
use crate::sampler::{
    self, Follow, Keep, LiveWorld, LookBelow, Options, Report, Sink, Stop, SystemClock,
};
use crate::survey::{self, Choice};
use crate::sys::linux::credentials::Caller;
use crate::sys::linux::output_file::Destination;
use crate::sys::linux::signals::Before;
use crate::sys::linux::spawn::Ending;
use crate::sys::linux::{limits, privilege};
use crate::target::{Identity, Process};

/// Records, writes, and tells with which code to leave.
///
/// # Errors
/// When nothing was written, for any reason but that nothing was sampled.
pub fn run(arguments: &Record) -> Result<u8, anyhow::Error> {
    if arguments.native {
        terminal::say("Error: --native is not in this version of spyhole yet; leave it out");
        return Ok(exit::USAGE);
    }
    let (control, signals) = Control::start().context("signals cannot be received")?;
    let caller = Caller::of_sudo();
    let output = Output::check(arguments, caller.as_ref())?;
    let session = Session {
        arguments,
        control,
        caller,
        signals,
        output,
    };
    match arguments.running.wanted() {
        Some(wanted) => session.attach(&target::choose(&wanted, arguments.word.as_deref())?),
        None => session.start(),
    }
}

/// Where the result goes, and as what.
struct Output {
    path: PathBuf,
    format: Format,
    destination: Destination,
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
            destination,
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

/// Whom to record.
struct Whom {
    roots: Vec<Identity>,
    passed_over: Vec<Identity>,
    follow: Follow,
    below: LookBelow,
}

/// One recording, from its arguments to its end.
struct Session<'a> {
    arguments: &'a Record,
    control: Arc<Control>,
    caller: Option<Caller>,
    signals: Before,
    output: Output,
}

impl Session<'_> {
    fn attach(&self, choice: &Choice) -> Result<u8, anyhow::Error> {
        let Some(first) = choice.roots.first() else {
            return Err(anyhow!("no process was found"));
        };
        let pid = first.pid;
        let process = Process::open(pid).map_err(|error| explain::attaching(pid, error.into()))?;
        let command = process.command().to_vec();
        drop(process);
        let follow = match (
            self.arguments.subprocesses || choice.descendants,
            choice.children,
        ) {
            (true, _) => Follow::All,
            (false, true) => Follow::Children,
            (false, false) => Follow::Roots,
        };
        let below = match follow {
            Follow::Roots => LookBelow::Nowhere,
            _ => LookBelow::Roots(choice.roots.iter().map(|root| root.pid).collect()),
        };
        let whom = Whom {
            roots: choice.roots.clone(),
            passed_over: choice.passed_over.clone(),
            follow,
            below,
        };
        let (report, mut profile) = self
            .record(whom, command)
            .map_err(|error| explain::attaching(pid, error))?;
        self.conclude(&report, &mut profile, None)
    }

    fn start(&self) -> Result<u8, anyhow::Error> {
        let mut program = Program::start(&Setup {
            words: &self.arguments.program,
            capture: self.arguments.capture,
            user: match self.arguments.run_as_root {
                true => None,
                false => self.caller.as_ref(),
            },
            signals: self.signals,
        })?;
        self.control.program_started(program.pid());
        let words = self.arguments.program.iter();
        let command = words
            .map(|word| TargetStr::from_bytes(word.as_encoded_bytes()))
            .collect();
        let whom = Whom {
            roots: vec![program.identity()],
            passed_over: Vec::new(),
            follow: match self.arguments.subprocesses {
                true => Follow::All,
                false => Follow::FirstPython,
            },
            below: LookBelow::Ourselves {
                root: program.pid(),
            },
        };
        let recorded = self
            .record(whom, command)
            .map_err(|error| explain::attaching(program.pid(), error));
        // How it ended, if it ended by itself.
        let own_end = match &recorded {
            Ok((report, _)) if report.stop == Stop::TargetEnded => program.own_end(&self.control),
            _ => None,
        };
        // One that ended at our signal may be noticed before the signal is.
        let stopped = self.control.asked_to_stop();
        if own_end.is_none() {
            if stopped {
                program.end_of_signal();
            }
            program.ask_to_end();
        }
        let result = recorded.and_then(|(report, mut profile)| {
            self.conclude(&report, &mut profile, own_end.filter(|_| !stopped))
        });
        if let Ok(code) = result {
            self.control.concluded(code);
        }
        // What a program leaves behind when it ends by itself is its own affair; all else ends
        // with the recording, however that went.
        if own_end.is_none() {
            program.end(&self.control);
        }
        if !matches!(result, Ok(0)) {
            program.show_captured();
        }
        result
    }

    fn record(
        &self,
        whom: Whom,
        command: Vec<TargetStr>,
    ) -> Result<(Report, Profile), anyhow::Error> {
        let arguments = self.arguments;
        let started = matches!(whom.below, LookBelow::Ourselves { .. });
        let first = whom.roots.first().map_or(Pid(0), |root| root.pid);
        let mut recording = Recording::starting_now(first, command, arguments.rate);
        recording.gil_only = arguments.gil_only();
        recording.idle = match (arguments.counts_idle(), arguments.counts_work()) {
            (true, _) => IdlePolicy::Counted,
            (false, true) => IdlePolicy::AtWork,
            (false, false) => IdlePolicy::LeftOut,
        };
        let duration = match arguments.duration {
            RecordDuration::Unlimited => None,
            RecordDuration::For(duration) => Some(duration),
        };
        let options = Options {
            period: recording.period(),
            duration: duration.map(Nanos::from),
            keep: Keep {
                idle: arguments.counts_idle(),
                at_work: arguments.counts_work(),
                gil_only: arguments.gil_only(),
            },
            roots: whom.roots,
            attached: !started,
            follow: whom.follow,
            seed: u64::from(std::process::id()) ^ (jiff::Timestamp::now().as_nanosecond() as u64),
        };
        let engine_options = EngineOptions {
            halting: match (arguments.nonblocking, arguments.blocking) {
                (true, _) => Halting::Never,
                (false, true) => Halting::Always,
                (false, false) => Halting::WhenNeeded,
            },
            only_running: !arguments.counts_idle(),
            is_work: arguments.counts_work().then_some(survey::is_work),
            thread_names: arguments.threads
                || matches!(
                    self.output.format,
                    Format::Speedscope | Format::Chrometrace | Format::Pprof
                ),
        };
        // After the program was started, so that it has what it was given, and before any thread
        // of ours is, so that they have not.
        limits::raise_open_files();
        privilege::drop_unneeded();
        let mut profile = Profile::new(recording)
            .context("no temporary file can be made for the recording; set TMPDIR")?;
        announce(first, &profile.recording, duration);
        // A program that shares our terminal writes there, too.
        let shared = started && !arguments.capture;
        let progress = match arguments.hideprogress || shared || !terminal::can_redraw() {
            true => Progress::start(Line::Hidden),
            false => Progress::start(Line::Shown(duration)),
        };
        let mut world = LiveWorld::new(
            arguments.engine.into(),
            engine_options,
            whom.below,
            whom.passed_over,
            progress.teller(),
        );
        let result = sampler::run(
            &options,
            &mut SystemClock::start(),
            &mut world,
            &mut profile,
            &mut progress.watch(&self.control),
        );
        progress.finish();
        let report = result?;
        enter(&report, &mut profile.recording);
        Ok((report, profile))
    }

    /// Writes the file, or says why there is none.
    fn conclude(
        &self,
        report: &Report,
        profile: &mut Profile,
        by_itself: Option<Ending>,
    ) -> Result<u8, anyhow::Error> {
        match (self.control.why_stop(), report.stop) {
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
            let why = empty::explain(report, self.arguments, by_itself);
            terminal::say(format_args!("Error: nothing was sampled: {why}"));
            return Ok(if own_code == 0 {
                exit::NOTHING_SAMPLED
            } else {
                own_code
            });
        }
        self.write(report, profile)
            .with_context(|| format!("{} could not be written", self.output.name()))?;
        self.tell(report, profile);
        if self.arguments.open {
            let user = self.caller.as_ref();
            if let Err(error) = program::open_in_browser(&self.output.path, user, self.signals) {
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
            processes: arguments.subprocesses || are_several(report, &profile.interner),
            unit: arguments.unit.map(Into::into),
        };
        let mut file = BufWriter::new(self.control.create(&self.output.destination)?);
        output::write(self.output.format, profile, &options, &mut file)?;
        file.flush()?;
        let file = file
            .into_inner()
            .map_err(std::io::IntoInnerError::into_error)?;
        self.control.commit(file)?;
        Ok(())
    }

    fn tell(&self, report: &Report, profile: &Profile) {
        let tally = &report.tally;
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
            tally.samples,
            tally.lost + tally.lost_threads,
        ));
        terminal::say(summary::how_well(report, self.arguments.rate));
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
    report.follow != Follow::FirstPython && processes.any(|process| process.pid != first.pid)
}

/// Says what begins now.
fn announce(pid: Pid, recording: &Recording, duration: Option<Duration>) {
    let so_long = match duration {
        Some(duration) if duration == Duration::from_secs(1) => " for 1 second".to_owned(),
        Some(duration) => format!(" for {} seconds", duration.as_secs_f64()),
        None => String::new(),
    };
    terminal::say(format_args!(
        "Sampling process {pid} ({}) {} times a second{so_long}. Press Control-C to exit.",
        terminal::command_line(&recording.command),
        recording.rate,
    ));
}

/// Writes how the recording went into what the outputs are made from.
fn enter(report: &Report, recording: &mut Recording) {
    let tally = &report.tally;
    recording.python = report.engines.python;
    recording.engine = report.engines.name.unwrap_or_default().to_owned();
    recording.duration = report.duration;
    recording.looks = tally.rounds;
    recording.pauses = tally.pauses;
    recording.pauses_refused = tally.refused;
    recording.how_held = report.engines.report.path.to_owned();
    recording.ticks = Ticks {
        expected: tally.expected,
        sampled: tally.sampled,
        idle: tally.idle,
        missed: tally.missed,
        lost: tally.lost,
        unproven: tally.unproven,
    };
}

impl Sink for Profile {
    fn interner(&mut self) -> &mut Interner {
        &mut self.interner
    }

    fn add(&mut self, sample: &Sample) {
        Profile::add(self, sample);
    }
}
