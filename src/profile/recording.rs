//! What was recorded and how well: all that titles and summaries need.

use crate::model::{Counting, Ending, HaltMethod, Nanos, Pid, PythonVersion, TargetStr, Ticks};

/// What was recorded, with which settings, and how well it went. The sampler updates it while it runs;
/// outputs read it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Recording {
    /// The process that was named or started. Others that were recorded with it are in the interner.
    pub pid: Pid,
    /// Its command line, argument by argument.
    pub command: Vec<TargetStr>,
    pub python: Option<PythonVersion>,
    /// The version of spyhole that made the recording.
    pub spyhole: String,
    /// The engine, as in `--engine`.
    pub engine: String,
    /// Ticks per second that were asked for.
    pub rate: u32,
    /// When the recording began, by the wall clock.
    pub started: jiff::Timestamp,
    /// From the first tick to the last.
    pub duration: Nanos,
    /// CPU time of the program that we started, of all its threads and of the children that it waited
    /// for, from start to end, as accounted by the kernel. `None` if we did not start it, or it did not
    /// end.
    pub cpu: Option<Nanos>,
    /// How the program that we started ended, if it ended by itself.
    pub ending: Option<Ending>,
    /// CPU time of the processes that no sample accounts for; `None` if unknown.
    pub cpu_outside: Option<Nanos>,
    pub ticks: Ticks,
    /// How threads were held still; several if recordings were merged.
    pub halted: Vec<HaltMethod>,
    /// Which threads were counted.
    pub counting: Counting,
    /// Whether labels were read of all that was recorded. Without them few mistakes are proven.
    pub labels_read: bool,
    /// Other notes for readers of the profile, a sentence each.
    pub notes: Vec<String>,
}

impl Recording {
    /// A recording that begins now and is still empty.
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
            labels_read: false,
            notes: Vec::new(),
        }
    }

    /// The time between two ticks at the rate that was asked for.
    #[must_use]
    pub fn period(&self) -> Nanos {
        Nanos(1_000_000_000 / u64::from(self.rate.max(1)))
    }

    /// Ticks per second that were achieved, whatever the number of processes; `None` if no time has
    /// passed.
    #[must_use]
    pub fn achieved_rate(&self) -> Option<f64> {
        let seconds = self.duration.as_secs_f64();
        (seconds > 0.0).then(|| self.ticks.looks as f64 / seconds)
    }
}
