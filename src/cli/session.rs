//! One recording, from whom it is of to how it ended: what every command that records has in common.

use std::ffi::OsString;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow};

use super::args::{RecordDuration, Sampling};
use super::control::Control;
use super::periodic::{KeptFile, KeptUpToDate, Periodic};
use super::program::{Program, Setup};
use super::progress::{Line, Progress};
use super::{explain, terminal};
use crate::engine::EngineOptions;
use crate::model::{Counting, Nanos, Pid, TargetStr};
use crate::profile::{Profile, Recording};
use crate::sampler::{
    self, Follow, LiveWorld, LookBelow, Options, Report, SoFar, Stop, SystemClock,
};
use crate::survey::{self, Choice};
use crate::sys::linux::credentials::Caller;
use crate::sys::linux::signals::Before;
use crate::sys::linux::spawn::Ending;
use crate::sys::linux::{limits, privilege, usage};
use crate::target::{Identity, Process};

/// What holds for all recordings of one call of spyhole.
pub struct Session<'a> {
    pub sampling: &'a Sampling,
    pub control: Arc<Control>,
    pub caller: Option<Caller>,
    pub signals: Before,
    /// Whether outputs will tell threads by name.
    pub thread_names: bool,
    /// A file that shall be up to date while recording goes on.
    pub kept: Option<KeptFile>,
}

/// What a recording found, and how it went.
pub type Recorded = Result<(Report, Profile), anyhow::Error>;

/// A program to start.
#[derive(Clone, Copy, Debug)]
pub struct Launch<'a> {
    pub words: &'a [OsString],
    /// Where it runs, if not where we do.
    pub directory: Option<&'a Path>,
    /// What it finds in its environment beside what we found.
    pub environment: &'a [(&'a str, String)],
    /// Whether what it writes is kept instead of shown.
    pub capture: bool,
}

/// What is said while a recording goes on.
#[derive(Clone, Copy, Debug)]
pub struct Telling<'a> {
    /// Whether it is said at the start what is recorded.
    pub announce: bool,
    /// What stands before the rest of the progress line.
    pub prefix: &'a str,
}

/// A program that was recorded, and may still be there.
pub struct Ran {
    pub recorded: Recorded,
    /// How it ended, if it did by itself.
    pub own_end: Option<Ending>,
    program: Program,
}

impl Ran {
    /// Sees to it that the program has ended. What it leaves behind when it ends by itself is its own
    /// affair; all else ends with the recording, however that went.
    pub fn end(mut self, control: &Control) -> (Recorded, Program) {
        if self.own_end.is_none() {
            self.program.end(control);
        }
        (self.recorded, self.program)
    }
}

impl<'a> Session<'a> {
    /// Takes the signals over; before any thread is started.
    ///
    /// # Errors
    /// When signals cannot be received.
    pub fn begin(sampling: &'a Sampling) -> Result<Session<'a>, anyhow::Error> {
        let (control, signals) = Control::start().context("signals cannot be received")?;
        Ok(Session {
            sampling,
            control,
            caller: Caller::of_sudo(),
            signals,
            thread_names: false,
            kept: None,
        })
    }

    /// Records processes that run.
    pub fn attach(&self, choice: &Choice, telling: Telling<'_>) -> Recorded {
        let Some(first) = choice.roots.first() else {
            return Err(anyhow!("no process was found"));
        };
        let pid = first.pid;
        let process = Process::open(pid).map_err(|error| explain::attaching(pid, error.into()))?;
        let command = process.command().to_vec();
        drop(process);
        let follow = match (
            self.sampling.subprocesses || choice.descendants,
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
            shares_terminal: false,
        };
        self.record(whom, command, telling)
            .map_err(|error| explain::attaching(pid, error))
    }

    /// Starts a program and records it until it ends, or the recording does.
    ///
    /// # Errors
    /// When the program cannot be started; how the recording went is told apart.
    pub fn start(&self, launch: Launch<'_>, telling: Telling<'_>) -> Result<Ran, anyhow::Error> {
        let used_before = usage::of_children();
        let mut program = Program::start(&Setup {
            launch,
            user: match self.sampling.run_as_root {
                true => None,
                false => self.caller.as_ref(),
            },
            signals: self.signals,
        })?;
        self.control.program_started(program.pid());
        let words = launch.words.iter();
        let command = words
            .map(|word| TargetStr::from_bytes(word.as_encoded_bytes()))
            .collect();
        let whom = Whom {
            roots: vec![program.identity()],
            passed_over: Vec::new(),
            follow: match self.sampling.subprocesses {
                true => Follow::All,
                false => Follow::FirstPython,
            },
            below: LookBelow::Ourselves {
                root: program.pid(),
            },
            shares_terminal: !launch.capture,
        };
        let mut recorded = self
            .record(whom, command, telling)
            .map_err(|error| explain::attaching(program.pid(), error));
        let own_end = match &recorded {
            Ok((report, _)) if report.stop == Stop::TargetEnded => program.own_end(&self.control),
            _ => None,
        };
        if own_end.is_some()
            && let Ok((_, profile)) = &mut recorded
        {
            profile.recording.cpu = Some(usage::of_children().saturating_sub(used_before));
        }
        // One that ended at our signal may be noticed before the signal is.
        let stopped = self.control.asked_to_stop();
        if own_end.is_none() {
            if stopped {
                program.end_of_signal();
            }
            program.ask_to_end();
        }
        Ok(Ran {
            recorded,
            own_end,
            program,
        })
    }

    fn record(&self, whom: Whom, command: Vec<TargetStr>, telling: Telling<'_>) -> Recorded {
        let sampling = self.sampling;
        let started = matches!(whom.below, LookBelow::Ourselves { .. });
        let first = whom.roots.first().map_or(Pid(0), |root| root.pid);
        let mut recording = Recording::starting_now(first, command, sampling.rate);
        recording.counting = sampling.counting();
        let duration = match sampling.duration {
            RecordDuration::Unlimited => None,
            RecordDuration::For(duration) => Some(duration),
        };
        let options = Options {
            period: recording.period(),
            duration: duration.map(Nanos::from),
            counting: sampling.counting(),
            roots: whom.roots,
            attached: !started,
            follow: whom.follow,
            seed: u64::from(std::process::id()) ^ (jiff::Timestamp::now().as_nanosecond() as u64),
        };
        let engine_options = EngineOptions {
            halting: sampling.halting(),
            counting: sampling.counting(),
            is_work: (sampling.counting() == Counting::Work).then_some(survey::is_work),
            thread_names: self.thread_names,
        };
        // After the program was started, so that it has what it was given, and before any thread
        // of ours is, so that they have not.
        limits::raise_open_files();
        privilege::drop_unneeded();
        let mut profile = Profile::new(recording)
            .context("no temporary file can be made for the recording; set TMPDIR")?;
        // A program that shares our terminal writes there, too.
        let hidden = sampling.hideprogress || whom.shares_terminal || !terminal::can_redraw();
        let progress = Progress::start(match hidden {
            true => Line::Hidden,
            false => Line::Shown {
                prefix: telling.prefix.to_owned(),
                duration,
            },
        });
        let mut world = LiveWorld::new(
            sampling.engine.into(),
            engine_options,
            whom.below,
            whom.passed_over,
            progress.teller(),
        );
        if telling.announce {
            let (mut tell, said) = (
                progress.teller(),
                announcement(first, &profile.recording, duration),
            );
            world.on_first_open(move || tell(&said));
        }
        let periodic = self.kept.as_ref().map(|file| {
            Periodic::start(Arc::clone(&self.control), file.clone(), progress.teller())
        });
        let mut kept = KeptUpToDate::new(&mut profile, periodic);
        let result = sampler::run(
            &options,
            &mut SystemClock::start(),
            &mut world,
            &mut kept,
            &mut progress.watch(&self.control),
        );
        kept.finish();
        progress.finish();
        let report = result?;
        report.so_far().enter(&mut profile.recording);
        Ok((report, profile))
    }
}

/// Whom to record.
struct Whom {
    roots: Vec<Identity>,
    passed_over: Vec<Identity>,
    follow: Follow,
    below: LookBelow,
    shares_terminal: bool,
}

/// What begins now.
fn announcement(pid: Pid, recording: &Recording, duration: Option<Duration>) -> String {
    let so_long = match duration {
        Some(duration) if duration == Duration::from_secs(1) => " for 1 second".to_owned(),
        Some(duration) => format!(" for {} seconds", duration.as_secs_f64()),
        None => String::new(),
    };
    format!(
        "Sampling process {pid} ({}) {} times a second{so_long}. Press Control-C to exit.",
        terminal::command_line(&recording.command),
        recording.rate,
    )
}

impl SoFar<'_> {
    /// Writes how the recording goes into what outputs are made from.
    pub(super) fn enter(self, recording: &mut Recording) {
        let SoFar {
            duration,
            ticks,
            engines,
        } = self;
        recording.python = engines.python;
        recording.engine = engines.name.unwrap_or_default().to_owned();
        recording.duration = duration;
        recording.ticks = *ticks;
        recording.halted = engines.report.method.into_iter().collect();
    }
}
