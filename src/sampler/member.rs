//! One process of a recording: whether it is open, and if not, when to try it again.

use super::open::Open;
use super::refusal::RefusalKind;
use crate::model::{Nanos, Pid};
use crate::target::Identity;

/// How long a process counts as young after it appeared or began to run another program.
const YOUTH: Nanos = millis(500);
/// First and longest pause between two tries to open a process that looks like Python but is not
/// ready. The pause doubles after each try, but stays at the first while the process is young.
const NOT_READY_PAUSES: (Nanos, Nanos) = (millis(3), millis(1000));
/// The same for any other process that cannot be opened: it may still load a Python. An exec is noticed
/// at the next poll.
const OTHER_PAUSES: (Nanos, Nanos) = (millis(500), millis(8000));

pub(super) const fn millis(millis: u64) -> Nanos {
    Nanos(millis * 1_000_000)
}

/// One process.
pub(super) struct Member {
    pub who: Identity,
    pub parent: Option<Pid>,
    pub state: State,
}

pub(super) enum State {
    Open(Open),
    Waiting(Waiting),
    /// Not to be tried again; kept so that it is not taken for a new process.
    Done,
}

pub(super) struct Waiting {
    /// When to try next.
    pub next: Nanos,
    /// The pause after that.
    pause: Nanos,
    /// When the process appeared, or was found to run this program.
    since: Nanos,
    /// Which program it ran when it was last tried, and when that was last compared.
    pub program: Option<u64>,
    pub program_asked: Nanos,
    pub kind: RefusalKind,
}

impl Member {
    /// The CPU on which its engine stood last, if it is open and did.
    pub fn stands_at(&self) -> Option<usize> {
        match &self.state {
            State::Open(open) => open.engine.stands_at(),
            State::Waiting(_) | State::Done => None,
        }
    }

    pub fn is_open(&self) -> bool {
        matches!(self.state, State::Open(_))
    }

    pub fn is_waiting(&self) -> bool {
        matches!(self.state, State::Waiting(_))
    }

    pub fn is_young(&self, now: Nanos) -> bool {
        match &self.state {
            State::Waiting(waiting) => now < waiting.since.saturating_add(YOUTH),
            State::Open(_) | State::Done => false,
        }
    }

    pub fn postpone(&mut self, kind: RefusalKind, program: Option<u64>, now: Nanos) {
        let (shortest, longest) = match kind {
            RefusalKind::Gone => {
                self.state = State::Done;
                return;
            }
            RefusalKind::NotYet => NOT_READY_PAUSES,
            // An exec may turn it into something that we can read.
            RefusalKind::NotPython | RefusalKind::Never | RefusalKind::ReplacedByChildren => {
                OTHER_PAUSES
            }
        };
        let is_young = self.is_young(now);
        let (pause, since) = match &self.state {
            State::Waiting(waiting) if waiting.kind == kind && !is_young => {
                (waiting.pause, waiting.since)
            }
            State::Waiting(waiting) => (shortest, waiting.since),
            State::Open(_) | State::Done => (shortest, now),
        };
        self.state = State::Waiting(Waiting {
            next: match kind {
                RefusalKind::Never => Nanos(u64::MAX),
                _ => now.saturating_add(pause),
            },
            pause: Nanos(pause.0.saturating_mul(2)).min(longest),
            since,
            program,
            program_asked: now,
            kind,
        });
    }
}

impl Waiting {
    /// Whether it is worth waiting for when nothing else is left. A daemon that is no Python, or
    /// that we may not read, would keep the recording going for ever.
    pub fn is_promising(&self) -> bool {
        self.kind == RefusalKind::NotYet && self.pause < NOT_READY_PAUSES.1
    }

    pub fn first(now: Nanos) -> Waiting {
        Waiting {
            next: now,
            pause: NOT_READY_PAUSES.0,
            since: now,
            program: None,
            program_asked: now,
            kind: RefusalKind::NotYet,
        }
    }
}
