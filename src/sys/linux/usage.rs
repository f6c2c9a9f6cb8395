//! The CPU time that programs which we started have used.

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;

use crate::model::Nanos;

/// CPU time of all children that have ended and were waited for, including the children that they
/// waited for themselves, to the microsecond.
pub fn of_children() -> Nanos {
    let Ok(usage) = getrusage(UsageWho::RUSAGE_CHILDREN) else {
        return Nanos::ZERO;
    };
    let micros = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    Nanos(u64::try_from(micros).unwrap_or(0).saturating_mul(1000))
}
