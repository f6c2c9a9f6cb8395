//! The kernel's side of threads: whether they run, and what they used.

use std::time::{Duration, Instant};

use rustc_hash::FxHashMap;

use crate::model::{Nanos, Pid, Tid};
use crate::sys::linux::cpu_clock::ProcessClock;
use crate::sys::linux::loadavg::Loadavg;
use crate::sys::linux::stand;
use crate::sys::linux::status::Stat;
use crate::sys::linux::tasks::{TaskFiles, TaskTimes};

/// The kernel threads (tasks) of one process that run Python.
#[derive(Debug)]
pub struct Tasks {
    pid: Pid,
    by_tid: FxHashMap<Tid, Task>,
    clock: Option<ProcessClock>,
    /// Opened when there are many.
    loadavg: Option<Loadavg>,
    ledger: Option<Ledger>,
}

/// The CPU time that the process had used at the last look at all of its tasks, and which tasks are
/// expected to go on using it.
#[derive(Debug)]
struct Ledger {
    /// `None` where it did not match what its tasks had used, since one of them ran.
    process: Option<Nanos>,
    /// Tasks that ran lately, and what each had used.
    active: Vec<(Tid, Nanos)>,
}

/// From so many tasks on, those that sleep are not looked at as long as they cannot have run. With
/// fewer, finding that out costs more than looking at each.
const MANY_TASKS: usize = 64;

/// A task that slept for so long is expected to go on sleeping. A thread that waits for a contended
/// GIL sleeps for less.
const IDLE_AFTER: Duration = Duration::from_millis(50);

/// One kernel thread.
#[derive(Debug)]
pub struct Task {
    files: TaskFiles,
    pub started: u64,
    /// At the last look: running, or ready to.
    pub running: bool,
    /// At the last look: off every CPU, and not to be on one again without its count of times
    /// scheduled rising. Either it sleeps, or we stand where it would run.
    off_cpu: bool,
    /// At the last look.
    cpu: usize,
    /// At the last look.
    times: Option<TaskTimes>,
    /// CPU time when it was last accounted for.
    accounted: Nanos,
    /// It slept at the first look of the tick before, and was not scheduled since.
    pub slept_through: bool,
    /// At the last look it was presumed to be where it was at the look before, off its CPU:
    /// see [`Tasks::look`].
    presumed: bool,
    /// It was off every CPU at the first look of the tick before, as far as that knew, and was not
    /// scheduled since.
    waited: bool,
    /// It was scheduled between the last two looks.
    pub ran: bool,
    /// The last look that found it scheduled since the one before.
    last_ran: Instant,
    /// Somebody asked for it since the last look at all tasks.
    used: bool,
}

impl Task {
    fn open(pid: Pid, tid: Tid) -> std::io::Result<Task> {
        let files = TaskFiles::open(pid, tid)?;
        // The times first: what is scheduled in between is then seen as a change.
        let times = files.times()?;
        let stat = files.stat()?;
        if stat.has_ended() {
            return Err(std::io::ErrorKind::NotFound.into());
        }
        Ok(Task {
            started: stat.started,
            running: stat.runs(),
            off_cpu: is_off_cpu(&stat, &files),
            cpu: stat.cpu,
            accounted: times.map_or(Nanos::ZERO, |times| times.on_cpu),
            times,
            files,
            slept_through: false,
            presumed: false,
            waited: false,
            ran: true,
            last_ran: Instant::now(),
            used: true,
        })
    }

    /// Looks whether the thread runs, and where, unless that may be presumed; `false` when it has
    /// ended.
    fn look(&mut self, may_presume: bool) -> bool {
        let Ok(times) = self.files.times() else {
            return false;
        };
        // A sleeper that was not scheduled since still sleeps: no need to look at its state.
        self.ran = !same_count(times, self.times);
        self.waited = self.off_cpu && !self.ran;
        // A presumption holds for its tick only.
        self.slept_through = self.waited && !self.presumed;
        self.times = times;
        if self.slept_through {
            return true;
        }
        self.last_ran = Instant::now();
        self.presumed = may_presume && self.ran && self.is_likely_still_preempted();
        if self.presumed {
            return true;
        }
        match self.files.stat() {
            // Held by us since an earlier look of this tick: what that saw still holds.
            Ok(stat) if stat.is_held() => true,
            Ok(stat) if !stat.has_ended() => {
                self.running = stat.runs();
                self.cpu = stat.cpu;
                self.off_cpu = is_off_cpu(&stat, &self.files);
                true
            }
            _ => false,
        }
    }

    /// Looks again in a tick in which this was looked at before; `false` when it has ended.
    fn look_again(&mut self) -> bool {
        let (slept_before, waited_before) = (self.slept_through, self.waited);
        let alive = self.look(false);
        self.slept_through &= slept_before;
        self.waited &= waited_before;
        alive
    }

    /// Whether it was taken off its CPU by us when it was last looked at, and is now unless it has
    /// moved to another.
    fn is_likely_still_preempted(&self) -> bool {
        self.running && self.off_cpu && stand::cpu() == Some(self.cpu) && self.files.runs()
    }

    /// Whether the thread was off every CPU at the last look: asleep, or preempted by us.
    pub fn is_off_cpu(&self) -> bool {
        self.off_cpu
    }

    /// Whether it counts as on a CPU: it runs, or was taken off its CPU just now. A thread that is
    /// ready to run and has not been scheduled since the tick before does not count: it waits for
    /// other programs to leave it a CPU, or for its cgroup's next period, and that may take fifty
    /// looks.
    pub fn is_on_cpu(&self) -> bool {
        self.running && !self.waited
    }

    /// Whether it was off every CPU at the last look of its own accord, not because we had its CPU.
    pub fn sleeps(&self) -> bool {
        self.off_cpu && !self.running
    }

    /// Where it ran at the last look.
    pub fn cpu(&self) -> usize {
        self.cpu
    }

    fn is_still_off_cpu(&self) -> bool {
        self.off_cpu && same_count(self.files.times().ok().flatten(), self.times)
    }

    /// CPU time since this was last asked.
    pub fn take_cpu(&mut self) -> Nanos {
        let Some(times) = self.times else {
            return Nanos::ZERO;
        };
        let used = times.on_cpu.saturating_sub(self.accounted);
        self.accounted = times.on_cpu;
        used
    }
}

/// Whether a thread is on no CPU. One that runs, or is about to sleep, on the CPU that we stand on is
/// on none, since we run there. It may be moved to another CPU and run there; then its count of times
/// scheduled rises.
fn is_off_cpu(stat: &Stat, files: &TaskFiles) -> bool {
    stand::covers(stat.cpu) || (!stat.runs() && files.is_switched_out())
}

/// Whether a thread was not scheduled between two looks; `false` where that is not known.
fn same_count(now: Option<TaskTimes>, then: Option<TaskTimes>) -> bool {
    now.is_some()
        && now.map(|times| times.times_scheduled) == then.map(|times| times.times_scheduled)
}

impl Tasks {
    pub fn new(pid: Pid) -> Tasks {
        Tasks {
            pid,
            by_tid: FxHashMap::default(),
            clock: ProcessClock::of(pid),
            loadavg: None,
            ledger: None,
        }
    }

    /// CPU time that all threads together have used so far, exact even while they run; `None` where
    /// the kernel does not tell.
    pub fn process_time(&self) -> Option<Nanos> {
        self.clock.and_then(ProcessClock::now)
    }

    /// Whether no task was running, or ready to, at the last look.
    pub fn all_sleep(&self) -> bool {
        self.by_tid.values().all(|task| !task.running)
    }

    /// A task that has been opened.
    pub fn known(&self, tid: Tid) -> Option<&Task> {
        self.by_tid.get(&tid)
    }

    /// Whether [`look_at_active`](Self::look_at_active) looks at it.
    pub fn is_active(&self, tid: Tid) -> bool {
        let ledger = self.ledger.as_ref();
        ledger.is_some_and(|ledger| ledger.active.iter().any(|(active, _)| *active == tid))
    }

    /// Looks, at the start of a tick or `again` in it, only at the tasks that ran lately. `true` if no
    /// other task runs. That is so when nothing else in the whole machine runs, or when these tasks
    /// used all the CPU time that the process has used since the last look at all tasks. The latter
    /// also finds tasks that woke up and sleep again, except those that did so since the scheduler
    /// last accounted for their CPU, at most one kernel tick ago. `false` also while one of these
    /// tasks runs on another CPU, since the figures do not match then.
    pub fn look_at_active(&mut self, again: bool) -> bool {
        let (Some(ledger), Some(clock)) = (&self.ledger, self.clock) else {
            return false;
        };
        let mut of_active = Nanos::ZERO;
        let mut running = 0;
        for (tid, used) in &ledger.active {
            let Some(task) = self.by_tid.get_mut(tid) else {
                return false;
            };
            let alive = if again {
                task.look_again()
            } else {
                task.look(false)
            };
            let Some(times) = task.times.filter(|_| alive) else {
                return false;
            };
            of_active = of_active.saturating_add(times.on_cpu.saturating_sub(*used));
            running += usize::from(task.running);
        }
        // We run as well. Asking the clock takes a tenth of a millisecond where threads are many.
        let load = self.loadavg.as_ref().and_then(Loadavg::now);
        if load.is_some_and(|load| load.running <= 1 + running) {
            self.retire_idle();
            return true;
        }
        // A task that goes on running uses time until this call, so that the figures do not match.
        let Some(now) = clock.now() else {
            return false;
        };
        let of_all = ledger.process.map(|then| now.saturating_sub(then));
        if of_all != Some(of_active) {
            return false;
        }
        self.retire_idle();
        true
    }

    /// The CPU that a task is presumed to be off, since we stand there.
    pub fn presumed(&self, tid: Tid) -> Option<usize> {
        let task = self.by_tid.get(&tid)?;
        task.presumed.then_some(task.cpu)
    }

    /// Where these threads run, or would if nobody stood there.
    pub fn cpus_of(&mut self, tids: &[Tid], cpus: &mut Vec<usize>) {
        cpus.clear();
        for &tid in tids {
            let awake = self.get(tid).filter(|task| !task.sleeps());
            cpus.extend(awake.map(|task| task.cpu));
        }
        cpus.sort_unstable();
        cpus.dedup();
    }

    /// Another CPU than ours on which one of these tasks runs.
    pub fn active_elsewhere(&self) -> Option<usize> {
        let ledger = self.ledger.as_ref()?;
        let active = ledger
            .active
            .iter()
            .filter_map(|(tid, _)| self.by_tid.get(tid));
        let mut elsewhere = active.filter(|task| task.running && !task.off_cpu);
        elsewhere.next().map(Task::cpu)
    }

    /// Looks again within a tick, for another try: at every known task.
    pub fn look_again(&mut self) {
        self.by_tid.retain(|_, task| task.look_again());
    }

    /// The same, but only at those that ran lately, where no others were looked at before.
    pub fn look_again_at_active(&mut self) {
        let Some(ledger) = &self.ledger else {
            return self.look_again();
        };
        for (tid, _) in &ledger.active {
            // One that has ended is noticed when all are looked at.
            if let Some(task) = self.by_tid.get_mut(tid) {
                task.look_again();
            }
        }
    }

    /// Looks at every known task at the start of a tick. A task for which nobody calls
    /// [`get`](Self::get) until the next look is dropped.
    ///
    /// The task `presumable` is presumed to be on the CPU that we stand on, if it runs at all: asking
    /// the kernel for its CPU costs more than anything else here. What is [`presumed`](Self::presumed)
    /// must be confirmed afterwards by the CPU number in the task's own memory, read after all else;
    /// or else the task is looked at again.
    pub fn look(&mut self, presumable: Option<Tid>) {
        // These may have been looked at in this tick already.
        let looked_at = self
            .ledger
            .take()
            .map_or(Vec::new(), |ledger| ledger.active);
        let looked_at = |tid: &Tid| looked_at.iter().any(|(active, _)| active == tid);
        let are_many = self.by_tid.len() >= MANY_TASKS;
        if are_many && self.loadavg.is_none() {
            self.loadavg = Loadavg::open().ok();
        }
        let clock = self.clock.filter(|_| are_many);
        let before = clock.and_then(ProcessClock::now);
        self.by_tid.retain(|tid, task| {
            let slept = task.slept_through || !looked_at(tid);
            let used = std::mem::take(&mut task.used);
            let alive = used && task.look(!are_many && presumable == Some(*tid));
            task.slept_through &= slept;
            task.waited &= slept;
            alive
        });
        let after = clock.and_then(ProcessClock::now);
        if are_many {
            self.open_ledger(before.filter(|_| before == after));
        }
    }

    /// From now on the tasks that ran lately count as active.
    fn open_ledger(&mut self, process: Option<Nanos>) {
        let now = Instant::now();
        let active = self.by_tid.iter().filter_map(|(tid, task)| {
            let ran_lately = now.duration_since(task.last_ran) < IDLE_AFTER;
            ran_lately.then_some((*tid, task.times?.on_cpu))
        });
        self.ledger = Some(Ledger {
            process,
            active: active.collect(),
        });
    }

    /// Active tasks that have not run for a while count as active no longer. The CPU time that they
    /// used until then is added to the account, so that no other task is thought to have used it.
    fn retire_idle(&mut self) {
        let Some(ledger) = &mut self.ledger else {
            return;
        };
        let now = Instant::now();
        ledger.active.retain(|(tid, used)| {
            let Some(task) = self.by_tid.get(tid) else {
                return true;
            };
            let idle = !task.running && now.duration_since(task.last_ran) >= IDLE_AFTER;
            if idle && let (Some(process), Some(times)) = (&mut ledger.process, task.times) {
                let since = times.on_cpu.saturating_sub(*used);
                *process = process.saturating_add(since);
            }
            !idle
        });
    }

    /// The task of that id, opened when it is new. `None` when it is gone.
    pub fn get(&mut self, tid: Tid) -> Option<&mut Task> {
        use std::collections::hash_map::Entry;
        let task = match self.by_tid.entry(tid) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => entry.insert(Task::open(self.pid, tid).ok()?),
        };
        task.used = true;
        Some(task)
    }

    /// Whether the thread was on a CPU at the last look, or about to be.
    pub fn may_be_running(&self, tid: Tid) -> bool {
        self.by_tid
            .get(&tid)
            .is_some_and(|task| task.running && !task.off_cpu)
    }

    /// Whether the thread was off every CPU at the last look and has not been scheduled since.
    pub fn is_still_off_cpu(&self, tid: Tid) -> bool {
        self.by_tid.get(&tid).is_some_and(Task::is_still_off_cpu)
    }
}
