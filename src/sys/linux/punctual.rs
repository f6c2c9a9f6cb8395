//! Waking up on time.

use std::marker::PhantomData;
use std::num::NonZeroU64;

/// The kernel may let a timer fire this much later than asked for, to spare a wake-up; 50 µs if it
/// is not told otherwise.
const SLACK: NonZeroU64 = NonZeroU64::MIN;

/// The time for which we ask to run at a stretch. A thread that asks for less gets the CPU sooner when
/// others are busy there (EEVDF, from Linux 6.12 on).
const SLICE_NANOS: u64 = 100_000;

/// The nice value that we set where we may (root, CAP_SYS_NICE). Otherwise, on a CPU where other threads
/// work, or at more than some 5,000 ticks a second, the scheduler would let us wait for milliseconds. It
/// is no real-time priority, so nothing that we do wrong can keep others from running.
const NICE: i32 = -20;

/// Makes the calling thread wake up as close to its deadlines as the kernel lets it, until this is
/// dropped. A setting that the kernel refuses is left as it is.
#[derive(Debug)]
pub struct Punctual {
    slack_before: Option<u64>,
    /// The thread's nice value before, if its slice could be set.
    nice_before: Option<i32>,
    /// The settings belong to this thread: neither `Send` nor `Sync`.
    _this_thread: PhantomData<*const ()>,
}

impl Punctual {
    #[must_use]
    pub fn this_thread() -> Punctual {
        let before = rustix::thread::current_timer_slack().ok();
        let is_set = rustix::thread::set_current_timer_slack(Some(SLACK)).is_ok();
        Punctual {
            slack_before: before.filter(|_| is_set),
            nice_before: set_slice(SLICE_NANOS, |_| NICE)
                .or_else(|| set_slice(SLICE_NANOS, |nice| nice)),
            _this_thread: PhantomData,
        }
    }
}

impl Drop for Punctual {
    fn drop(&mut self) {
        // A program inherits the slack of the thread that starts it.
        if let Some(slack) = self.slack_before.and_then(NonZeroU64::new) {
            let _ = rustix::thread::set_current_timer_slack(Some(slack));
        }
        if let Some(nice) = self.nice_before {
            set_slice(0, |_| nice);
        }
    }
}

/// Sets the slice of the calling thread (0 for the default) and its nice value, and returns the nice
/// value before; `None` when that is refused. A thread with another scheduling policy than the default
/// is left alone, since that was chosen on purpose. Threads and programs that it starts inherit neither.
fn set_slice(nanos: u64, nice: impl Fn(i32) -> i32) -> Option<i32> {
    // SAFETY: all zeroes is a valid sched_attr, which is plain numbers.
    let mut attributes: libc::sched_attr = unsafe { std::mem::zeroed() };
    let size = size_of::<libc::sched_attr>() as u32;
    // SAFETY: the kernel writes at most `size` bytes to the structure, which has that size; 0 is
    // the calling thread.
    let read = unsafe { libc::syscall(libc::SYS_sched_getattr, 0, &raw mut attributes, size, 0) };
    if read != 0 || attributes.sched_policy != libc::SCHED_OTHER.cast_unsigned() {
        return None;
    }
    let before = attributes.sched_nice;
    attributes.size = size;
    attributes.sched_runtime = nanos;
    attributes.sched_nice = nice(before);
    // So that neither is inherited. The flag stays set, since only root may clear it, and does nothing
    // else.
    attributes.sched_flags |= libc::SCHED_FLAG_RESET_ON_FORK as u64;
    // SAFETY: the kernel reads `attributes.size` bytes of the structure, which has that size.
    let set = unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, 0) };
    (set == 0).then_some(before)
}

/// Gives the calling thread the lowest priority, for work that may wait.
pub fn stand_back() {
    const LOWEST: i32 = 19;
    // On Linux, every thread has a priority of its own. A thread may always lower its own.
    let _ = rustix::process::setpriority_process(None, LOWEST);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slack() -> u64 {
        rustix::thread::current_timer_slack().unwrap()
    }

    fn slice_and_nice() -> (u64, i32) {
        let mut attributes: libc::sched_attr = unsafe { std::mem::zeroed() };
        let size = size_of::<libc::sched_attr>() as u32;
        unsafe { libc::syscall(libc::SYS_sched_getattr, 0, &raw mut attributes, size, 0) };
        (attributes.sched_runtime, attributes.sched_nice)
    }

    #[test]
    fn the_settings_are_undone_in_the_end_and_not_inherited_by_threads() {
        let before = (slack(), slice_and_nice());
        let punctual = Punctual::this_thread();
        let now = slice_and_nice();
        if slack() != 1 || now.0 == before.1.0 {
            eprintln!("SKIPPED punctual: this kernel refuses: {} {now:?}", slack());
            return;
        }
        assert_eq!((slack(), now.0), (1, SLICE_NANOS));
        assert!(now.1 == NICE || now.1 == before.1.1);
        let started = std::thread::spawn(slice_and_nice).join().unwrap();
        assert_eq!(started, before.1);
        drop(punctual);
        assert_eq!((slack(), slice_and_nice()), before);
    }
}
