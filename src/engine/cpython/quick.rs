//! What need not be looked at: a process in which nothing ran, and, among many threads, those that
//! slept.

use super::CpythonEngine;
use super::read::{ReadStack, ThreadPlace};
use crate::cpython::threads::{self, Gil};
use crate::model::{Counting, Nanos, Proof};

/// How often to read what the threads that ran lately and their process have used, until it fits
/// together.
const READINGS: u32 = 3;

/// Whether the process slept at the last look.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Quiet {
    No,
    /// All of it, and this is the CPU time that it had used before that look, where it was asked.
    Yes(Option<Nanos>),
}

/// Whether a tick has nothing to read, since no stack can have changed since the last one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum SleptOn {
    No,
    Yes,
    /// The last tick had not either.
    AsBefore,
}

impl CpythonEngine {
    /// Begins a tick.
    pub(super) fn slept_on(&mut self) -> SleptOn {
        let used = match self.quiet {
            Quiet::No => None,
            Quiet::Yes(then) => {
                let now = self.tasks.process_time();
                if now.is_some() && now == then {
                    return SleptOn::AsBefore;
                }
                now
            }
        };
        self.look_at_tasks();
        let slept = self.nothing_ran();
        // Who is ready to run, and does not come to it, does not sleep.
        self.quiet = match slept && self.tasks.all_sleep() {
            true => Quiet::Yes(used),
            false => Quiet::No,
        };
        if slept { SleptOn::Yes } else { SleptOn::No }
    }

    /// Takes the kernel's word for which threads ran since the last tick; of all of them, or of
    /// those that ran lately where the others cannot have run.
    fn look_at_tasks(&mut self) {
        let may_be_partial = self.options.counting != Counting::Wall
            // A thread that runs Python then is always seen by its having the GIL.
            && !self.scratch.gils.is_empty()
            && self.scratch.gils.iter().all(|(_, gil)| gil.is_some());
        if may_be_partial && self.look_at_active() {
            let (tasks, places) = (&self.tasks, &mut self.scratch.places);
            places.clear();
            let active = self.scratch.read.iter().filter(|thread| {
                let tid = thread.tid;
                !matches!(thread.stack, ReadStack::Gone)
                    && tid.is_some_and(|tid| tasks.is_active(tid))
            });
            places.extend(active.map(|thread| ThreadPlace {
                interpreter: thread.state.interpreter,
                address: thread.state.address,
            }));
            self.scratch.partial = true;
            return;
        }
        self.scratch.partial = false;
        self.tasks.look(self.may_stay.tid());
    }

    /// Whether those that ran lately are all that can have run.
    fn look_at_active(&mut self) -> bool {
        for reading in 0..READINGS {
            if self.tasks.look_at_active(reading > 0) {
                return true;
            }
            // Most often it is the one that has the GIL, and so the one to stand beside.
            if self.may_stand
                && let Some(cpu) = self.tasks.active_elsewhere()
            {
                self.stand_at(cpu);
            }
        }
        false
    }

    /// Whether no Python stack can have changed since the last look: all threads slept, and nobody
    /// took the GIL, without which a thread that we do not know yet cannot have run Python either.
    fn nothing_ran(&mut self) -> bool {
        let slept = self.scratch.read.iter().all(|thread| match thread.stack {
            ReadStack::Gone => true,
            ReadStack::Lost => false,
            ReadStack::Read(_) | ReadStack::Unchanged => {
                let task = thread.tid.and_then(|tid| self.tasks.known(tid));
                thread.proof == Proof::Proven && task.is_some_and(|task| task.slept_through)
            }
        });
        let (layout, runtime) = (&self.layout, &self.located.runtime);
        slept
            && !self.scratch.gils.is_empty()
            && self.scratch.gils.iter().all(|(interpreter, gil)| {
                let now = threads::gil(self.memory.source(), layout, runtime, *interpreter);
                gil.is_some() && now == Ok(*gil)
            })
    }

    /// The last look holds for this tick, too.
    pub(super) fn keep_last_look(&mut self) {
        for thread in &mut self.scratch.read {
            if !matches!(thread.stack, ReadStack::Read(_)) {
                continue;
            }
            let stack = std::mem::replace(&mut thread.stack, ReadStack::Unchanged);
            if let ReadStack::Read(stack) = stack {
                self.scratch.spare.push(stack);
            }
        }
    }

    /// Whether some thread had a GIL at the last look.
    pub(super) fn has_a_holder(&self) -> bool {
        let mut gils = self.scratch.gils.iter();
        gils.any(|(_, gil)| gil.is_some_and(|gil| gil.holder.is_some()))
    }

    /// Whether a look at some threads only has seen all that could run Python.
    pub(super) fn has_every_holder(&self) -> bool {
        self.scratch.gils.iter().all(|(_, gil)| {
            let holder = gil.as_ref().and_then(Gil::latest_holder);
            holder.is_none_or(|holder| {
                let mut read = self.scratch.read.iter();
                read.any(|thread| thread.state.address == holder)
            })
        })
    }
}
