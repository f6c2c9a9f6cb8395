//! The kernel's side of threads: whether they run, and the CPU time that they used.

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
    /// Opened once there are many tasks.
    loadavg: Option<Loadavg>,
    ledger: Option<Ledger>,
}

/// The CPU time of the process at the last look at all of its tasks, and the tasks that are expected to
/// use more.
#[derive(Debug)]
struct Ledger {
    /// `None` if it did not match the sum of its tasks, because one of them ran.
    process: Option<Nanos>,
    /// Tasks that ran lately, each with its CPU time then.
    active: Vec<(Tid, Nanos)>,
}

/// From this number of tasks on, those that sleep are skipped while they cannot have run. With fewer
/// tasks, finding that out costs more than looking at each.
const MANY_TASKS: usize = 64;

/// A task that slept this long is expected to go on sleeping. A thread that waits for a contended GIL
/// sleeps for less.
const IDLE_AFTER: Duration = Duration::from_millis(50);

/// One kernel thread.
#[derive(Debug)]
pub struct Task {
    files: TaskFiles,
    pub started: u64,
    /// At the last look: whether it was running, or ready to run.
    pub running: bool,
    /// At the last look: whether it was off every CPU, and its count of times scheduled must rise before
    /// it runs again. Either it sleeps, or we stand on its CPU.
    off_cpu: bool,
    /// At the last look.
    cpu: usize,
    /// At the last look.
    times: Option<TaskTimes>,
    /// The part of its CPU time that is accounted for.
    accounted: Nanos,
    /// Whether it slept at the first look of the tick before and was not scheduled since.
    pub slept_through: bool,
    /// Whether the last look presumed that it is where it was at the look before, off its CPU: see
    /// [`Tasks::look`].
    presumed: bool,
    /// Whether it was off every CPU at the first look of the tick before, as far as that look knew, and
    /// was not scheduled since.
    waited: bool,
    /// Whether it was scheduled between the last two looks.
    pub ran: bool,
    /// The time of the last look that found that it had been scheduled.
    last_ran: Instant,
    /// Whether it was asked for since the last look at all tasks.
    used: bool,
}

impl Task {
    fn open(pid: Pid, tid: Tid) -> std::io::Result<Task> {
        let files = TaskFiles::open(pid, tid)?;
        // The times are read first: if it is scheduled in between, that shows as a change.
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

    /// Looks whether the thread runs, and where, unless that may be presumed; `false` if it has ended.
    fn look(&mut self, may_presume: bool) -> bool {
        let Ok(times) = self.files.times() else {
            return false;
        };
        // A sleeping thread that was not scheduled since still sleeps, so its state need not be read.
        self.ran = !same_count(times, self.times);
        self.waited = self.off_cpu && !self.ran;
        // A presumption is valid for one tick only.
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
            // We have held it since an earlier look of this tick, so what that look saw is still valid.
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

    /// Looks again within a tick; `false` if it has ended.
    fn look_again(&mut self) -> bool {
        let (slept_before, waited_before) = (self.slept_through, self.waited);
        let alive = self.look(false);
        self.slept_through &= slept_before;
        self.waited &= waited_before;
        alive
    }

    /// Whether we preempted it at the last look, and so still do unless it has moved to another CPU.
    fn is_likely_still_preempted(&self) -> bool {
        self.running && self.off_cpu && stand::cpu() == Some(self.cpu) && self.files.runs()
    }

    /// Whether the thread was off every CPU at the last look: asleep, or preempted by us.
    pub fn is_off_cpu(&self) -> bool {
        self.off_cpu
    }

    /// Whether it counts as on-CPU: it runs, or was just preempted. A thread that is ready to run but was
    /// not scheduled since the tick before does not count. It waits for a CPU that other programs use, or
    /// for its cgroup's next period, which may take fifty looks.
    pub fn is_on_cpu(&self) -> bool {
        self.running && !self.waited
    }

    /// Whether it was asleep at the last look, and not merely preempted by us.
    pub fn sleeps(&self) -> bool {
        self.off_cpu && !self.running
    }

    /// Its CPU at the last look.
    pub fn cpu(&self) -> usize {
        self.cpu
    }

    fn is_still_off_cpu(&self) -> bool {
        self.off_cpu && same_count(self.files.times().ok().flatten(), self.times)
    }

    /// CPU time since the last call.
    pub fn take_cpu(&mut self) -> Nanos {
        let Some(times) = self.times else {
            return Nanos::ZERO;
        };
        let used = times.on_cpu.saturating_sub(self.accounted);
        self.accounted = times.on_cpu;
        used
    }
}

/// Whether a thread is off every CPU. A thread that runs, or is about to sleep, on the CPU that we stand
/// on is off it, since we run there. It may be moved to another CPU and run there; then its count of
/// times scheduled rises.
fn is_off_cpu(stat: &Stat, files: &TaskFiles) -> bool {
    stand::covers(stat.cpu) || (!stat.runs() && files.is_switched_out())
}

/// Whether a thread was not scheduled between two looks; `false` if unknown.
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

    /// The CPU time of all threads together so far, exact even while they run; `None` if the kernel does
    /// not tell.
    pub fn process_time(&self) -> Option<Nanos> {
        self.clock.and_then(ProcessClock::now)
    }

    /// Whether no task was running or ready to run at the last look.
    pub fn all_sleep(&self) -> bool {
        self.by_tid.values().all(|task| !task.running)
    }

    /// The task with this id, if it was opened already.
    pub fn known(&self, tid: Tid) -> Option<&Task> {
        self.by_tid.get(&tid)
    }

    /// Whether [`look_at_active`](Self::look_at_active) looks at this task.
    pub fn is_active(&self, tid: Tid) -> bool {
        let ledger = self.ledger.as_ref();
        ledger.is_some_and(|ledger| ledger.active.iter().any(|(active, _)| *active == tid))
    }

    /// Looks only at the tasks that ran lately, at the start of a tick or `again` in it. `true` if no
    /// other task can have run: either nothing else runs in the whole machine, or these tasks used all
    /// the CPU time that the process has used since the last look at all tasks. The CPU times also reveal
    /// tasks that woke up and sleep again, except since the scheduler last accounted for their CPU, at
    /// most one kernel tick ago. While one of these tasks runs on another CPU, the times do not match,
    /// and the result is `false`.
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
        // We run, too. Reading the process's clock takes 0.1 ms if there are many threads.
        let load = self.loadavg.as_ref().and_then(Loadavg::now);
        if load.is_some_and(|load| load.running <= 1 + running) {
            self.retire_idle();
            return true;
        }
        // A task that still runs uses time until this call, so the times do not match.
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

    /// The CPU that a task is presumed to be off, because we stand on it.
    pub fn presumed(&self, tid: Tid) -> Option<usize> {
        let task = self.by_tid.get(&tid)?;
        task.presumed.then_some(task.cpu)
    }

    /// The CPUs on which these threads run, or would run if nobody stood there.
    pub fn cpus_of(&mut self, tids: &[Tid], cpus: &mut Vec<usize>) {
        cpus.clear();
        for &tid in tids {
            let awake = self.get(tid).filter(|task| !task.sleeps());
            cpus.extend(awake.map(|task| task.cpu));
        }
        cpus.sort_unstable();
        cpus.dedup();
    }

    /// A CPU other than ours on which one of the active tasks runs.
    pub fn active_elsewhere(&self) -> Option<usize> {
        let ledger = self.ledger.as_ref()?;
        let active = ledger
            .active
            .iter()
            .filter_map(|(tid, _)| self.by_tid.get(tid));
        let mut elsewhere = active.filter(|task| task.running && !task.off_cpu);
        elsewhere.next().map(Task::cpu)
    }

    /// Looks again at every known task, for another try within a tick.
    pub fn look_again(&mut self) {
        self.by_tid.retain(|_, task| task.look_again());
    }

    /// Looks again at the active tasks only, if only these were looked at before.
    pub fn look_again_at_active(&mut self) {
        let Some(ledger) = &self.ledger else {
            return self.look_again();
        };
        for (tid, _) in &ledger.active {
            // A task that has ended is noticed at the next look at all tasks.
            if let Some(task) = self.by_tid.get_mut(tid) {
                task.look_again();
            }
        }
    }

    /// Looks at every known task at the start of a tick. A task that is not asked for with
    /// [`get`](Self::get) until the next look is dropped.
    ///
    /// The task `presumable` is presumed to be on the CPU that we stand on if it runs at all, since
    /// asking the kernel for its CPU costs more than anything else here. A task that is
    /// [`presumed`](Self::presumed) must be confirmed afterwards by the CPU number in its own memory,
    /// which is read last. Otherwise it must be looked at again.
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

    /// Starts a new account, in which the tasks that ran lately are active.
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

    /// Removes tasks that have not run for a while from the active ones. Their CPU time until then is
    /// added to the account, so that no other task is thought to have used it.
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

    /// The task with this id, opened if it is new; `None` if it is gone.
    pub fn get(&mut self, tid: Tid) -> Option<&mut Task> {
        use std::collections::hash_map::Entry;
        let task = match self.by_tid.entry(tid) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => entry.insert(Task::open(self.pid, tid).ok()?),
        };
        task.used = true;
        Some(task)
    }

    /// Whether the thread was off every CPU at the last look and was not scheduled since.
    pub fn is_still_off_cpu(&self, tid: Tid) -> bool {
        self.by_tid.get(&tid).is_some_and(Task::is_still_off_cpu)
    }
}
