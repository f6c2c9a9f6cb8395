//! What need not be read: a process in which nothing ran and, among many threads, those that slept.

use super::{Halter, LiveReader, Look, Scope};
use crate::engine::cpython::reading::{Patience, ReadStack, ThreadPlace};
use crate::model::{Counting, Nanos, Proof};

/// How often to read the CPU times of the recently active threads and of their process, until they match.
const READINGS: u32 = 3;

/// Whether all threads slept at the last look.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Idle {
    No,
    /// With the CPU time of the process before that look, if it was asked for.
    Yes(Option<Nanos>),
}

/// Whether a stack can have changed since the last tick.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Activity {
    /// Some thread ran, or may have.
    Ran,
    /// No thread ran.
    Slept,
    /// No thread ran, neither since the last tick nor between the two before.
    SleptOn,
}

impl Halter {
    /// Begins a tick: tells whether there is anything to read, and sets the threads to read.
    pub fn begin_tick(&mut self, reader: &mut LiveReader, scope: &mut Scope) -> Activity {
        let used = match self.idle {
            Idle::No => None,
            Idle::Yes(then) => {
                let now = self.tasks.process_time();
                if now.is_some() && now == then {
                    return Activity::SleptOn;
                }
                now
            }
        };
        self.look_at_tasks(reader.last_look(), scope);
        let slept = self.nothing_ran(reader);
        // A thread that is ready to run but is not scheduled does not sleep.
        self.idle = match slept && self.tasks.all_sleep() {
            true => Idle::Yes(used),
            false => Idle::No,
        };
        match slept {
            true => Activity::Slept,
            false => Activity::Ran,
        }
    }

    /// Asks the kernel which threads ran since the last tick: only those that ran lately if no others can
    /// have run, or else all.
    fn look_at_tasks(&mut self, look: &Look, scope: &mut Scope) {
        // With a GIL, a thread that runs Python is always found as its holder.
        let may_be_partial = self.counting != Counting::Wall && look.all_have_a_gil();
        if may_be_partial && self.look_at_active() {
            let active = look.threads.iter().filter(|thread| {
                !matches!(thread.stack, ReadStack::Gone)
                    && thread.tid.is_some_and(|tid| self.tasks.is_active(tid))
            });
            scope.set_only(active.map(|thread| ThreadPlace {
                interpreter: thread.state.interpreter,
                address: thread.state.address,
            }));
            return;
        }
        scope.set_all();
        self.tasks.look(self.presumption.tid());
    }

    /// Whether only the recently active threads can have run.
    fn look_at_active(&mut self) -> bool {
        for reading in 0..READINGS {
            if self.tasks.look_at_active(reading > 0) {
                return true;
            }
            // The active thread usually has the GIL, so its CPU is the one to stand on.
            if self.may_stand
                && let Some(cpu) = self.tasks.active_elsewhere()
            {
                self.stand_at(cpu);
            }
        }
        false
    }

    /// Whether no Python stack can have changed since the last look: all threads slept, and none took the
    /// GIL. Without the GIL, a thread that we have not seen yet cannot have run Python either.
    fn nothing_ran(&self, reader: &mut LiveReader) -> bool {
        let look = reader.last_look();
        let slept = look.threads.iter().all(|thread| match thread.stack {
            ReadStack::Gone | ReadStack::Joined => true,
            // A thread that is not tried at present is read again when something runs.
            ReadStack::Lost if thread.patience == Patience::None => true,
            ReadStack::Lost => false,
            ReadStack::Read(_) | ReadStack::Unchanged => {
                let task = thread.tid.and_then(|tid| self.tasks.known(tid));
                thread.proof == Proof::Proven && task.is_some_and(|task| task.slept_through)
            }
        });
        slept && look.all_have_a_gil() && reader.gils_are_unchanged()
    }
}
