//! Standing on a CPU: while this thread or one of its helpers runs there, all other threads of that
//! CPU stand still.

use std::cell::RefCell;
use std::io;

use rustix::thread::{CpuSet, sched_getaffinity, sched_getcpu, sched_setaffinity};

use super::cpu_helpers::CpuHelpers;
use crate::model::Pid;

#[derive(Debug)]
struct Place {
    cpu: usize,
    /// Where this thread was allowed to run before.
    before: CpuSet,
}

thread_local! {
    static PLACE: RefCell<Option<Place>> = const { RefCell::new(None) };
    static HELPERS: RefCell<CpuHelpers> = RefCell::default();
}

/// The CPU that this thread stands on, if it does: no other thread runs there now.
#[must_use]
pub fn cpu() -> Option<usize> {
    let cpu = PLACE.with_borrow(|place| place.as_ref().map(|place| place.cpu))?;
    // Another program may have moved us.
    (sched_getcpu() == cpu).then_some(cpu)
}

/// Moves this thread to a CPU and keeps it there.
///
/// # Errors
/// `InvalidInput` when that CPU is not allowed to us.
pub fn move_to(cpu: usize) -> io::Result<()> {
    PLACE.with_borrow_mut(|place| {
        let before = match place {
            Some(now) => now.before,
            None => sched_getaffinity(None)?,
        };
        if cpu >= CpuSet::MAX_CPU || !before.is_set(cpu) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let mut only = CpuSet::new();
        only.set(cpu);
        sched_setaffinity(None, &only)?;
        *place = Some(Place { cpu, before });
        Ok(())
    })
}

/// The CPUs on which a process may run; empty where the kernel does not tell.
#[must_use]
pub fn allowed(pid: Pid) -> Vec<usize> {
    let pid = rustix::process::Pid::from_raw(pid.0);
    let set = sched_getaffinity(pid).ok();
    let is_set = |cpu: &usize| set.as_ref().is_some_and(|set| set.is_set(*cpu));
    (0..CpuSet::MAX_CPU).filter(is_set).collect()
}

/// Whether this thread or a helper stands on a CPU.
#[must_use]
pub fn covers(at: usize) -> bool {
    cpu() == Some(at) || HELPERS.with_borrow(|helpers| helpers.stands_at(at))
}

/// Whether this thread stands on a CPU, or a helper could.
pub fn reaches(at: usize) -> bool {
    cpu() == Some(at) || HELPERS.with_borrow_mut(|helpers| helpers.can_stand_at(at))
}

/// Lets helpers stand on other CPUs until [`alone`] is called, for at most some milliseconds. Returns
/// `false` when not all of them stand there.
pub fn also_at(cpus: &[usize]) -> bool {
    HELPERS.with_borrow_mut(|helpers| helpers.call(cpus))
}

/// Lets the helpers leave their CPUs.
pub fn alone() {
    HELPERS.with_borrow(CpuHelpers::dismiss);
}

/// Ends the helpers, and lets this thread run wherever it could before it stood on a CPU. It leaves that CPU at
/// once if there is another, since what it does next would keep the target's thread from running.
pub fn leave() {
    HELPERS.with_borrow_mut(|helpers| *helpers = CpuHelpers::default());
    PLACE.with_borrow_mut(|place| {
        if let Some(place) = place.take() {
            let mut elsewhere = place.before;
            elsewhere.unset(place.cpu);
            // If either is refused, the thread stays on its CPU, which does no harm.
            let _ = sched_setaffinity(None, &elsewhere);
            let _ = sched_setaffinity(None, &place.before);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_stands_where_it_was_moved_and_is_free_again_afterwards() {
        let before = sched_getaffinity(None).unwrap();
        let mine = sched_getcpu();
        assert_eq!(cpu(), None);
        move_to(mine).unwrap();
        assert_eq!(cpu(), Some(mine));
        let nowhere = move_to(CpuSet::MAX_CPU).unwrap_err();
        assert_eq!(nowhere.kind(), io::ErrorKind::InvalidInput);
        leave();
        assert_eq!(cpu(), None);
        let after = sched_getaffinity(None).unwrap();
        assert!((0..CpuSet::MAX_CPU).all(|cpu| after.is_set(cpu) == before.is_set(cpu)));
    }
}
