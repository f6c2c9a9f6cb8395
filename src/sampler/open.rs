//! A process that is open to be looked at, and since when there is nothing to see of it.

use super::{HALT_CHECKS, OUTAGE, Outage, OutageKind};
use crate::engine::Engine;
use crate::model::{Nanos, Pid};
use crate::target::Halted;

pub(super) struct Open {
    pub engine: Box<dyn Engine>,
    /// When it was opened, or ticked last.
    pub last: Nanos,
    /// Whether it was told that its threads may not be paused.
    pub refusal_told: bool,
    failing: Option<Failing>,
    halt: Option<(Nanos, Halted)>,
    halt_asked: Option<Nanos>,
}

/// Looks that could not be read, one after the other.
struct Failing {
    since: Nanos,
    why: String,
    is_told: bool,
}

impl Open {
    pub fn new(engine: Box<dyn Engine>, now: Nanos) -> Open {
        Open {
            engine,
            last: now,
            refusal_told: false,
            failing: None,
            halt: None,
            halt_asked: None,
        }
    }

    /// Notes that it could not be read. Tells since when, once that is for long.
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

    /// Notes that it could be read, and gives what is over by that.
    pub fn readable(&mut self, pid: Pid, at: Nanos) -> Option<Outage> {
        let failing = self.failing.take()?;
        failing.outage(pid, at)
    }

    /// Notes that some thread of it ran, and gives what is over by that.
    pub fn ran(&mut self, pid: Pid, at: Nanos) -> Option<Outage> {
        let halt = self.halt.take()?;
        Some(halt_outage(halt, pid, at))
    }

    /// Notes that nothing of it ran, and asks now and then whether somebody keeps it from running. Tells
    /// that when it is new.
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

    /// What is not over when the recording ends, or the process does.
    pub fn end(&mut self, pid: Pid, at: Nanos) -> impl Iterator<Item = Outage> + use<> {
        let failing = self.failing.take();
        let failing = failing.and_then(|failing| failing.outage(pid, at));
        let halt = self.halt.take();
        let halt = halt.map(|halt| halt_outage(halt, pid, at));
        failing.into_iter().chain(halt)
    }
}

impl Failing {
    /// A short one is told by the count of its looks.
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
