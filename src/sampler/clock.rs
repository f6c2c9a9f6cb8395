//! The clock that a sampler goes by.

use crate::model::Nanos;
use crate::sys::linux::punctual::Punctual;

/// Tells the time, and waits. A trait so that tests need not wait.
pub trait Clock {
    /// The time since the clock was made.
    fn now(&mut self) -> Nanos;

    /// Waits until `deadline`; returns at once when it has passed.
    fn sleep_until(&mut self, deadline: Nanos);
}

/// `CLOCK_MONOTONIC`, with absolute deadlines: a sleep that begins late does not end late. While it
/// is there, its thread wakes up punctually; to be made in the thread that sleeps by it.
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
            origin: monotonic(),
            _punctual: Punctual::this_thread(),
        }
    }
}

impl Clock for SystemClock {
    fn now(&mut self) -> Nanos {
        monotonic().saturating_sub(self.origin)
    }

    fn sleep_until(&mut self, deadline: Nanos) {
        const NANOS_PER_SECOND: u64 = 1_000_000_000;
        let at = self.origin.saturating_add(deadline);
        let request = rustix::time::Timespec {
            tv_sec: i64::try_from(at.0 / NANOS_PER_SECOND).unwrap_or(i64::MAX),
            tv_nsec: (at.0 % NANOS_PER_SECOND) as _,
        };
        // EINTR: whoever sleeps looks at the clock again anyway.
        let _ =
            rustix::thread::clock_nanosleep_absolute(rustix::thread::ClockId::Monotonic, &request);
    }
}

fn monotonic() -> Nanos {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    let nanos = u64::try_from(now.tv_nsec).unwrap_or(0);
    Nanos(seconds.saturating_mul(1_000_000_000).saturating_add(nanos))
}
