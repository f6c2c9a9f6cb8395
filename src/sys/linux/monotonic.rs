//! `CLOCK_MONOTONIC`.

use rustix::thread::{ClockId, clock_nanosleep_absolute};
use rustix::time::{Timespec, clock_gettime};

use crate::model::Nanos;

const NANOS_PER_SECOND: u64 = 1_000_000_000;

/// The time since some fixed moment before this process was started.
pub fn now() -> Nanos {
    let now = clock_gettime(rustix::time::ClockId::Monotonic);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    let nanos = u64::try_from(now.tv_nsec).unwrap_or(0);
    Nanos(
        seconds
            .saturating_mul(NANOS_PER_SECOND)
            .saturating_add(nanos),
    )
}

/// Sleeps until [`now`] is `deadline`, or until a signal comes.
pub fn sleep_until(deadline: Nanos) {
    let request = Timespec {
        tv_sec: i64::try_from(deadline.0 / NANOS_PER_SECOND).unwrap_or(i64::MAX),
        tv_nsec: (deadline.0 % NANOS_PER_SECOND) as _,
    };
    // EINTR is ignored: the caller looks at the clock again anyway.
    let _ = clock_nanosleep_absolute(ClockId::Monotonic, &request);
}
