//! Halting: which threads must stand still while stacks are read, how they are made to, and whether
//! they did.
//!
//! Knows the kernel's side of threads: which of them ran, on which CPU, for how long. Of the
//! interpreter it knows what the last look found (thread states and GILs), never a frame. It serves
//! live processes only; memory that does not change needs none of this.
//!
//! In each tick, in this order: [`Halter::begin_tick`] tells whether anything can have changed;
//! [`Halter::halt`] makes the threads stand still that can change a Python stack; after the read
//! [`Halter::presumption_held`] and [`Halter::prove`] tell whether they stood, and [`Halter::release`]
//! lets them go on.

mod halted;
mod idle;
mod presumption;
mod proof;
mod tasks;
mod thread_ids;

use std::time::{Duration, Instant};

use self::idle::Idle;
use self::presumption::Presumption;
use self::tasks::{Task, Tasks};
use self::thread_ids::ThreadIds;
use super::reading::{KernelThread, Look, Patience, Reader, Scope};
use crate::cpython::threads::ThreadState;
use crate::memory::{LiveMemory, Memory, Snapshot};
use crate::model::{Counting, HaltMethod, Halting, Nanos, Pid, Proof, Tid};
use crate::sys::linux::stand;

pub use self::halted::{Extent, Halted};
pub use self::idle::Activity;
pub use self::proof::Verdict;

/// The reader of a process that runs meanwhile.
pub type LiveReader = Reader<Snapshot<LiveMemory>>;

/// How long to wait until a thread has run that was caught in the middle of something, and does not
/// come to run, since others have its CPU: longer than the kernel's slices.
const LONGEST_WAIT: Duration = Duration::from_millis(20);

/// Holds the threads of one process still.
#[derive(Debug)]
pub struct Halter {
    policy: Halting,
    counting: Counting,
    tasks: Tasks,
    thread_ids: ThreadIds,
    /// Whether we may choose the CPU that we run on.
    may_stand: bool,
    /// Where the kernel keeps a thread's CPU: see
    /// [`Located::cpu_id`](crate::cpython::locate::Located::cpu_id).
    cpu_id_offset: Option<u64>,
    presumption: Presumption,
    idle: Idle,
    effort: Effort,
    /// Whether several threads ran Python at the same time, so that helpers were called.
    called_helpers: bool,
    /// Working space.
    to_halt: Vec<Tid>,
    cpus: Vec<usize>,
}

/// What halting took so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct Effort {
    /// Times that we moved to another CPU, to stand where a thread runs.
    pub moves: u64,
    /// Times that a thread was paused, and the sum of how long.
    pub pauses: u64,
    pub paused: Duration,
    /// Times that a thread was to be paused and we were not allowed to.
    pub refused: u64,
}

/// The kernel's side of one thread at a tick.
#[derive(Clone, Copy, Debug)]
pub struct ThreadTimes {
    /// Start time in clock ticks since boot; 0 where the kernel thread is not known.
    pub started: u64,
    pub on_cpu: bool,
    /// CPU time since it was last asked for.
    pub cpu: Nanos,
}

impl Halter {
    pub fn new(
        pid: Pid,
        policy: Halting,
        counting: Counting,
        cpu_id_offset: Option<u64>,
    ) -> Halter {
        Halter {
            policy,
            counting,
            tasks: Tasks::new(pid),
            thread_ids: ThreadIds::new(pid),
            may_stand: policy == Halting::WhenNeeded,
            cpu_id_offset,
            presumption: Presumption::default(),
            idle: Idle::No,
            effort: Effort::default(),
            called_helpers: false,
            to_halt: Vec::new(),
            cpus: Vec::new(),
        }
    }

    pub fn effort(&self) -> Effort {
        self.effort
    }

    /// How threads are held still, where we may choose our CPU and where we may not.
    pub fn method(&self, free_threaded: bool) -> HaltMethod {
        match self.policy {
            Halting::WhenNeeded if !self.may_stand => HaltMethod::PauseThread,
            Halting::WhenNeeded if free_threaded || self.called_helpers => HaltMethod::OnTheirCpus,
            Halting::WhenNeeded => HaltMethod::OnItsCpu,
            Halting::Always => HaltMethod::PauseThread,
            Halting::Never => HaltMethod::Nothing,
        }
    }

    /// Before each look: what finding kernel threads may cost in it.
    pub fn begin_look(&mut self) {
        self.thread_ids.allow_searches();
    }

    /// Which kernel thread runs a Python thread.
    pub fn kernel_thread<M: Memory>(
        &mut self,
        memory: &mut M,
        state: &ThreadState,
    ) -> KernelThread {
        self.thread_ids.kernel_thread(&self.tasks, memory, state)
    }

    /// Whether a thread slept since the first look of the tick before.
    pub fn slept_through(&mut self, tid: Option<Tid>) -> bool {
        let task = tid.and_then(|tid| self.tasks.get(tid));
        task.is_some_and(|task| task.slept_through)
    }

    /// What the kernel says of a thread that was read.
    pub fn take_times(&mut self, tid: Option<Tid>) -> ThreadTimes {
        let task = tid.and_then(|tid| self.tasks.get(tid));
        let Some(task) = task else {
            return ThreadTimes {
                started: 0,
                on_cpu: false,
                cpu: Nanos::ZERO,
            };
        };
        ThreadTimes {
            // CPU time of a thread that sleeps now goes to its next sample that runs: it was not used
            // where the thread sleeps.
            cpu: match task.running {
                true => task.take_cpu(),
                false => Nanos::ZERO,
            },
            started: task.started,
            on_cpu: task.is_on_cpu(),
        }
    }

    /// Lets the threads whose stacks are not proven run for at least `time`, and until each has run,
    /// and looks where they are now.
    pub fn let_run(&mut self, time: Duration, look: &Look, scope: &Scope) {
        let started = Instant::now();
        let mut wait = time;
        loop {
            std::thread::sleep(wait);
            self.look_again(scope);
            let all_ran = !look.threads.iter().any(|thread| {
                let task = thread.tid.and_then(|tid| self.tasks.known(tid));
                thread.proof == Proof::Unproven
                    && thread.patience == Patience::Full
                    && task.is_some_and(|task| !task.ran)
            });
            if all_ran || started.elapsed() >= LONGEST_WAIT {
                return;
            }
            wait = wait.saturating_mul(2);
        }
    }

    /// Looks again at the tasks that this tick is about.
    pub fn look_again(&mut self, scope: &Scope) {
        if scope.is_partial() {
            self.tasks.look_again_at_active();
        } else {
            self.tasks.look_again();
        }
    }

    fn stand_at(&mut self, cpu: usize) {
        match stand::move_to(cpu) {
            Ok(()) => self.effort.moves += 1,
            Err(_) => self.may_stand = false,
        }
    }
}

impl Drop for Halter {
    fn drop(&mut self) {
        // Another engine on this thread finds its place again.
        stand::leave();
    }
}
