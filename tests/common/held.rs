//! A process that stands still, and what an engine sees of it.

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd;
use spyhole::engine::{Engine, EngineOptions, TickError, cpython, pyspy};
use spyhole::model::{
    Counting, GilState, Halting, Interner, Nanos, Pid, Proof, StackId, Tick, Tid,
};
use spyhole::target::Process;

use super::{PATIENCE, watchdog};

/// A function by name and file, and the line that it is at (0 for none).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct SeenFrame {
    pub name: String,
    pub file: String,
    pub line: u32,
}

/// One thread.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SeenStack {
    pub name: Option<String>,
    /// Leaf first.
    pub frames: Vec<SeenFrame>,
    pub proven: bool,
    pub gil: GilState,
    pub on_cpu: bool,
}

/// Stacks by what the program calls the thread (`threading.get_ident()`).
pub type Seen = BTreeMap<u64, SeenStack>;

/// A process all of whose threads are stopped, until this is dropped.
pub struct Held(Pid);

impl Held {
    /// Stops a process and waits until every thread of it stands. `None` when it has ended.
    pub fn stop(pid: Pid) -> Option<Held> {
        kill(unistd::Pid::from_raw(pid.0), Signal::SIGSTOP).ok()?;
        let held = Held(pid);
        let deadline = Instant::now() + PATIENCE;
        while !held.stands()? {
            assert!(Instant::now() < deadline, "{pid} does not stop");
            std::thread::yield_now();
        }
        Some(held)
    }

    /// Whether every thread is stopped; `None` when the process has ended.
    pub fn stands(&self) -> Option<bool> {
        let states = task_states(self.0)?;
        (!states.contains(&'Z')).then(|| states.iter().all(|&state| state == 'T'))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // An error means that it has ended.
        let _ = kill(unistd::Pid::from_raw(self.0.0), Signal::SIGCONT);
    }
}

/// The states of all threads; `None` when there are none.
pub fn task_states(pid: Pid) -> Option<Vec<char>> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).ok()?;
    let states: Vec<char> = tasks
        .flatten()
        .filter_map(|task| fs::read_to_string(task.path().join("stat")).ok())
        .filter_map(|stat| stat.rsplit(')').next()?.trim_start().chars().next())
        .collect();
    (!states.is_empty()).then_some(states)
}

/// What the kernel says of a thread.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Scheduling {
    /// `R` while it runs or is ready to, `S` while it sleeps.
    pub state: char,
    /// CPU time that it has used.
    pub on_cpu: Duration,
    /// How many times it went to sleep: a thread that is only made to yield its CPU does not.
    pub sleeps: u64,
}

/// Whether a thread sleeps. Where it is, and that it is not at work, does not say so: it may have yet to
/// come to a CPU to go to sleep there.
pub fn sleeps(pid: Pid, tid: Option<Tid>) -> bool {
    tid.and_then(|tid| scheduling(pid, tid))
        .is_some_and(|now| now.state == 'S')
}

/// The same of all threads of a process.
pub fn scheduling_of_all(pid: Pid) -> BTreeMap<Tid, Scheduling> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task"));
    let tids = tasks.into_iter().flatten().flatten();
    let tids = tids.filter_map(|task| Some(Tid(task.file_name().to_str()?.parse().ok()?)));
    tids.filter_map(|tid| Some((tid, scheduling(pid, tid)?)))
        .collect()
}

/// `None` where the thread has ended, or the kernel keeps no such account.
pub fn scheduling(pid: Pid, tid: Tid) -> Option<Scheduling> {
    let read = |name: &str| fs::read_to_string(format!("/proc/{pid}/task/{tid}/{name}")).ok();
    let stat = read("stat")?;
    let schedstat = read("schedstat")?;
    let status = read("status")?;
    let sleeps = |line: &str| {
        line.strip_prefix("voluntary_ctxt_switches:")?
            .trim()
            .parse()
            .ok()
    };
    Some(Scheduling {
        state: stat.rsplit(')').next()?.trim_start().chars().next()?,
        on_cpu: Duration::from_nanos(schedstat.split_whitespace().next()?.parse().ok()?),
        sleeps: status.lines().find_map(sleeps)?,
    })
}

/// CPU time that a process has used, all of its threads together.
pub fn cpu_time(pid: Pid) -> Duration {
    let used = |path: std::path::PathBuf| {
        let text = fs::read_to_string(path.join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<u64>().ok()
    };
    let tasks = fs::read_dir(format!("/proc/{pid}/task"));
    let tasks = tasks.into_iter().flatten().flatten();
    Duration::from_nanos(tasks.filter_map(|task| used(task.path())).sum())
}

/// An engine and all that it has seen.
pub struct Observer<E> {
    engine: E,
    interner: Interner,
    moments: u64,
}

impl Observer<cpython::CpythonEngine> {
    pub fn own(pid: Pid) -> Result<Self, String> {
        Observer::own_with_names(pid, false)
    }

    pub fn own_with_names(pid: Pid, thread_names: bool) -> Result<Self, String> {
        let options = EngineOptions {
            watches: None,
            halting: Halting::WhenNeeded,
            thread_names,
            counting: Counting::Wall,
        };
        Observer::new(pid, |process, interner| {
            cpython::open(process, None, options, interner).map_err(|error| error.to_string())
        })
    }
}

impl Observer<pyspy::PySpyEngine> {
    /// py-spy on a process that the test holds: tracing a stopped process is an error for it.
    pub fn pyspy(pid: Pid) -> Result<Self, String> {
        let options = EngineOptions {
            watches: None,
            halting: Halting::Never,
            thread_names: false,
            counting: Counting::Wall,
        };
        Observer::new(pid, |process, interner| {
            pyspy::PySpyEngine::open(process, None, options, interner)
                .map_err(|error| format!("{error:#}"))
        })
    }
}

impl<E: Engine> Observer<E> {
    /// As if it looked a hundred times a second.
    const PERIOD: Nanos = Nanos(10_000_000);

    fn new(
        pid: Pid,
        open: impl FnOnce(Process, &mut Interner) -> Result<E, String>,
    ) -> Result<Self, String> {
        let mut interner = Interner::default();
        let process = Process::open(pid).map_err(|error| error.to_string())?;
        Ok(Observer {
            engine: open(process, &mut interner)?,
            interner,
            moments: 0,
        })
    }

    /// Every thread's stack at this moment.
    pub fn look(&mut self) -> Result<Seen, TickError> {
        let _watched = watchdog::watch("a look");
        self.moments += 1;
        let tick = Tick {
            at: Nanos(self.moments * Self::PERIOD.0),
            stands_for: Self::PERIOD,
        };
        let mut samples = Vec::new();
        let outcome = self.engine.tick(tick, &mut self.interner, &mut samples)?;
        if outcome.lost > 0 {
            return Err(TickError::Unreadable(format!("{} lost", outcome.lost)));
        }
        let seen = samples.iter().map(|sample| {
            let thread = self.interner.thread(sample.thread);
            let name = thread.name.map(|name| self.interner.text(name).untrusted());
            let stack = SeenStack {
                name: name.map(str::to_owned),
                frames: seen_frames(&self.interner, sample.stack).collect(),
                proven: sample.proof == Proof::Proven,
                gil: sample.gil,
                on_cpu: sample.on_cpu,
            };
            (thread.key.python_id, stack)
        });
        Ok(seen.collect())
    }

    /// How often the engine has read the process's memory so far.
    pub fn reads(&self) -> u64 {
        self.engine.report().reads
    }
}

/// The frames of a stack, leaf first.
pub fn seen_frames(
    interner: &Interner,
    stack: StackId,
) -> impl DoubleEndedIterator<Item = SeenFrame> {
    let text = |id| interner.text(id).untrusted().to_owned();
    let frames: Vec<SeenFrame> = interner
        .frames_of(stack)
        .map(|id| {
            let frame = interner.frame(id);
            let function = interner.function(frame.function);
            SeenFrame {
                name: text(function.name),
                file: text(function.file),
                line: frame.line,
            }
        })
        .collect();
    frames.into_iter()
}
