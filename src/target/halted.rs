//! Whether something keeps a process from running.

use crate::model::{Pid, Tid};
use crate::sys::linux::status::Stat;
use crate::sys::linux::tasks::{thread_ids, wait_channel};

/// What keeps a whole process from running.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Halted {
    /// A signal (SIGSTOP, ^Z), until SIGCONT.
    Stopped,
    /// A tracer, such as a debugger.
    Traced,
    /// Its cgroup is frozen, as by `docker pause`.
    Frozen,
}

impl Halted {
    /// What keeps a process from running; `None` if it may run, or has ended.
    #[must_use]
    pub fn find(pid: Pid) -> Option<Halted> {
        let mut stat = Stat::of_process(pid)?;
        let mut tid = Tid(pid.0);
        if stat.has_ended() {
            // Its main thread has ended; any other thread tells for all.
            let mut threads = thread_ids(pid).into_iter();
            (tid, stat) = threads.find_map(|tid| {
                let stat = Stat::of_thread(pid, tid).filter(|stat| !stat.has_ended());
                Some((tid, stat?))
            })?;
        }
        match stat.state {
            b'T' => Some(Halted::Stopped),
            b't' => Some(Halted::Traced),
            // The functions in which a task waits: kernel/cgroup/freezer.c (v2), kernel/freezer.c (v1).
            _ => wait_channel(pid, tid)
                .is_some_and(|channel| ["do_freezer_trap", "__refrigerator"].contains(&&*channel))
                .then_some(Halted::Frozen),
        }
    }
}
