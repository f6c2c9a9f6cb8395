//! Helpers that stand on CPUs for us, where threads run on several at a time: one thread a CPU,
//! asleep until it is called, that keeps its CPU busy until it is dismissed.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::{JoinHandle, Thread};
use std::time::{Duration, Instant};

use rustix::thread::{CpuSet, sched_setaffinity};

use super::punctual::Punctual;

/// On so many CPUs others may stand for us. To call more takes longer than it is worth.
const MOST: usize = 16;

/// How long to wait until all stand where they were called to: a wake-up on another CPU takes
/// some 50 µs.
const PATIENCE: Duration = Duration::from_millis(1);

/// A helper that is not dismissed goes by itself, since somebody waits for the CPU.
const LONGEST_STAND: Duration = Duration::from_millis(5);

const ASLEEP: u32 = 0;
const CALLED: u32 = 1;
const STANDING: u32 = 2;
const ENDING: u32 = 3;

/// The helpers of one thread.
#[derive(Debug, Default)]
pub struct Standers(Vec<Stander>);

#[derive(Debug)]
struct Stander {
    cpu: usize,
    state: Arc<AtomicU32>,
    thread: Thread,
    handle: Option<JoinHandle<()>>,
}

impl Standers {
    /// Calls a helper to each of these CPUs and waits until they stand there. `false` when not all
    /// do, since there are too many, or we may not run on one; those that do stand.
    pub fn call(&mut self, cpus: &[usize]) -> bool {
        let known = cpus.iter().all(|&cpu| self.find_or_start(cpu).is_ok());
        let called = self.0.iter().filter(|stander| cpus.contains(&stander.cpu));
        for stander in called.clone() {
            let asleep =
                stander
                    .state
                    .compare_exchange(ASLEEP, CALLED, Ordering::AcqRel, Ordering::Acquire);
            if asleep.is_ok() {
                stander.thread.unpark();
            }
        }
        let started = Instant::now();
        while !called.clone().all(Stander::stands) {
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
        all.any(|stander| stander.cpu == cpu && stander.stands())
    }

    /// Sends all to sleep.
    pub fn dismiss(&self) {
        for stander in &self.0 {
            stander.state.store(ASLEEP, Ordering::Release);
        }
    }

    fn find_or_start(&mut self, cpu: usize) -> io::Result<()> {
        if self.0.iter().any(|stander| stander.cpu == cpu) {
            return Ok(());
        }
        if self.0.len() >= MOST || cpu >= CpuSet::MAX_CPU {
            return Err(io::ErrorKind::QuotaExceeded.into());
        }
        self.0.push(Stander::start(cpu)?);
        Ok(())
    }
}

impl Stander {
    fn start(cpu: usize) -> io::Result<Stander> {
        let state = Arc::new(AtomicU32::new(ASLEEP));
        let theirs = Arc::clone(&state);
        let (tell, told) = std::sync::mpsc::channel();
        let builder = std::thread::Builder::new().name(format!("stand-{cpu}"));
        let handle = builder.spawn(move || {
            let mut only = CpuSet::new();
            only.set(cpu);
            let placed = sched_setaffinity(None, &only);
            let may_stand = placed.is_ok();
            // An error means that nobody waits any more.
            let _ = tell.send(placed);
            if may_stand {
                let _punctual = Punctual::this_thread();
                stand_when_called(&theirs);
            }
        })?;
        told.recv().map_err(|_| io::ErrorKind::BrokenPipe)??;
        Ok(Stander {
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

impl Drop for Stander {
    fn drop(&mut self) {
        self.state.store(ENDING, Ordering::Release);
        self.thread.unpark();
        if let Some(handle) = self.handle.take() {
            // It ends by itself; a panic of it has been told.
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
        let mut standers = Standers::default();
        for _ in 0..3 {
            // On a busy machine a call may be in vain.
            let deadline = Instant::now() + Duration::from_secs(10);
            while !standers.call(&cpus) {
                assert!(Instant::now() < deadline);
                standers.dismiss();
            }
            standers.dismiss();
            assert!(cpus.iter().all(|&cpu| !standers.stands_at(cpu)));
        }
    }

    #[test]
    fn nobody_stands_where_there_is_no_cpu() {
        let mut standers = Standers::default();
        assert!(!standers.call(&[CpuSet::MAX_CPU]));
        assert!(!standers.call(&[CpuSet::MAX_CPU - 1]));
        assert!(!standers.stands_at(CpuSet::MAX_CPU - 1));
    }
}
