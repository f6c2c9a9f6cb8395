//! The CPU time of a whole process, threads that have ended included.

use nix::time::ClockId;

use crate::model::{Nanos, Pid};

/// The CPU-time clock of a process. For a thread that is running now, the time is only known up to the
/// scheduler's last look at it, at most one kernel tick ago.
#[derive(Clone, Copy, Debug)]
pub struct ProcessClock(ClockId);

impl ProcessClock {
    /// `None` when the process is gone.
    #[must_use]
    pub fn of(pid: Pid) -> Option<ProcessClock> {
        let pid = nix::unistd::Pid::from_raw(pid.0);
        ClockId::pid_cpu_clock_id(pid).ok().map(ProcessClock)
    }

    /// `None` when the process is gone.
    #[must_use]
    pub fn now(self) -> Option<Nanos> {
        let time = self.0.now().ok()?;
        let seconds = u64::try_from(time.tv_sec()).ok()?;
        let nanos = u64::try_from(time.tv_nsec()).ok()?;
        Some(Nanos(
            seconds.saturating_mul(1_000_000_000).saturating_add(nanos),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_time_rises_while_we_work() {
        let clock = ProcessClock::of(Pid::ours()).unwrap();
        let before = clock.now().unwrap();
        let mut sum = 0u64;
        while clock.now().unwrap().0 < before.0 + 1_000_000 {
            sum = std::hint::black_box(sum + 1);
        }
    }
}
