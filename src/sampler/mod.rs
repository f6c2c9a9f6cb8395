//! The loop that asks engines for stacks. It decides when to ask, for which processes, for how long, and
//! what to do when it is late. It counts what became of every tick; it knows nothing of what is done
//! with the samples.

mod births;
mod clock;
mod engines;
mod family;
mod live;
mod member;
mod news;
mod open;
mod pace;
mod refusal;
mod schedule;
mod ticks;
mod versionless;
mod world;

#[cfg(test)]
mod tests;

pub use births::LookBelow;
pub use clock::{Clock, SystemClock};
pub use engines::Engines;
pub use live::{EngineChoice, LiveWorld};
pub use news::News;
#[cfg(any(test, feature = "internals"))]
pub use refusal::RefusalKind;
pub use refusal::{OpenFailure, Refusal, Refused};
pub use schedule::Schedule;
#[cfg(any(test, feature = "internals"))]
pub use world::{Descendant, Descendants};
pub use world::{Follow, World};

use crate::engine::TickError;
use crate::model::{Counting, Interner, Nanos, Pid, Sample, Tick, Ticks};
use crate::sys::linux::{ptrace, stand};
use crate::target::{Halted, Identity};
use family::Family;
use member::State;
use pace::Pace;

/// What to record, and how often.
#[derive(Clone, Debug)]
pub struct Options {
    /// Mean time between two ticks.
    pub period: Nanos,
    /// How long to record, counted from the moment that the first process is open; `None` to record for
    /// as long as the target runs.
    pub duration: Option<Nanos>,
    pub counting: Counting,
    pub roots: Vec<Identity>,
    /// Whether the roots already ran before we came. If so, they must soon turn out to be Python; a
    /// program that we started may take longer.
    pub attached: bool,
    pub follow: Follow,
    /// The seed of the jitter.
    pub seed: u64,
}

/// Takes the samples.
pub trait Sink {
    /// The tables in which engines enter names.
    fn interner(&mut self) -> &mut Interner;

    /// Counts one sample.
    fn add(&mut self, sample: &Sample);

    /// Called after each tick, when no process is paused.
    fn ticked(&mut self, _: &SoFar<'_>) {}
}

/// The state of a recording, while it goes on or at its end.
#[derive(Clone, Copy, Debug)]
pub struct SoFar<'a> {
    /// Time since the first process was open.
    pub duration: Nanos,
    pub ticks: &'a Ticks,
    pub engines: &'a Engines,
}

/// Observes a recording, and may end it.
pub trait Watch {
    /// Whether to end the recording. Called at least 20 times a second.
    fn asked_to_stop(&mut self) -> bool;

    /// Called after each tick.
    fn ticked(&mut self, now: Nanos, ticks: &Ticks);

    /// Called when something is found out about a process.
    fn news(&mut self, news: News<'_>);
}

/// Why a recording ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stop {
    /// Its duration was over.
    Duration,
    /// `Watch::asked_to_stop` said so.
    Asked,
    /// No process was left.
    TargetEnded,
}

/// How a recording went.
#[derive(Debug)]
pub struct Report {
    pub stop: Stop,
    pub ticks: Ticks,
    /// From the moment that the first process was open to the end.
    pub duration: Nanos,
    pub engines: Engines,
    /// Which processes were recorded in the end: a program may turn out to be a master, or an
    /// autoreloader.
    pub follow: Follow,
    /// The last failure to open a process.
    pub last_refusal: Option<Refused>,
    /// The last failure to read one.
    pub last_unreadable: Option<String>,
    /// The stretches in which a process could not be read, or could not run, for long, in the order in
    /// which they ended.
    pub outages: Vec<Outage>,
}

/// A stretch of a recording in which nothing could be seen of a process.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outage {
    pub pid: Pid,
    pub what: OutageKind,
    pub since: Nanos,
    pub until: Nanos,
}

/// Why there was nothing to see.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum OutageKind {
    /// The process could not be read, for this reason.
    Unreadable(String),
    /// The process was kept from running.
    Halted(Halted),
}

impl Report {
    /// The state of the recording at its end.
    #[must_use]
    pub fn so_far(&self) -> SoFar<'_> {
        SoFar {
            duration: self.duration,
            ticks: &self.ticks,
            engines: &self.engines,
        }
    }
}

/// The longest sleep without asking whether to stop.
const SLICE: Nanos = Nanos(50_000_000);

/// A process that could not be read for this long is reported.
const OUTAGE: Nanos = Nanos(500_000_000);

/// Time between two checks of what keeps a process from running, while none of its threads runs.
const HALT_CHECKS: Nanos = Nanos(1_000_000_000);

/// Time between two readings of the CPU time that a process has used.
const CPU_ASKED: Nanos = Nanos(50_000_000);

/// A recording that has waited for its first process for this long tells the user so.
const QUIET_START: Nanos = Nanos(1_500_000_000);

/// Records until the duration is over, someone asks it to stop, or the target ends.
///
/// # Errors
/// When the process that was named cannot be recorded.
pub fn run(
    options: &Options,
    clock: &mut dyn Clock,
    world: &mut dyn World,
    sink: &mut dyn Sink,
    watch: &mut dyn Watch,
) -> Result<Report, Refused> {
    let mut recorder = Recorder {
        family: Family::new(options),
        counting: options.counting,
        ticks: Ticks::default(),
        pace: Pace::new(options.period),
        looked: Nanos::ZERO,
        samples: Vec::new(),
        order: Vec::new(),
        last_unreadable: None,
        outages: Vec::new(),
    };
    let entered = clock.now();
    let mut waits_quietly = true;
    // Ticks begin once a process is open.
    let mut begun: Option<(Nanos, Schedule)> = None;
    let stop = loop {
        if watch.asked_to_stop() {
            break Stop::Asked;
        }
        let now = clock.now();
        recorder.family.attend(now, world, sink.interner())?;
        if recorder.family.is_over() {
            break Stop::TargetEnded;
        }
        let open = recorder.family.open_count();
        if open > 0 && begun.is_none() {
            let start = clock.now();
            recorder.looked = start;
            begun = Some((start, Schedule::new(options.period, start, options.seed)));
        }
        let mut wake = recorder.family.next_attention();
        // The duration ends the recording even if no process is ever open.
        let since = begun.as_ref().map_or(entered, |(start, _)| *start);
        // But why none is open is only known once the roots had time to show their Python.
        let known = match begun {
            Some(_) => Nanos::ZERO,
            None => recorder.family.patient_until(),
        };
        let end = options
            .duration
            .map(|duration| since.saturating_add(duration).max(known));
        if end.is_some_and(|end| clock.now() >= end) {
            if begun.is_none()
                && let Some(refused) = recorder.family.take_refusal_of_root()
            {
                return Err(refused);
            }
            break Stop::Duration;
        }
        wake = wake.min(end.unwrap_or(wake));
        if begun.is_none() && waits_quietly && now.saturating_sub(entered) >= QUIET_START {
            waits_quietly = false;
            if let Some(news) = recorder.family.nothing_yet() {
                watch.news(news);
            }
        }
        if let Some((start, schedule)) = &mut begun {
            if schedule.next() <= clock.now() {
                recorder.tick(clock, world, sink, watch);
                recorder.ticks.looks += 1;
                let missed = schedule.advance(clock.now());
                // While no process was open, no tick was expected.
                recorder.ticks.missed(missed * open);
                let now = clock.now();
                sink.ticked(&SoFar {
                    duration: now.saturating_sub(*start),
                    ticks: &recorder.ticks,
                    engines: &recorder.family.engines,
                });
                watch.ticked(now, &recorder.ticks);
                continue;
            }
            wake = wake.min(schedule.next());
        }
        if ptrace::any_stopping() {
            // The engine that interrupted such a thread may have been closed meanwhile.
            ptrace::release_late_stops();
        }
        let now = clock.now();
        clock.sleep_until(wake.min(now.saturating_add(SLICE)));
    };
    let now = clock.now();
    if let Some((_, schedule)) = &mut begun {
        recorder.end(now, schedule, options.period);
    }
    recorder.family.finish();
    let duration = match &begun {
        Some((start, _)) => now.saturating_sub(*start),
        None => Nanos::ZERO,
    };
    Ok(Report {
        stop,
        ticks: recorder.ticks,
        duration,
        follow: recorder.family.follow(),
        engines: recorder.family.engines,
        last_refusal: recorder.family.last_refusal,
        last_unreadable: recorder.last_unreadable,
        outages: recorder.outages,
    })
}

struct Recorder {
    family: Family,
    counting: Counting,
    ticks: Ticks,
    pace: Pace,
    /// When the last look began.
    looked: Nanos,
    /// Reused at each tick so that it need not allocate, as is `order`.
    samples: Vec<Sample>,
    /// Indices of the open members, in the order in which they are looked at.
    order: Vec<usize>,
    last_unreadable: Option<String>,
    outages: Vec<Outage>,
}

impl Recorder {
    /// Looks at every open process, one CPU after the other, since moving to another CPU is expensive:
    /// first the processes whose engine stands on our current CPU or on none.
    fn tick(
        &mut self,
        clock: &mut dyn Clock,
        world: &mut dyn World,
        sink: &mut dyn Sink,
        watch: &mut dyn Watch,
    ) {
        let here = stand::cpu();
        let place_of = |index: &usize| {
            let at = self.family.members[*index].stands_at();
            (at.is_some() && at != here, at)
        };
        self.order.clear();
        self.order.extend(0..self.family.members.len());
        self.order.sort_by_cached_key(place_of);
        let begins = clock.now();
        let gap = self.pace.gap(begins.saturating_sub(self.looked));
        self.looked = begins;
        for position in 0..self.order.len() {
            let index = self.order[position];
            let member = &mut self.family.members[index];
            let State::Open(open) = &mut member.state else {
                continue;
            };
            let at = clock.now();
            let since = at.saturating_sub(open.last);
            let gap = gap.min(since);
            let tick = Tick {
                at,
                stands_for: since.saturating_sub(gap),
            };
            self.samples.clear();
            let outcome = open.engine.tick(tick, sink.interner(), &mut self.samples);
            if matches!(outcome, Ok(_) | Err(TickError::Unreadable(_))) {
                open.last = at;
                open.ask_cpu(at);
                self.ticks.passed(since, gap);
            }
            match outcome {
                Ok(outcome) => {
                    let pid = member.who.pid;
                    if outcome.refused > 0 && !open.refusal_told {
                        open.refusal_told = true;
                        watch.news(News::PauseRefused { pid });
                    }
                    if gap > Nanos::ZERO {
                        // CPU time that was used during the gap is not known to belong to this stack.
                        for sample in &mut self.samples {
                            sample.cpu = sample.cpu.min(sample.wall);
                        }
                    }
                    self.outages.extend(open.readable(pid, at));
                    if self.samples.iter().any(|sample| sample.on_cpu) {
                        self.outages.extend(open.ran(pid, at));
                    } else if let Some(how) = open.rested(at, || world.halted(member.who)) {
                        watch.news(News::Halted { pid, how });
                    }
                    self.ticks
                        .read(outcome, tick.stands_for, self.counting, &mut self.samples);
                    for sample in &self.samples {
                        sink.add(sample);
                    }
                }
                Err(TickError::Unreadable(why)) => {
                    // The time of a lost tick is not given to another tick: it is reported as lost.
                    self.ticks.unreadable(tick.stands_for);
                    if let Some(since) = open.unreadable(at, &why) {
                        watch.news(News::Unreadable {
                            pid: member.who.pid,
                            since,
                            why: &why,
                        });
                    }
                    self.last_unreadable = Some(why);
                }
                // There was no process to look at, so no tick was expected.
                Err(TickError::Gone) => self.close(index, at),
                Err(TickError::Replaced) => {
                    self.close(index, at);
                    self.family.await_again(index, at);
                }
            }
        }
    }

    /// Closes a process: it is not looked at any more.
    fn close(&mut self, index: usize, at: Nanos) {
        let member = &mut self.family.members[index];
        if let State::Open(open) = &mut member.state {
            self.outages.extend(open.end(member.who.pid, at));
        }
        self.family.close(index);
    }

    /// Counts the time and the missed ticks since the last look, and closes all open processes.
    fn end(&mut self, now: Nanos, schedule: &mut Schedule, period: Nanos) {
        let gap = self.pace.gap(now.saturating_sub(self.looked));
        // A deadline just before the end is not missed.
        let due = now.saturating_sub(period);
        let missed = match schedule.next() <= due {
            true => 1 + schedule.advance(due),
            false => 0,
        };
        for index in 0..self.family.members.len() {
            if let State::Open(open) = &self.family.members[index].state {
                let since = now.saturating_sub(open.last);
                self.ticks.passed(since, gap.min(since));
                self.ticks.missed(missed);
                self.close(index, now);
            }
        }
    }
}
