//! Engines, which the sampler drives: each reads the stacks of one process at a tick.
//!
//! Addresses stay inside an engine; what leaves it is resolved and owned.

pub mod cpython;
#[cfg(feature = "py-spy")]
pub mod pyspy;
mod several;

use std::ops::AddAssign;
use std::sync::Arc;
use std::time::Duration;

pub use self::several::Several;
use crate::frameworks::Watches;
use crate::model::{
    Counting, HaltMethod, Halting, Interner, ProcessId, PythonVersion, Sample, Tick, TickOutcome,
};

/// What to read of a target, and how.
#[derive(Clone, Debug, Default)]
pub struct EngineOptions {
    pub halting: Halting,
    /// Whether names of threads are wanted; looking them up costs many reads.
    pub thread_names: bool,
    /// Which threads will count. Others may be left out where reading them costs more than it is worth.
    pub counting: Counting,
    /// What is read of the variables of some functions, as labels; nothing by default.
    pub watches: Option<Arc<Watches>>,
}

/// Reads the stacks of one process.
pub trait Engine {
    /// The name of the engine as `--engine` takes it.
    fn name(&self) -> &'static str;

    /// The Python that runs in the target.
    fn python(&self) -> PythonVersion;

    /// Whether it can tell which thread has the GIL. A build without a GIL does not show it, nor does a
    /// Python 2.7 or 3.6 without symbols until some thread has it.
    fn knows_gil_holder(&self) -> bool {
        !self.python().free_threaded
    }

    /// The process to which the samples of this engine belong.
    fn process(&self) -> ProcessId;

    /// Reads every thread once and appends a sample for each thread that has a Python stack.
    /// Samples of idle threads are appended too: what counts is decided later.
    ///
    /// # Errors
    /// [`TickError::Gone`] when the process has ended, [`TickError::Replaced`] when it runs
    /// another program now; with both the engine is of no further use. [`TickError::Unreadable`]
    /// when nothing could be read this time.
    fn tick(
        &mut self,
        tick: Tick,
        interner: &mut Interner,
        samples: &mut Vec<Sample>,
    ) -> Result<TickOutcome, TickError>;

    /// The CPU that the last tick stood on to read, if it stood on one. The next tick is likely to stand
    /// there, too, and costs least when this thread is already on that CPU.
    fn stands_at(&self) -> Option<usize> {
        None
    }

    /// How the reading went so far.
    fn report(&self) -> EngineReport;
}

/// Why a tick yielded nothing.
#[derive(thiserror::Error, Debug)]
pub enum TickError {
    #[error("the process has ended")]
    Gone,
    #[error("the process runs another program now")]
    Replaced,
    #[error("the interpreter's state could not be read: {0}")]
    Unreadable(String),
}

/// What an engine did over its lifetime.
#[derive(Clone, Debug, Default)]
pub struct EngineReport {
    /// How threads were held still.
    pub method: Option<HaltMethod>,
    /// Times that we moved to another CPU, to stand on the one where a thread runs.
    pub moves: u64,
    /// Times that a thread was paused, and the sum of how long.
    pub pauses: u64,
    pub paused: Duration,
    /// Times that a thread was to be paused and we were not allowed to.
    pub refused: u64,
    /// `process_vm_readv` calls.
    pub reads: u64,
    pub bytes_read: u64,
    /// Whether `/proc/PID/mem` was read in place of them, since they are refused.
    pub through_file: bool,
}

impl AddAssign for EngineReport {
    /// Sums the numbers up; the method stays that of the first engine that tells one.
    fn add_assign(&mut self, more: EngineReport) {
        self.method = self.method.or(more.method);
        self.moves += more.moves;
        self.pauses += more.pauses;
        self.paused += more.paused;
        self.refused += more.refused;
        self.reads += more.reads;
        self.bytes_read += more.bytes_read;
        self.through_file |= more.through_file;
    }
}
