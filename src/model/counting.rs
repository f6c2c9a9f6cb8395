//! Which threads count, and how threads are held still while they are read.

use std::fmt;

/// Which threads a recording counts at each look.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Counting {
    /// Threads that run, and those that wait within a request or a task.
    #[default]
    Work,
    /// Threads that run.
    Cpu,
    /// Every thread, waiting or not.
    Wall,
    /// The thread that holds the GIL.
    Gil,
}

impl Counting {
    pub const ALL: [Counting; 4] = [Counting::Work, Counting::Cpu, Counting::Wall, Counting::Gil];

    /// As `--mode` takes it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Counting::Work => "work",
            Counting::Cpu => "cpu",
            Counting::Wall => "wall",
            Counting::Gil => "gil",
        }
    }
}

/// How an engine may treat its target while it reads.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Halting {
    /// Only where nothing cheaper proves a stack: then the running thread is halted for the microseconds
    /// of a read.
    #[default]
    WhenNeeded,
    /// The target is paused at every tick that finds it running (`--blocking`).
    Always,
    /// The target is never halted; stacks that cannot be proven are marked (`--nonblocking`).
    Never,
}

/// How threads were held still.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum HaltMethod {
    /// The sampler stands on the CPU of the thread that runs.
    OnItsCpu,
    /// The same on the CPUs of all threads that run: a build without a GIL, or interpreters of which
    /// each has its own.
    OnTheirCpus,
    /// The thread that runs is paused by ptrace.
    PauseThread,
    /// All threads of the process are paused by ptrace.
    PauseProcess,
    /// They were not held still.
    Nothing,
}

impl HaltMethod {
    pub const ALL: [HaltMethod; 5] = [
        HaltMethod::OnItsCpu,
        HaltMethod::OnTheirCpus,
        HaltMethod::PauseThread,
        HaltMethod::PauseProcess,
        HaltMethod::Nothing,
    ];
}

/// A phrase to show to the user.
impl fmt::Display for HaltMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            HaltMethod::OnItsCpu => "standing on the CPU of the thread that runs",
            HaltMethod::OnTheirCpus => "standing on the CPUs of the threads that run",
            HaltMethod::PauseThread => "pausing the thread that runs",
            HaltMethod::PauseProcess => "pausing the whole process",
            HaltMethod::Nothing => "not halting the target",
        })
    }
}
