//! Recording as a whole: starts a program or attaches to processes that run, drives the sampler, and
//! hands what it sees to a profile and to any number of sinks.
//!
//! Parts: [`Program`] starts and ends programs; [`Control`] knows whether to go on and what is
//! half written; [`PeriodicFile`] keeps a file up to date; [`Output`] writes one at the end. What the
//! user is told is up to the caller, who receives [`Event`]s.

mod control;
mod error;
mod label_filter;
mod labels;
mod output;
mod output_name;
mod periodic;
mod program;

use std::sync::Arc;
use std::time::Duration;

pub use self::control::{Control, GiveUp, Written};
pub use self::error::RecordError;
use self::label_filter::LabelFilters;
pub use self::label_filter::{LabelFilter, NoLabelFilter};
pub use self::labels::LabelOptions;
pub use self::output::Output;
pub use self::output_name::OutputName;
pub use self::periodic::{Encode, PeriodicFile, Telling, Updates};
pub use self::program::{Launch, Program, Run};
use crate::engine::EngineOptions;
pub use crate::model::Ending;
use crate::model::{Counting, Halting, Interner, Nanos, Pid, Sample, TargetStr, Ticks};
use crate::profile::{Profile, Recording};
use crate::sampler::{
    self, EngineChoice, Follow, LiveWorld, LookBelow, News, Options, Refused, Report, SoFar, Stop,
    SystemClock, Watch,
};
use crate::survey::Choice;
pub use crate::sys::linux::credentials::Caller;
use crate::sys::linux::signals::Before;
use crate::sys::linux::{limits, privilege, usage};
use crate::target::{Identity, Process};

/// The least CPU time without a sample that becomes an entry. Less than that is short work that looks
/// happen to miss.
const LEAST_OUTSIDE: Nanos = Nanos(100_000_000);

/// What to record of a process, and how.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RecordOptions {
    /// Looks per second, at least 1.
    pub rate: u32,
    /// How long to record, counted from the moment that the first process is open; `None` to record for
    /// as long as the target runs.
    pub duration: Option<Duration>,
    /// Which threads count.
    pub counting: Counting,
    /// Whether the process may be halted to read it.
    pub halting: Halting,
    pub engine: EngineChoice,
    /// Whether all processes below the chosen ones are recorded, too.
    pub subprocesses: bool,
    /// Whether the names of threads are recorded; looking them up costs many reads.
    pub thread_names: bool,
    /// Whether CPU time that no sample accounts for is entered in the profile, below a root of its own.
    pub outside_of_python: bool,
    /// Whether the profile keeps the order in time, which some formats need. Its size on disk grows with
    /// time.
    pub order_in_time: bool,
    /// What is read of the program's variables.
    pub labels: LabelOptions,
    /// Samples count only if all of these fit.
    pub only: Vec<LabelFilter>,
    /// Under sudo, whether a program is started as root instead of as the user who called sudo.
    pub run_as_root: bool,
}

impl Default for RecordOptions {
    fn default() -> RecordOptions {
        RecordOptions {
            rate: 100,
            duration: None,
            counting: Counting::default(),
            halting: Halting::default(),
            engine: EngineChoice::default(),
            subprocesses: false,
            thread_names: false,
            outside_of_python: true,
            order_in_time: true,
            labels: LabelOptions::default(),
            only: Vec::new(),
            run_as_root: false,
        }
    }
}

/// What a recording found, and how it went.
#[derive(Debug)]
#[non_exhaustive]
pub struct Recorded {
    pub profile: Profile,
    pub report: Report,
}

/// Receives what is recorded, in addition to the profile that every recording makes.
pub trait Sink {
    /// Called before the first look, in the thread that samples.
    fn begin(&mut self) {}

    /// Called with each sample that counts; its handles are those of `names`.
    fn add(&mut self, _sample: &Sample, _names: &Interner) {}

    /// Called after each look, when no thread is held, with all that was recorded until then.
    fn looked(&mut self, _so_far: &SoFar<'_>, _profile: &mut Profile) {}

    /// Called after the last look.
    fn end(&mut self) {}
}

/// Something about a recording that the user should know.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// The recording of this process, and of those that belong to it, begins.
    Begins {
        pid: Pid,
        recording: &'a Recording,
        duration: Option<Duration>,
    },
    Process(News<'a>),
}

/// Observes a recording. It is called in the thread that samples, so it must not take long.
pub trait Observer {
    /// Called before the first look.
    fn begin(&self) {}

    fn event(&self, _event: Event<'_>) {}

    /// Called after each look.
    fn ticked(&self, _now: Nanos, _ticks: &Ticks) {}
}

/// An observer that does nothing.
impl Observer for () {}

/// Records processes, one recording after the other.
///
/// ```no_run
/// # use spyhole::record::{RecordOptions, Recorder, Launch};
/// let mut options = RecordOptions::default();
/// options.rate = 1000;
/// let recorder = Recorder::new(options);
/// let run = recorder.start(&Launch::new(["python3", "app.py"]), &(), &mut [])?;
/// let recorded = run.finish()?;
/// println!("{} samples", recorded.profile.total().count);
/// # Ok::<(), spyhole::record::RecordError>(())
/// ```
#[derive(Debug)]
pub struct Recorder {
    options: RecordOptions,
    control: Arc<Control>,
    caller: Option<Caller>,
    signals: Before,
    /// Whether this process does nothing but record. Then the orphans of a started program become our
    /// children, and end with the recording.
    is_devoted: bool,
}

impl Recorder {
    /// A recorder in a program that has other things to do, too. The program's signals and its other
    /// children are left alone.
    #[must_use]
    pub fn new(options: RecordOptions) -> Recorder {
        Recorder {
            options,
            control: Arc::default(),
            caller: Caller::of_sudo(),
            signals: Before::unchanged(),
            is_devoted: false,
        }
    }

    /// A recorder in a program that does nothing else. SIGINT, SIGTERM and SIGHUP end a recording, and
    /// are passed on to a program that it started; at a second signal it calls `give_up` and exits.
    /// SIGUSR1 asks for a file with what was recorded so far ([`Control::want_so_far`]). Must be called
    /// before any thread is started.
    ///
    /// # Errors
    /// When signals cannot be received.
    pub fn following_signals(
        options: RecordOptions,
        give_up: GiveUp,
    ) -> Result<Recorder, RecordError> {
        let (control, signals) = Control::start(give_up).map_err(RecordError::Signals)?;
        Ok(Recorder {
            control,
            signals,
            is_devoted: true,
            ..Recorder::new(options)
        })
    }

    #[must_use]
    pub fn options(&self) -> &RecordOptions {
        &self.options
    }

    /// The options, to change them for recordings that begin from now on.
    pub fn options_mut(&mut self) -> &mut RecordOptions {
        &mut self.options
    }

    #[must_use]
    pub fn control(&self) -> &Arc<Control> {
        &self.control
    }

    /// Who called sudo, if we run under it.
    #[must_use]
    pub fn caller(&self) -> Option<&Caller> {
        self.caller.as_ref()
    }

    /// Records running processes.
    ///
    /// # Errors
    /// When none of them can be recorded.
    pub fn attach(
        &self,
        choice: &Choice,
        observer: &dyn Observer,
        sinks: &mut [&mut dyn Sink],
    ) -> Result<Recorded, RecordError> {
        let first = choice.roots.first().ok_or(RecordError::NoProcess)?;
        let process = Process::open(first.pid).map_err(|error| Refused {
            pid: first.pid,
            error: error.into(),
        })?;
        let command = process.command().to_vec();
        drop(process);
        let follow = match (
            self.options.subprocesses || choice.descendants,
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
        let subject = Subject {
            roots: choice.roots.clone(),
            replaced_by_children: choice.replaced_by_children.clone(),
            follow,
            below,
            command,
        };
        self.record(subject, observer, sinks)
    }

    /// Starts a program and records it until it ends, or the recording does. The program may still run
    /// then: see [`Run::finish`].
    ///
    /// # Errors
    /// When the program cannot be started. An error of the recording itself is in [`Run::recorded`].
    pub fn start(
        &self,
        launch: &Launch<'_>,
        observer: &dyn Observer,
        sinks: &mut [&mut dyn Sink],
    ) -> Result<Run, RecordError> {
        let used_before = usage::of_children();
        let user = match self.options.run_as_root {
            true => None,
            false => self.caller.as_ref(),
        };
        let mut program = Program::start(launch, user, self.signals, self.is_devoted)?;
        self.control.program_started(program.pid());
        let words = launch.words.iter();
        let command = words
            .map(|word| TargetStr::from_bytes(word.as_encoded_bytes()))
            .collect();
        let root = program.pid();
        let subject = Subject {
            roots: vec![program.identity()],
            replaced_by_children: Vec::new(),
            follow: match self.options.subprocesses {
                true => Follow::All,
                false => Follow::FirstPython,
            },
            below: match self.is_devoted {
                true => LookBelow::Ourselves { root },
                false => LookBelow::Started { root },
            },
            command,
        };
        let mut recorded = self.record(subject, observer, sinks);
        let own_end = match &recorded {
            Ok(Recorded { report, .. }) if report.stop == Stop::TargetEnded => {
                program.own_end(&self.control)
            }
            _ => None,
        };
        if let Ok(Recorded { profile, .. }) = &mut recorded {
            profile.recording.ending = own_end;
            // If we may have other children, the difference could include their CPU time.
            if own_end.is_some() && self.is_devoted {
                profile.recording.cpu = Some(usage::of_children().saturating_sub(used_before));
            }
        }
        // Asked only now, since the end of a program by a signal may be noticed before that signal is.
        let stopped = self.control.asked_to_stop();
        if own_end.is_none() {
            if stopped {
                program.end_of_signal();
            }
            program.ask_to_end();
        }
        Ok(Run::new(
            recorded,
            own_end,
            program,
            Arc::clone(&self.control),
        ))
    }

    /// Starts a program that is not recorded and not waited for, such as a browser, as the user who
    /// called sudo.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start_aside(&self, program: &str, argument: &std::ffi::OsStr) -> std::io::Result<()> {
        program::start_aside(program, argument, self.caller.as_ref(), self.signals)
    }

    fn record(
        &self,
        subject: Subject,
        observer: &dyn Observer,
        sinks: &mut [&mut dyn Sink],
    ) -> Result<Recorded, RecordError> {
        let RecordOptions { rate, counting, .. } = self.options;
        let started = matches!(
            subject.below,
            LookBelow::Ourselves { .. } | LookBelow::Started { .. }
        );
        let first = subject.roots.first().map_or(Pid(0), |root| root.pid);
        let mut recording = Recording::starting_now(first, subject.command, rate);
        recording.counting = counting;
        let options = Options {
            period: recording.period(),
            duration: self.options.duration.map(Nanos::from),
            counting,
            roots: subject.roots,
            attached: !started,
            follow: subject.follow,
            seed: u64::from(std::process::id()) ^ (jiff::Timestamp::now().as_nanosecond() as u64),
        };
        let engine_options = EngineOptions {
            halting: self.options.halting,
            counting,
            thread_names: self.options.thread_names,
            watches: self.options.labels.watches(),
        };
        // After the program was started, so that it keeps the limit and the capabilities that we were
        // given, and before the threads of the recording are started, so that they get the changed ones.
        limits::raise_open_files();
        privilege::drop_unneeded();
        let profile = match self.options.order_in_time {
            true => Profile::new(recording),
            false => Profile::without_order(recording),
        };
        let mut profile = profile.map_err(RecordError::NoTemporaryFile)?;
        let begins = profile.recording.clone();
        observer.begin();
        for sink in sinks.iter_mut() {
            sink.begin();
        }
        let mut world = LiveWorld::new(
            self.options.engine,
            engine_options,
            subject.below,
            subject.replaced_by_children,
            Box::new(|news| observer.event(Event::Process(news))),
        );
        world.on_first_open(|| {
            observer.event(Event::Begins {
                pid: first,
                recording: &begins,
                duration: self.options.duration,
            });
        });
        let mut watcher = Watcher {
            control: &self.control,
            observer,
        };
        let result = sampler::run(
            &options,
            &mut SystemClock::start(),
            &mut world,
            &mut Fan {
                profile: &mut profile,
                filters: LabelFilters::new(&self.options.only),
                sinks,
            },
            &mut watcher,
        );
        for sink in sinks.iter_mut() {
            sink.end();
        }
        let report = result?;
        report.so_far().enter(&mut profile.recording);
        // The other engine reads none.
        profile.recording.labels_read =
            self.options.labels.read && report.engines.name == Some("cpython");
        // What other samples used would count as outside, too.
        if counting != Counting::Gil && self.options.only.is_empty() {
            count_outside(&mut profile, &report, self.options.outside_of_python);
        }
        Ok(Recorded { profile, report })
    }
}

/// Computes how much CPU time the processes used for which no sample accounts, and makes it an entry of
/// the profile if `is_entry`.
fn count_outside(profile: &mut Profile, report: &Report, is_entry: bool) {
    let mut all = Nanos::ZERO;
    let mut left_out = report.ticks.left_out_cpu;
    for &(process, used) in &report.engines.cpu_used {
        let untold = used.saturating_sub(profile.cpu_of(process));
        // It is not known to which processes the left-out samples belong, so their CPU time is deducted
        // from one process after the other.
        let outside = untold.saturating_sub(left_out);
        left_out = left_out.saturating_sub(untold);
        all = all.saturating_add(outside);
        if is_entry && outside >= LEAST_OUTSIDE && !profile.is_empty() {
            profile.add_outside(process, outside);
        }
    }
    profile.recording.cpu_outside = Some(all);
}

/// The processes to record.
struct Subject {
    roots: Vec<Identity>,
    replaced_by_children: Vec<Identity>,
    follow: Follow,
    below: LookBelow,
    command: Vec<TargetStr>,
}

/// The sampler's only sink, which passes samples on to the profile and to all other sinks.
struct Fan<'a, 'b> {
    profile: &'a mut Profile,
    filters: LabelFilters<'a>,
    sinks: &'a mut [&'b mut dyn Sink],
}

impl sampler::Sink for Fan<'_, '_> {
    fn interner(&mut self) -> &mut Interner {
        &mut self.profile.interner
    }

    fn add(&mut self, sample: &Sample) {
        if !self.filters.fit(sample.labels, &self.profile.interner) {
            return;
        }
        self.profile.add(sample);
        for sink in self.sinks.iter_mut() {
            sink.add(sample, &self.profile.interner);
        }
    }

    fn ticked(&mut self, so_far: &SoFar<'_>) {
        for sink in self.sinks.iter_mut() {
            sink.looked(so_far, self.profile);
        }
    }
}

/// Connects the sampler with the control and the observer.
struct Watcher<'a> {
    control: &'a Control,
    observer: &'a dyn Observer,
}

impl Watch for Watcher<'_> {
    fn asked_to_stop(&mut self) -> bool {
        self.control.asked_to_stop()
    }

    fn ticked(&mut self, now: Nanos, ticks: &Ticks) {
        self.observer.ticked(now, ticks);
    }

    fn news(&mut self, news: News<'_>) {
        self.observer.event(Event::Process(news));
    }
}

impl SoFar<'_> {
    /// Enters the state of the recording into the description that outputs show.
    pub(crate) fn enter(self, recording: &mut Recording) {
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
