//! Holding threads still: by standing on their CPU, or by pausing them.

use std::time::Duration;

use super::{Halter, LiveReader, Scope, Task};
use crate::model::{Addr, Halting, Tid};
use crate::sys::linux::ptrace::{self, PauseError, Paused};
use crate::sys::linux::stand;

/// How often to look for threads that woke up while others were being paused.
const MAX_ROUNDS: u32 = 8;

/// What was halted.
#[derive(Debug)]
pub enum Halted {
    /// Nothing, because it must not be or was not allowed.
    Nothing,
    /// The threads that must stand still. Only those that were paused are listed. The others sleep, or we
    /// stand on their CPU.
    Threads(Vec<PausedThread>),
}

#[derive(Debug)]
pub struct PausedThread {
    tid: Tid,
    paused: Paused,
}

impl Halted {
    pub fn is_nothing(&self) -> bool {
        matches!(self, Halted::Nothing)
    }

    /// Whether a thread is paused.
    pub fn has_paused(&self, tid: Tid) -> bool {
        match self {
            Halted::Nothing => false,
            Halted::Threads(paused) => paused.iter().any(|thread| thread.tid == tid),
        }
    }
}

/// Which threads are halted, and by which means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Strategy {
    /// In each interpreter, the thread that has the GIL or had it last, whether or not it has it now.
    /// Finding that thread takes time; if this time passed only while the GIL is held, the GIL would be
    /// found held too often. Without a GIL, all threads of the interpreter.
    WhoCanRunPython,
    /// All threads that run: the GIL may change hands faster than we can look.
    AllThatRun,
    /// All threads that run, by a pause even where we may stand: the scheduler may move a thread while we
    /// read a long stack, or take our CPU. This is the last resort, since a thread that begins to wait
    /// just when it is paused has its system call interrupted.
    ByPausing,
}

impl Halter {
    /// Halts the threads that can change a Python stack. Sleeping threads are left alone.
    pub fn halt(&mut self, strategy: Strategy, reader: &mut LiveReader, scope: &Scope) -> Halted {
        if self.policy == Halting::Never {
            return Halted::Nothing;
        }
        if ptrace::any_stopping() {
            ptrace::release_late_stops();
        }
        let refused = self.effort.refused;
        let mut paused = Vec::new();
        let mut tids = std::mem::take(&mut self.to_halt);
        match strategy {
            Strategy::WhoCanRunPython => self.list_who_can_run_python(reader, &mut tids),
            Strategy::AllThatRun | Strategy::ByPausing => {
                tids.clear();
                tids.extend(reader.last_look().threads.iter().filter_map(|it| it.tid));
            }
        }
        match strategy {
            Strategy::WhoCanRunPython => self.halt_where_they_run(&tids, scope, &mut paused),
            Strategy::AllThatRun if self.may_stand => {
                self.halt_where_they_run(&tids, scope, &mut paused);
            }
            Strategy::AllThatRun | Strategy::ByPausing => self.pause_all(&tids, scope, &mut paused),
        }
        self.to_halt = tids;
        if paused.is_empty() && self.effort.refused > refused {
            // We then behave as if halting were not wanted: retrying until a stack is proven would favour
            // stacks that do not change.
            return Halted::Nothing;
        }
        Halted::Threads(paused)
    }

    /// Lets all threads continue.
    pub fn release(&mut self, halted: Halted) {
        let Halted::Threads(paused) = halted else {
            return;
        };
        stand::alone();
        self.effort.pauses += paused.len() as u64;
        let longest = paused.iter().map(|thread| thread.paused.held_for()).max();
        self.effort.paused += longest.unwrap_or(Duration::ZERO);
    }

    /// Stands on the CPUs of these threads, and pauses those whose CPU is not allowed.
    fn halt_where_they_run(&mut self, tids: &[Tid], scope: &Scope, paused: &mut Vec<PausedThread>) {
        if self.may_stand {
            match *tids {
                [] => {}
                [only] => self.stand_where_it_runs(only, scope),
                _ => self.stand_where_all_run(tids, scope),
            }
        }
        // A thread that has moved, or whose helper is late, is not paused. Its stack stays unproven in
        // this try, and the next try follows it.
        let stands = match self.may_stand {
            true => |task: &Task| task.is_off_cpu() || stand::reaches(task.cpu()),
            false => Task::is_off_cpu,
        };
        for &tid in tids {
            self.pause(tid, stands, paused);
        }
    }

    /// Lists the threads of all interpreters: those with a GIL of their own run at the same time (3.12
    /// on), so all must stand still at the same time. A thread is listed once, even if interpreters share
    /// its GIL.
    fn list_who_can_run_python(&mut self, reader: &mut LiveReader, tids: &mut Vec<Tid>) {
        tids.clear();
        for index in 0..reader.last_look().gils.len() {
            let Some(&(interpreter, gil)) = reader.last_look().gils.get(index) else {
                break;
            };
            // This is the holder that the last look found. If another has the GIL by now, this look shows
            // it, and the look is repeated.
            match gil.and_then(|gil| gil.latest_holder()) {
                Some(holder) => tids.extend(self.tid_of(interpreter, holder, reader)),
                // Only threads that the last look found. The read finds new ones, and the next try halts
                // them.
                None => {
                    let threads = reader.last_look().threads.iter();
                    let threads = threads.filter(|it| it.state.interpreter == interpreter);
                    tids.extend(threads.filter_map(|thread| thread.tid));
                }
            }
        }
        tids.sort_unstable();
        tids.dedup();
    }

    /// The kernel thread of a thread state, as the last look found it. A new thread is looked up in the
    /// same way as the others were.
    fn tid_of(&mut self, interpreter: Addr, state: Addr, reader: &mut LiveReader) -> Option<Tid> {
        if let Some(thread) = reader.last_look().thread_at(state) {
            return thread.tid;
        }
        if state.is_null() {
            return None;
        }
        // The thread that had the GIL last may be gone, and its memory may hold anything. Then no task
        // has the id, or a task is halted needlessly.
        let (state, memory) = reader.thread_state_now(interpreter, state).ok()?;
        self.kernel_thread(memory, &state).tid()
    }

    /// Stands on the CPU of a thread, so that it need not be paused.
    fn stand_where_it_runs(&mut self, tid: Tid, scope: &Scope) {
        // It may move while we follow it, but not often.
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
            self.look_again(scope);
        }
    }

    /// Stands on the CPU of one of several threads, and has helpers stand on the others'.
    fn stand_where_all_run(&mut self, tids: &[Tid], scope: &Scope) {
        let mut cpus = std::mem::take(&mut self.cpus);
        // Some may move while we follow them.
        for _ in 0..2 {
            self.tasks.cpus_of(tids, &mut cpus);
            if cpus.iter().all(|&cpu| stand::covers(cpu)) {
                break;
            }
            let stands_there = stand::cpu().is_some_and(|here| cpus.contains(&here));
            if let (false, Some(&first)) = (stands_there, cpus.first()) {
                self.stand_at(first);
            }
            cpus.retain(|&cpu| !stand::covers(cpu));
            self.called_helpers |= !cpus.is_empty();
            self.effort.moves += cpus.len() as u64;
            stand::also_at(&cpus);
            self.look_again(scope);
        }
        self.cpus = cpus;
    }

    /// Pauses each of these threads that runs, until none runs any more: some that slept may have woken
    /// up in between.
    fn pause_all(&mut self, tids: &[Tid], scope: &Scope, paused: &mut Vec<PausedThread>) {
        for round in 0..MAX_ROUNDS {
            if round > 0 {
                self.look_again(scope);
            }
            let before = paused.len();
            for &tid in tids {
                self.pause(tid, Task::sleeps, paused);
            }
            if paused.len() == before && round > 0 {
                break;
            }
        }
    }

    /// Pauses a thread, unless it stands still without that.
    fn pause(&mut self, tid: Tid, stands: fn(&Task) -> bool, paused: &mut Vec<PausedThread>) {
        let is_paused = paused.iter().any(|thread| thread.tid == tid);
        if is_paused || self.tasks.get(tid).is_none_or(|task| stands(task)) {
            return;
        }
        // A thread that cannot be paused is still read, but its stack is not proven.
        match Paused::new(tid) {
            Ok(pause) => paused.push(PausedThread { tid, paused: pause }),
            Err(PauseError::Denied) => self.effort.refused += 1,
            Err(_) => {}
        }
    }
}
