//! How threads are made to stand still for a read: by standing on their CPU, or by pausing them.

use std::time::Duration;

use super::tasks::Task;
use super::{CpythonEngine, EngineReport};
use crate::cpython::threads;
use crate::model::{Addr, HaltMethod, Halting, Tid};
use crate::sys::linux::ptrace::{self, PauseError, Paused};
use crate::sys::linux::stand;

/// How often to look for threads that were woken while others were being held.
const MAX_ROUNDS: u32 = 8;

/// What stands still.
#[derive(Debug)]
pub(super) enum Held {
    /// Nothing: reading must not halt the target.
    Nobody,
    Threads(Vec<HeldThread>),
}

#[derive(Debug)]
pub(super) struct HeldThread {
    tid: Tid,
    paused: Paused,
}

impl Held {
    pub(super) fn has(&self, tid: Tid) -> bool {
        match self {
            Held::Nobody => false,
            Held::Threads(threads) => threads.iter().any(|thread| thread.tid == tid),
        }
    }

    /// Lets all threads go on.
    pub(super) fn release(self, report: &mut EngineReport) {
        let Held::Threads(threads) = self else {
            return;
        };
        stand::alone();
        report.pauses += threads.len() as u64;
        let longest = threads.iter().map(|thread| thread.paused.held_for()).max();
        report.paused += longest.unwrap_or(Duration::ZERO);
    }
}

impl CpythonEngine {
    /// Makes the threads stand still that can change a Python stack: at the first try per interpreter
    /// the one that has the GIL or had it last, whether or not it has it now: that takes some time
    /// where it is not at hand, and to take that time only while the GIL is free would find it
    /// taken too often. `all` that run where that was not enough twice, since the GIL may go from
    /// hand to hand faster than we can look. Threads that sleep are left alone.
    pub(super) fn hold(&mut self, all: bool) -> Held {
        if self.options.halting == Halting::Never {
            return Held::Nobody;
        }
        if ptrace::any_stopping() {
            ptrace::release_late_stops();
        }
        let refused = self.report.refused;
        let mut held = Vec::new();
        if all {
            self.hold_all_that_run(&mut held);
        } else {
            self.hold_who_can_run_python(&mut held);
        }
        if held.is_empty() && self.report.refused > refused {
            // As if nothing were to be halted: to try until it is proven would prefer stacks that
            // stand still.
            return Held::Nobody;
        }
        Held::Threads(held)
    }

    /// The kernel thread of a thread state: as the last look found it, or else looked up, since a thread
    /// that came meanwhile should not be found in another way than those that were there.
    fn tid_of(&mut self, interpreter: Addr, address: Addr) -> Option<Tid> {
        let known = self.scratch.read.iter();
        let mut known = known.filter(|thread| thread.state.address == address);
        if let Some(thread) = known.next() {
            return thread.tid;
        }
        if address.is_null() {
            return None;
        }
        let memory = self.memory.source();
        // Who had the GIL last may be gone, and its memory hold anything: then no task has the id,
        // or one that is held for nothing.
        let state = threads::thread_state(memory, &self.layout, interpreter, address).ok()?;
        self.tids.kernel_thread(&self.tasks, memory, &state).tid()
    }

    /// Stands where a thread runs, so that it need not be paused.
    fn displace(&mut self, tid: Tid) {
        // It may move on while we move after it, but not often.
        for _ in 0..2 {
            let Some(cpu) = self
                .tasks
                .get(tid)
                .filter(|task| !task.is_off_cpu())
                .map(|task| task.cpu())
            else {
                return;
            };
            self.stand_at(cpu);
            if !self.may_stand {
                return;
            }
            self.look_again();
        }
    }

    /// Stands where a thread of an interpreter without a GIL runs, and has helpers stand where the
    /// others do.
    fn surround(&mut self, interpreter: Addr) {
        let mut cpus = std::mem::take(&mut self.scratch.cpus);
        // Some may move on while we move after them.
        for _ in 0..2 {
            let threads = self.scratch.read.iter();
            let threads = threads.filter(|thread| thread.state.interpreter == interpreter);
            self.tasks
                .cpus_of(threads.filter_map(|thread| thread.tid), &mut cpus);
            if cpus.iter().all(|&cpu| stand::covers(cpu)) {
                break;
            }
            let stands_there = stand::cpu().is_some_and(|here| cpus.contains(&here));
            if let (false, Some(&first)) = (stands_there, cpus.first()) {
                self.stand_at(first);
            }
            cpus.retain(|&cpu| !stand::covers(cpu));
            self.report.moves += cpus.len() as u64;
            stand::also_at(&cpus);
            self.look_again();
        }
        self.scratch.cpus = cpus;
    }

    pub(super) fn stand_at(&mut self, cpu: usize) {
        match stand::move_to(cpu) {
            Ok(()) => self.report.moves += 1,
            Err(_) => {
                self.may_stand = false;
                self.report.method = Some(HaltMethod::PauseThread);
            }
        }
    }

    /// Looks again at the tasks that this tick is about.
    pub(super) fn look_again(&mut self) {
        if self.scratch.partial {
            self.tasks.look_again_at_active();
        } else {
            self.tasks.look_again();
        }
    }

    fn hold_who_can_run_python(&mut self, held: &mut Vec<HeldThread>) {
        for index in 0..self.scratch.gils.len() {
            let Some(&(interpreter, gil)) = self.scratch.gils.get(index) else {
                break;
            };
            // As the last look found it: where it has gone to another since, this one shows, and
            // is taken again.
            let holder = gil.and_then(|gil| gil.latest_holder());
            if let Some(holder) = holder {
                if let Some(tid) = self.tid_of(interpreter, holder) {
                    if self.may_stand {
                        self.displace(tid);
                    }
                    self.pause(tid, Task::is_off_cpu, held);
                }
                continue;
            }
            if self.may_stand {
                self.surround(interpreter);
            }
            // Who was there at the last look; newcomers are found by the read, and held at the
            // next try.
            for index in 0..self.scratch.read.len() {
                if let Some(thread) = self.scratch.read.get(index)
                    && thread.state.interpreter == interpreter
                    && let Some(tid) = thread.tid
                {
                    self.pause(tid, Task::is_off_cpu, held);
                }
            }
        }
    }

    /// Pauses whoever runs until nobody else does: those who stood when the first was paused may have
    /// been woken since. Standing on the CPU of one has not been enough then: the scheduler moves
    /// it on while we are at a long stack, or to where we came from.
    fn hold_all_that_run(&mut self, held: &mut Vec<HeldThread>) {
        for round in 0..MAX_ROUNDS {
            if round > 0 {
                self.look_again();
            }
            let before = held.len();
            for index in 0..self.scratch.read.len() {
                if let Some(tid) = self.scratch.read.get(index).and_then(|thread| thread.tid) {
                    self.pause(tid, Task::sleeps, held);
                }
            }
            if held.len() == before && round > 0 {
                break;
            }
        }
    }

    /// Pauses a thread, unless it stands still enough without.
    fn pause(&mut self, tid: Tid, stands: fn(&Task) -> bool, held: &mut Vec<HeldThread>) {
        let is_held = held.iter().any(|thread| thread.tid == tid);
        if is_held || self.tasks.get(tid).is_none_or(|task| stands(task)) {
            return;
        }
        // A thread that cannot be paused is read all the same, and what is read is not proven.
        match Paused::new(tid) {
            Ok(paused) => held.push(HeldThread { tid, paused }),
            Err(PauseError::Denied) => self.report.refused += 1,
            Err(_) => {}
        }
    }
}
