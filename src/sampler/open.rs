//! An open process: its engine, the CPU time that it uses, and since when nothing can be seen of it.

use super::{CPU_ASKED, HALT_CHECKS, OUTAGE, Outage, OutageKind};
use crate::engine::Engine;
use crate::model::{Nanos, Pid};
use crate::sys::linux::cpu_clock::ProcessClock;
use crate::target::Halted;

pub(super) struct Open {
    pub engine: Box<dyn Engine>,
    /// When it was last read or, before the first tick, opened.
    pub last: Nanos,
    /// Whether it was already reported that its threads may not be paused.
    pub refusal_told: bool,
    failing: Option<Failing>,
    halt: Option<(Nanos, Halted)>,
    halt_asked: Option<Nanos>,
    cpu: Option<CpuUsed>,
}

/// The CPU time of the process when it was opened, and at the last reading.
struct CpuUsed {
    clock: ProcessClock,
    before: Nanos,
    now: Nanos,
    asked: Nanos,
}

/// Consecutive looks at which the process could not be read.
struct Failing {
    since: Nanos,
    why: String,
    is_told: bool,
}

impl Open {
    pub fn new(pid: Pid, engine: Box<dyn Engine>, now: Nanos) -> Open {
        let cpu = ProcessClock::of(pid).and_then(|clock| {
            let before = clock.now()?;
            Some(CpuUsed {
                clock,
                before,
                now: before,
                asked: now,
            })
        });
        Open {
            cpu,
            engine,
            last: now,
            refusal_told: false,
            failing: None,
            halt: None,
            halt_asked: None,
        }
    }

    /// Reads now and then the CPU time that it has used, since that cannot be read once it has ended.
    pub fn ask_cpu(&mut self, at: Nanos) {
        if let Some(cpu) = &mut self.cpu
            && at.saturating_sub(cpu.asked) >= CPU_ASKED
        {
            cpu.asked = at;
            cpu.now = cpu.clock.now().unwrap_or(cpu.now);
        }
    }

    /// CPU time of all its threads from its opening to the last successful reading; `None` where the
    /// kernel does not tell.
    pub fn cpu_used(&mut self) -> Option<Nanos> {
        let cpu = self.cpu.as_mut()?;
        cpu.now = cpu.clock.now().unwrap_or(cpu.now);
        Some(cpu.now.saturating_sub(cpu.before))
    }

    /// Notes that it could not be read. Returns since when, but only once, when that has lasted for long.
    pub fn unreadable(&mut self, at: Nanos, why: &str) -> Option<Nanos> {
        let failing = self.failing.get_or_insert_with(|| Failing {
            since: at,
            why: why.to_owned(),
            is_told: false,
        });
        let is_news = !failing.is_told && at.saturating_sub(failing.since) >= OUTAGE;
        failing.is_told |= is_news;
        is_news.then_some(failing.since)
    }

    /// Notes that it could be read, and returns the outage that this ends.
    pub fn readable(&mut self, pid: Pid, at: Nanos) -> Option<Outage> {
        let failing = self.failing.take()?;
        failing.outage(pid, at)
    }

    /// Notes that one of its threads ran, and returns the outage that this ends.
    pub fn ran(&mut self, pid: Pid, at: Nanos) -> Option<Outage> {
        let halt = self.halt.take()?;
        Some(halt_outage(halt, pid, at))
    }

    /// Notes that none of its threads ran, and asks now and then what keeps it from running. Returns
    /// that when it is news.
    pub fn rested(&mut self, at: Nanos, ask: impl FnOnce() -> Option<Halted>) -> Option<Halted> {
        let is_due = self
            .halt_asked
            .is_none_or(|asked| at.saturating_sub(asked) >= HALT_CHECKS);
        if !is_due || self.halt.is_some() {
            return None;
        }
        self.halt_asked = Some(at);
        let how = ask()?;
        self.halt = Some((at, how));
        Some(how)
    }

    /// The outages that still go on when the recording or the process ends.
    pub fn end(&mut self, pid: Pid, at: Nanos) -> impl Iterator<Item = Outage> + use<> {
        let failing = self.failing.take();
        let failing = failing.and_then(|failing| failing.outage(pid, at));
        let halt = self.halt.take();
        let halt = halt.map(|halt| halt_outage(halt, pid, at));
        failing.into_iter().chain(halt)
    }
}

impl Failing {
    /// `None` for a short one, which only shows in the count of lost ticks.
    fn outage(self, pid: Pid, until: Nanos) -> Option<Outage> {
        self.is_told.then_some(Outage {
            pid,
            what: OutageKind::Unreadable(self.why),
            since: self.since,
            until,
        })
    }
}

fn halt_outage((since, how): (Nanos, Halted), pid: Pid, until: Nanos) -> Outage {
    Outage {
        pid,
        what: OutageKind::Halted(how),
        since,
        until,
    }
}
