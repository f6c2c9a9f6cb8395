//! What was recorded and how well: all that titles and end lines need.

use crate::model::{Counting, Ending, HaltMethod, Nanos, Pid, PythonVersion, TargetStr, Ticks};

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
    /// How the program ended that we started, if it did by itself.
    pub ending: Option<Ending>,
    /// How much CPU time the processes used that no sample tells of; `None` where that is not known.
    pub cpu_outside: Option<Nanos>,
    pub ticks: Ticks,
    /// How threads were held still; several where recordings were put together.
    pub halted: Vec<HaltMethod>,
    /// Which threads were counted.
    pub counting: Counting,
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
            ending: None,
            cpu_outside: None,
            ticks: Ticks::default(),
            halted: Vec::new(),
            counting: Counting::default(),
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
        (seconds > 0.0).then(|| self.ticks.looks as f64 / seconds)
    }
}
