//! What one tick of the sampler yields.

use std::ops::AddAssign;

use super::{LabelSetId, Nanos, StackId, ThreadId};

/// The instant that a sample belongs to, and the time for which it stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tick {
    /// When the tick began, from the start of the recording.
    pub at: Nanos,
    /// Wall time since the tick before: what each sample of this tick stands for.
    pub stands_for: Nanos,
}

/// One thread's stack at one tick.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sample {
    pub thread: ThreadId,
    pub stack: StackId,
    pub labels: LabelSetId,
    /// From the start of the recording.
    pub at: Nanos,
    /// Wall time that the sample stands for.
    pub wall: Nanos,
    /// CPU time that the thread used since its last sample, from its schedstat.
    pub cpu: Nanos,
    /// Whether the thread was running at the tick, or was ready to run and had run since the tick
    /// before.
    pub on_cpu: bool,
    /// Whether the thread was within a request or a task, so that somebody waits for it even while it
    /// waits itself.
    pub at_work: bool,
    pub gil: GilState,
    pub proof: Proof,
}

/// What a thread had to do with the GIL at the tick.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum GilState {
    Holds,
    DoesNotHold,
    /// The build has no GIL, or the GIL's state could not be read.
    Unknown,
}

/// Whether a stack is known to be whole and to be of one instant.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Proof {
    Proven,
    Unproven,
}

/// How a tick of one process ended: the samples themselves are appended to the caller's list.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct TickOutcome {
    /// Threads whose stack was read, or known to be the same as before.
    pub threads: u32,
    /// Threads whose stack could not be proven whole; their samples are marked.
    pub unproven: u32,
    /// Threads of which nothing at all could be read in this tick.
    pub lost: u32,
    /// Times that a thread was paused.
    pub pauses: u32,
    /// Times that a thread was to be paused and we were not allowed to.
    pub refused: u32,
}

impl AddAssign for TickOutcome {
    fn add_assign(&mut self, more: TickOutcome) {
        self.threads += more.threads;
        self.unproven += more.unproven;
        self.lost += more.lost;
        self.pauses += more.pauses;
        self.refused += more.refused;
    }
}
