//! What was recorded and how well: all that titles and end lines need.

use crate::model::{Nanos, Pid, PythonVersion, TargetStr};

/// What was recorded, how it was asked for, and how well it went. The sampler fills it in as it
/// goes on; an output reads it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Recording {
    /// The process that was named or started; those recorded with it are in the interner.
    pub pid: Pid,
    /// Its command line, argument by argument.
    pub command: Vec<TargetStr>,
    pub python: Option<PythonVersion>,
    /// The version of spyhole that recorded.
    pub spyhole: String,
    /// The engine, as `--engine` takes it.
    pub engine: String,
    /// Ticks a second that were asked for.
    pub rate: u32,
    /// When the recording began, by the wall clock.
    pub started: jiff::Timestamp,
    /// From the first tick to the last.
    pub duration: Nanos,
    /// CPU time of the program that we started, of all its threads and of the children that it waited
    /// for, from its start to its end, as the kernel accounts for it; `None` where it was not ours, or
    /// did not end.
    pub cpu: Option<Nanos>,
    /// Times that all processes were looked at in turn.
    pub looks: u64,
    pub ticks: Ticks,
    /// Times that a thread was paused to be read.
    pub pauses: u64,
    /// Times that a thread was to be paused and we were not allowed to.
    pub pauses_refused: u64,
    /// How threads were held still: a phrase such as "pausing the whole process".
    pub how_held: String,
    pub idle: IdlePolicy,
    /// Only threads that hold the GIL were counted.
    pub gil_only: bool,
    /// Other things that a reader of the profile should know, a sentence each.
    pub notes: Vec<String>,
}

impl Recording {
    /// A recording that begins now, of which nothing has been seen yet.
    #[must_use]
    pub fn starting_now(pid: Pid, command: Vec<TargetStr>, rate: u32) -> Recording {
        Recording {
            pid,
            command,
            python: None,
            spyhole: env!("CARGO_PKG_VERSION").to_owned(),
            engine: String::new(),
            rate,
            started: jiff::Timestamp::now(),
            duration: Nanos::ZERO,
            cpu: None,
            looks: 0,
            ticks: Ticks::default(),
            pauses: 0,
            pauses_refused: 0,
            how_held: String::new(),
            idle: IdlePolicy::default(),
            gil_only: false,
            notes: Vec::new(),
        }
    }

    /// The time between two ticks as asked for.
    #[must_use]
    pub fn period(&self) -> Nanos {
        Nanos(1_000_000_000 / u64::from(self.rate.max(1)))
    }

    /// Looks a second that were achieved, whatever the number of processes; `None` before any time has passed.
    #[must_use]
    pub fn achieved_rate(&self) -> Option<f64> {
        let seconds = self.duration.as_secs_f64();
        (seconds > 0.0).then(|| self.looks as f64 / seconds)
    }
}

/// How each expected tick, one a process and look, ended: `expected` is the sum of `sampled`, `idle`, `missed` and `lost`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Ticks {
    /// Ticks that fell due.
    pub expected: u64,
    /// Ticks that yielded at least one counted sample.
    pub sampled: u64,
    /// Ticks at which every thread was idle, or none was eligible.
    pub idle: u64,
    /// Ticks skipped because the one before was late; the sample after them stands for them.
    pub missed: u64,
    /// Ticks at which nothing could be read.
    pub lost: u64,
    /// Samples, not ticks: stacks that are counted but could not be proven whole.
    pub unproven: u64,
}

/// Whether threads that do not run are counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum IdlePolicy {
    #[default]
    LeftOut,
    /// But for those that wait within a request or task.
    AtWork,
    /// `--idle`
    Counted,
}
