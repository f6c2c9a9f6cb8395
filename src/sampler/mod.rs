//! The loop that asks engines for stacks: when, of which processes, for how long, and what to do
//! when it is late. It counts what became of every tick; it knows nothing of what is done with the
//! samples.

mod births;
mod clock;
mod family;
mod live;
mod schedule;
mod ticks;
mod world;

#[cfg(test)]
mod tests;

pub use births::LookBelow;
pub use clock::{Clock, SystemClock};
pub use family::Engines;
pub use live::{EngineChoice, LiveWorld};
pub use schedule::Schedule;
pub use world::{Descendant, Descendants, Follow, Refusal, RefusalKind, World};

use crate::engine::TickError;
use crate::model::{Counting, Interner, Nanos, Pid, Sample, Tick, Ticks};
use crate::sys::linux::{ptrace, stand};
use crate::target::Identity;
use family::{Family, State};

/// What to record, and how often.
#[derive(Clone, Debug)]
pub struct Options {
    /// Mean time between two ticks.
    pub period: Nanos,
    /// From the moment that the first process is open; `None` for as long as it runs.
    pub duration: Option<Nanos>,
    pub counting: Counting,
    pub roots: Vec<Identity>,
    /// Whether the roots were there before us. Then they must show their Python soon; a program that we
    /// started may take its time.
    pub attached: bool,
    pub follow: Follow,
    /// For the jitter.
    pub seed: u64,
}

/// Takes the samples.
pub trait Sink {
    /// Where engines enter names.
    fn interner(&mut self) -> &mut Interner;

    /// Counts one sample.
    fn add(&mut self, sample: &Sample);

    /// Told after each tick, when nothing is held.
    fn ticked(&mut self, _: &SoFar<'_>) {}
}

/// How a recording goes, or went.
#[derive(Clone, Copy, Debug)]
pub struct SoFar<'a> {
    /// From the moment that the first process was open.
    pub duration: Nanos,
    pub ticks: &'a Ticks,
    pub engines: &'a Engines,
}

/// Looks on, and may end the recording.
pub trait Watch {
    /// Asked at least 20 times a second.
    fn asked_to_stop(&mut self) -> bool;

    /// Told after each tick.
    fn ticked(&mut self, now: Nanos, ticks: &Ticks);

    /// Told once a process, when a thread of it was to be paused and we were not allowed to.
    fn pause_refused(&mut self, pid: Pid);
}

/// Why a recording ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stop {
    /// Its duration was over.
    Duration,
    /// [`Watch::asked_to_stop`] said so.
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
    pub last_refusal: Option<anyhow::Error>,
    /// The last failure to read one.
    pub last_unreadable: Option<String>,
}

impl Report {
    /// How it went in all.
    #[must_use]
    pub fn so_far(&self) -> SoFar<'_> {
        SoFar {
            duration: self.duration,
            ticks: &self.ticks,
            engines: &self.engines,
        }
    }
}

/// The longest sleep without a look at whether to stop.
const SLICE: Nanos = Nanos(50_000_000);

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
) -> Result<Report, anyhow::Error> {
    let mut recorder = Recorder {
        family: Family::new(options),
        counting: options.counting,
        ticks: Ticks::default(),
        samples: Vec::new(),
        order: Vec::new(),
        last_unreadable: None,
    };
    // Ticks begin when there is someone to look at.
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
            begun = Some((start, Schedule::new(options.period, start, options.seed)));
        }
        let mut wake = recorder.family.next_attention();
        if let Some((start, schedule)) = &mut begun {
            let end = options
                .duration
                .map(|duration| start.saturating_add(duration));
            if end.is_some_and(|end| clock.now() >= end) {
                break Stop::Duration;
            }
            if schedule.next() <= clock.now() {
                recorder.tick(clock, sink, watch);
                recorder.ticks.looks += 1;
                let missed = schedule.advance(clock.now());
                // Nothing was expected of a moment at which no process was open.
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
            wake = wake.min(schedule.next()).min(end.unwrap_or(wake));
        }
        if ptrace::any_stopping() {
            // The engine that interrupted it may have been closed meanwhile.
            ptrace::release_late_stops();
        }
        let now = clock.now();
        clock.sleep_until(wake.min(now.saturating_add(SLICE)));
    };
    recorder.family.finish();
    let duration = match &begun {
        Some((start, _)) => clock.now().saturating_sub(*start),
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
    })
}

struct Recorder {
    family: Family,
    counting: Counting,
    ticks: Ticks,
    /// Kept from tick to tick for its memory, as is `order`.
    samples: Vec<Sample>,
    /// Indices of the open members, in the order in which they are looked at.
    order: Vec<usize>,
    last_unreadable: Option<String>,
}

impl Recorder {
    /// Looks at every open process, one CPU after the other: first those beside which we stand
    /// already, or need not, since to move is dear.
    fn tick(&mut self, clock: &mut dyn Clock, sink: &mut dyn Sink, watch: &mut dyn Watch) {
        let here = stand::cpu();
        let place_of = |index: &usize| {
            let at = self.family.members[*index].stands_at();
            (at.is_some() && at != here, at)
        };
        self.order.clear();
        self.order.extend(0..self.family.members.len());
        self.order.sort_by_cached_key(place_of);
        for position in 0..self.order.len() {
            let index = self.order[position];
            let member = &mut self.family.members[index];
            let State::Open {
                engine,
                last,
                refusal_told,
            } = &mut member.state
            else {
                continue;
            };
            let at = clock.now();
            let tick = Tick {
                at,
                stands_for: at.saturating_sub(*last),
            };
            self.samples.clear();
            match engine.tick(tick, sink.interner(), &mut self.samples) {
                Ok(outcome) => {
                    *last = at;
                    if outcome.refused > 0 && !*refusal_told {
                        *refusal_told = true;
                        watch.pause_refused(member.who.pid);
                    }
                    self.ticks.read(outcome, self.counting, &mut self.samples);
                    for sample in &self.samples {
                        sink.add(sample);
                    }
                }
                Err(TickError::Unreadable(why)) => {
                    // The time of a lost tick is no other's: it stays lost, and is told.
                    *last = at;
                    self.ticks.unreadable();
                    self.last_unreadable = Some(why);
                }
                // Nobody was there to be looked at, so nothing was expected.
                Err(TickError::Gone) => self.family.close(index),
                Err(TickError::Replaced) => self.family.reopen(index, at),
            }
        }
    }
}
