//! The clock that a sampler goes by.

use crate::model::Nanos;
use crate::sys::linux::monotonic;
use crate::sys::linux::punctual::Punctual;

/// Tells the time, and waits. A trait so that tests need not wait.
pub trait Clock {
    /// The time since the clock was made.
    fn now(&mut self) -> Nanos;

    /// Waits until `deadline`; returns at once when it has passed.
    fn sleep_until(&mut self, deadline: Nanos);
}

/// `CLOCK_MONOTONIC`, with absolute deadlines: a sleep that begins late does not end late. As long as
/// the clock exists, the thread that made it wakes up punctually, so make it in the thread that sleeps.
#[derive(Debug)]
pub struct SystemClock {
    origin: Nanos,
    _punctual: Punctual,
}

impl SystemClock {
    /// A clock that starts at zero.
    #[must_use]
    pub fn start() -> SystemClock {
        SystemClock {
            origin: monotonic::now(),
            _punctual: Punctual::this_thread(),
        }
    }
}

impl Clock for SystemClock {
    fn now(&mut self) -> Nanos {
        monotonic::now().saturating_sub(self.origin)
    }

    fn sleep_until(&mut self, deadline: Nanos) {
        monotonic::sleep_until(self.origin.saturating_add(deadline));
    }
}
