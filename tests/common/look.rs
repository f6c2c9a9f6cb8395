//! Our engine at a program, tick by tick, with what it saw as plain text.

use std::time::{Duration, Instant};

use spyhole::engine::{Engine, EngineOptions, TickError, cpython};
use spyhole::model::{
    Counting, GilState, Halting, Interner, Nanos, Pid, Proof, Tick, TickOutcome, Tid,
};
use spyhole::target::Process;

use super::held::{SeenFrame, seen_frames};
use super::{Interpreter, PATIENCE, watchdog};

/// A program of `fixtures/targets`.
pub fn script(name: &str) -> String {
    format!("{}/fixtures/targets/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// The line of a program that ends in the comment `mark: NAME`.
pub fn mark(name: &str, mark: &str) -> u32 {
    let text = std::fs::read_to_string(script(name)).expect("a program");
    let line = text
        .lines()
        .position(|line| line.ends_with(&format!("mark: {mark}")));
    line.unwrap_or_else(|| panic!("{name} has no mark {mark}")) as u32 + 1
}

/// Runs a test with each interpreter and tells all that fail, not only the first.
pub fn with_each(pythons: &[Interpreter], test: impl Fn(&Interpreter)) {
    if pythons.is_empty() {
        return super::lacking("a case", "there is no interpreter for it");
    }
    let failed: Vec<&str> = pythons
        .iter()
        .filter(|python| {
            let _watched = watchdog::watch(python.name.as_str());
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| test(python))).is_err()
        })
        .map(|python| python.name.as_str())
        .collect();
    assert!(failed.is_empty(), "failed with {failed:?}");
}

/// A thread at one tick.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Seen {
    pub thread: Option<String>,
    pub tid: Option<Tid>,
    pub python_id: u64,
    pub on_cpu: bool,
    pub gil: GilState,
    pub proven: bool,
    /// Root first.
    pub frames: Vec<SeenFrame>,
}

impl Seen {
    pub fn names(&self) -> Vec<&str> {
        self.frames
            .iter()
            .map(|frame| frame.name.as_str())
            .collect()
    }

    pub fn has(&self, name: &str) -> bool {
        self.frames.iter().any(|frame| frame.name == name)
    }

    pub fn leaf(&self) -> &SeenFrame {
        self.frames.last().expect("a stack has frames")
    }
}

/// An engine at work.
pub struct Look {
    pub interner: Interner,
    pub engine: cpython::CpythonEngine,
    started: Instant,
    chance: u64,
    /// Ticks that could not be proven.
    unproven: u32,
}

impl Look {
    pub fn at(pid: Pid) -> Look {
        Look::with(pid, Halting::WhenNeeded).expect("an interpreter is found")
    }

    /// As a recording without `--idle` looks.
    pub fn at_running(pid: Pid) -> Look {
        let options = EngineOptions {
            counting: Counting::Cpu,
            ..EngineOptions::default()
        };
        Look::open(pid, options).expect("an interpreter is found")
    }

    pub fn with(pid: Pid, halting: Halting) -> Result<Look, String> {
        let options = EngineOptions {
            watches: None,
            halting,
            thread_names: true,
            counting: Counting::Wall,
        };
        Look::open(pid, options)
    }

    fn open(pid: Pid, options: EngineOptions) -> Result<Look, String> {
        let mut interner = Interner::default();
        let process = Process::open(pid).map_err(|error| error.to_string())?;
        let engine = cpython::open(process, None, options, &mut interner)
            .map_err(|error| error.to_string())?;
        Ok(Look {
            interner,
            engine,
            started: Instant::now(),
            chance: 0x9e37_79b9_7f4a_7c15,
            unproven: 0,
        })
    }

    pub fn try_tick(&mut self) -> Result<(TickOutcome, Vec<Seen>), TickError> {
        let _watched = watchdog::watch("a tick");
        let tick = Tick {
            at: self.started.elapsed().into(),
            stands_for: Nanos(1),
        };
        let mut samples = Vec::new();
        let outcome = self.engine.tick(tick, &mut self.interner, &mut samples)?;
        let seen = samples.iter().map(|sample| {
            let thread = self.interner.thread(sample.thread);
            let name = |id| self.interner.text(id).untrusted().to_owned();
            Seen {
                thread: thread.name.map(name),
                tid: thread.key.tid,
                python_id: thread.key.python_id,
                on_cpu: sample.on_cpu,
                gil: sample.gil,
                proven: sample.proof == Proof::Proven,
                frames: seen_frames(&self.interner, sample.stack).rev().collect(),
            }
        });
        Ok((outcome, seen.collect()))
    }

    /// A tick in which every stack must be proven and none be lost. On a machine with more to do
    /// than it can, a thread that runs may not get to where it stops within the engine's patience,
    /// and cannot be held again before it has; such ticks are passed over.
    #[track_caller]
    pub fn tick(&mut self) -> Vec<Seen> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let (outcome, seen) = self.try_tick().expect("a tick");
            if outcome.unproven + outcome.lost == 0 {
                return seen;
            }
            assert!(Instant::now() < deadline, "{outcome:?} {seen:#?}");
            self.unproven += 1;
            // One starved moment is one such case, and a program that never stands still many.
            assert!(self.unproven <= 200, "{outcome:?} {seen:#?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The stack of the only thread.
    #[track_caller]
    pub fn only(&mut self) -> Seen {
        let mut seen = self.tick();
        assert_eq!(seen.len(), 1, "one thread expected: {seen:#?}");
        seen.remove(0)
    }

    /// Up to 0.4 ms, to be in no step with the program.
    pub fn pause(&mut self) {
        self.chance ^= self.chance << 13;
        self.chance ^= self.chance >> 7;
        self.chance ^= self.chance << 17;
        std::thread::sleep(Duration::from_micros(self.chance % 400));
    }

    /// Whether it made a thread stand still at any time.
    pub fn engine_held(&self) -> bool {
        let report = self.engine.report();
        report.moves + report.pauses > 0
    }

    /// Looks that often.
    #[track_caller]
    pub fn times(&mut self, count: u32, mut judge: impl FnMut(&[Seen])) {
        for _ in 0..count {
            self.pause();
            judge(&self.tick());
        }
    }

    /// Looks until what it sees is enough.
    #[track_caller]
    pub fn until(&mut self, what: &str, mut enough: impl FnMut(&[Seen]) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            self.pause();
            let seen = self.tick();
            if enough(&seen) {
                return;
            }
            assert!(
                Instant::now() < deadline,
                "waited in vain: {what}; last seen {seen:#?}"
            );
        }
    }
}
