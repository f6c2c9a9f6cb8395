//! Halting: which threads must stand still while stacks are read, how they are held, and whether they
//! stood still.
//!
//! Halting knows the kernel's side of threads: which of them ran, on which CPU, for how long. Of the
//! interpreter it knows what the last look found (thread states and GILs), but no frames. It is for live
//! processes only; memory that does not change needs no halting.
//!
//! The order in each tick: [`Halter::begin_tick`] tells whether anything can have changed;
//! [`Halter::halt`] holds the threads that can change a Python stack; after the read,
//! [`Halter::presumption_held`] and [`Halter::prove`] tell whether they stood still; [`Halter::release`]
//! lets them continue.

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

pub use self::halted::{Halted, Strategy};
pub use self::idle::Activity;
pub use self::proof::Verdict;
pub use self::thread_ids::USUAL_TID_OFFSETS;

/// The reader of a live process.
pub type LiveReader = Reader<Snapshot<LiveMemory>>;

/// How long to wait for a thread that was caught in an unprovable state and does not get a CPU, because
/// others have it. This is longer than the kernel's time slices.
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
    /// Offset of the field in which the kernel keeps a thread's CPU number: see
    /// [`Located::cpu_id`](crate::cpython::locate::Located::cpu_id).
    cpu_id_offset: Option<u64>,
    presumption: Presumption,
    idle: Idle,
    effort: Effort,
    /// Whether helpers were used, since several threads ran Python at the same time.
    called_helpers: bool,
    /// Reused between ticks.
    to_halt: Vec<Tid>,
    cpus: Vec<usize>,
    /// By thread of the look that is to be proven: it needs no proof, or did not run.
    stood: Vec<bool>,
}

/// The effort of halting so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct Effort {
    /// Times that we moved to another CPU, to stand on that of a thread.
    pub moves: u64,
    /// Number of pauses, and their total duration.
    pub pauses: u64,
    pub paused: Duration,
    /// Times that a pause was not allowed.
    pub refused: u64,
}

/// The kernel's side of one thread at a tick.
#[derive(Clone, Copy, Debug)]
pub struct ThreadTimes {
    /// Start time in clock ticks since boot; 0 if the kernel thread is not known.
    pub started: u64,
    pub on_cpu: bool,
    /// CPU time since the last call.
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
            stood: Vec::new(),
        }
    }

    pub fn effort(&self) -> Effort {
        self.effort
    }

    /// How threads are held still, depending on whether we may choose our CPU.
    pub fn method(&self, free_threaded: bool) -> HaltMethod {
        match self.policy {
            Halting::WhenNeeded if !self.may_stand => HaltMethod::PauseThread,
            Halting::WhenNeeded if free_threaded || self.called_helpers => HaltMethod::OnTheirCpus,
            Halting::WhenNeeded => HaltMethod::OnItsCpu,
            Halting::Always => HaltMethod::PauseThread,
            Halting::Never => HaltMethod::Nothing,
        }
    }

    /// Sets the limits on searching for kernel threads in the next look.
    pub fn begin_look(&mut self) {
        self.thread_ids.allow_searches();
    }

    /// The kernel thread that runs a Python thread.
    pub fn kernel_thread<M: Memory>(
        &mut self,
        memory: &mut M,
        state: &ThreadState,
    ) -> KernelThread {
        self.thread_ids.kernel_thread(&self.tasks, memory, state)
    }

    /// Whether a thread has slept since the first look of the tick before.
    pub fn slept_through(&mut self, tid: Option<Tid>) -> bool {
        let task = tid.and_then(|tid| self.tasks.get(tid));
        task.is_some_and(|task| task.slept_through)
    }

    /// The kernel's times of a thread that was read.
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
            // The CPU time of a thread that sleeps now was used elsewhere, so it goes to the thread's
            // next on-CPU sample.
            cpu: match task.running {
                true => task.take_cpu(),
                false => Nanos::ZERO,
            },
            started: task.started,
            on_cpu: task.is_on_cpu(),
        }
    }

    /// Lets the threads whose stacks are not proven run for at least `time`, and until each has run. Then
    /// looks at the tasks again.
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

    /// Looks again at the tasks of this tick's scope.
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
        // Another engine on this thread stands anew.
        stand::leave();
    }
}
