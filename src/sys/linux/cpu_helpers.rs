//! Helper threads that stand on other CPUs for us, when threads of a target run on several CPUs at a
//! time. There is one helper per CPU. It sleeps until it is called; then it keeps its CPU busy until it
//! is dismissed.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::{JoinHandle, Thread};
use std::time::{Duration, Instant};

use rustix::thread::{CpuSet, sched_setaffinity};

use super::punctual::Punctual;

/// The most helpers. Calling more takes longer than it is worth.
const MOST: usize = 16;

/// How long to wait until all helpers stand on their CPUs: a wake-up on another CPU takes some 50 µs.
const PATIENCE: Duration = Duration::from_millis(1);

/// A helper that is not dismissed goes back to sleep after this time: other threads wait for its CPU.
const LONGEST_STAND: Duration = Duration::from_millis(5);

const ASLEEP: u32 = 0;
const CALLED: u32 = 1;
const STANDING: u32 = 2;
const ENDING: u32 = 3;

/// The helpers of one thread.
#[derive(Debug, Default)]
pub struct CpuHelpers(Vec<CpuHelper>);

#[derive(Debug)]
struct CpuHelper {
    cpu: usize,
    state: Arc<AtomicU32>,
    thread: Thread,
    handle: Option<JoinHandle<()>>,
}

impl CpuHelpers {
    /// Calls a helper to each of these CPUs and waits until they stand there. Returns `false` when some
    /// do not: there are too many CPUs, we may not run on one, or a helper did not wake up in time. The
    /// others stand nevertheless.
    pub fn call(&mut self, cpus: &[usize]) -> bool {
        let known = cpus.iter().all(|&cpu| self.find_or_start(cpu).is_ok());
        let called = self.0.iter().filter(|helper| cpus.contains(&helper.cpu));
        for helper in called.clone() {
            let asleep =
                helper
                    .state
                    .compare_exchange(ASLEEP, CALLED, Ordering::AcqRel, Ordering::Acquire);
            if asleep.is_ok() {
                helper.thread.unpark();
            }
        }
        let started = Instant::now();
        while !called.clone().all(CpuHelper::stands) {
            if started.elapsed() > PATIENCE {
                return false;
            }
            std::hint::spin_loop();
        }
        known
    }

    /// Whether a helper stands on that CPU.
    #[must_use]
    pub fn stands_at(&self, cpu: usize) -> bool {
        let mut all = self.0.iter();
        all.any(|helper| helper.cpu == cpu && helper.stands())
    }

    /// Whether there is a helper for that CPU, or one could be started.
    pub fn can_stand_at(&mut self, cpu: usize) -> bool {
        self.find_or_start(cpu).is_ok()
    }

    /// Sends all to sleep.
    pub fn dismiss(&self) {
        for helper in &self.0 {
            helper.state.store(ASLEEP, Ordering::Release);
        }
    }

    fn find_or_start(&mut self, cpu: usize) -> io::Result<()> {
        if self.0.iter().any(|helper| helper.cpu == cpu) {
            return Ok(());
        }
        if self.0.len() >= MOST || cpu >= CpuSet::MAX_CPU {
            return Err(io::ErrorKind::QuotaExceeded.into());
        }
        self.0.push(CpuHelper::start(cpu)?);
        Ok(())
    }
}

impl CpuHelper {
    fn start(cpu: usize) -> io::Result<CpuHelper> {
        let state = Arc::new(AtomicU32::new(ASLEEP));
        let theirs = Arc::clone(&state);
        let (tell, told) = std::sync::mpsc::channel();
        let builder = std::thread::Builder::new().name(format!("stand-{cpu}"));
        let handle = builder.spawn(move || {
            let mut only = CpuSet::new();
            only.set(cpu);
            let placed = sched_setaffinity(None, &only);
            let may_stand = placed.is_ok();
            // An error means that the receiver is gone.
            let _ = tell.send(placed);
            if may_stand {
                let _punctual = Punctual::this_thread();
                stand_when_called(&theirs);
            }
        })?;
        told.recv().map_err(|_| io::ErrorKind::BrokenPipe)??;
        Ok(CpuHelper {
            cpu,
            state,
            thread: handle.thread().clone(),
            handle: Some(handle),
        })
    }

    fn stands(&self) -> bool {
        self.state.load(Ordering::Acquire) == STANDING
    }
}

impl Drop for CpuHelper {
    fn drop(&mut self) {
        self.state.store(ENDING, Ordering::Release);
        self.thread.unpark();
        if let Some(handle) = self.handle.take() {
            // It ends by itself; a panic in it has been reported.
            let _ = handle.join();
        }
    }
}

fn stand_when_called(state: &AtomicU32) {
    loop {
        match state.load(Ordering::Acquire) {
            ENDING => return,
            CALLED => {}
            _ => {
                std::thread::park();
                continue;
            }
        }
        let stand = state.compare_exchange(CALLED, STANDING, Ordering::AcqRel, Ordering::Acquire);
        if stand.is_err() {
            continue;
        }
        let since = Instant::now();
        while state.load(Ordering::Acquire) == STANDING {
            if since.elapsed() > LONGEST_STAND {
                let _ =
                    state.compare_exchange(STANDING, ASLEEP, Ordering::AcqRel, Ordering::Acquire);
            }
            std::hint::spin_loop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::thread::{sched_getaffinity, sched_getcpu};

    #[test]
    fn helpers_stand_where_they_are_called_until_they_are_dismissed() {
        let allowed = sched_getaffinity(None).unwrap();
        let cpus: Vec<usize> = (0..CpuSet::MAX_CPU)
            .filter(|&cpu| allowed.is_set(cpu) && cpu != sched_getcpu())
            .take(2)
            .collect();
        let mut helpers = CpuHelpers::default();
        for _ in 0..3 {
            // On a busy machine, a call may fail.
            let deadline = Instant::now() + Duration::from_secs(10);
            while !helpers.call(&cpus) {
                assert!(Instant::now() < deadline);
                helpers.dismiss();
            }
            helpers.dismiss();
            assert!(cpus.iter().all(|&cpu| !helpers.stands_at(cpu)));
        }
    }

    #[test]
    fn no_helper_stands_where_there_is_no_cpu() {
        let mut helpers = CpuHelpers::default();
        assert!(!helpers.call(&[CpuSet::MAX_CPU]));
        assert!(!helpers.call(&[CpuSet::MAX_CPU - 1]));
        assert!(!helpers.can_stand_at(CpuSet::MAX_CPU - 1));
        assert!(!helpers.stands_at(CpuSet::MAX_CPU - 1));
    }
}
