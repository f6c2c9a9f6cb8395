//! Which processes there are, which one started which, and whether one has ended.

use std::cmp::Reverse;

use rustc_hash::FxHashMap;

use super::status::Stat;
use super::tasks::{living_thread, thread_ids};
use crate::model::{Pid, Tid};

/// The processes of our pid namespace, in order of their ids.
#[must_use]
pub fn pids() -> Vec<Pid> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let mut pids: Vec<_> = entries
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .map(Pid)
        .collect();
    pids.sort_unstable();
    pids
}

/// Whether `/proc` lists processes by the same ids as system calls use. A process that enters a pid
/// namespace and keeps the `/proc` of the outer one finds ids there that mean other processes to system
/// calls.
#[must_use]
pub fn proc_is_of_our_namespace() -> bool {
    let link = std::fs::read_link("/proc/self");
    // Without a /proc, there are no ids to confuse.
    link.map_or(true, |link| {
        link.to_str().and_then(|pid| pid.parse().ok()) == Some(std::process::id())
    })
}

/// All processes below `top`, each with its parent. Zombies are included. Parents come before their
/// children, and siblings in order of age.
#[must_use]
pub fn descendants(top: Pid) -> Vec<(Pid, Pid)> {
    let mut children: FxHashMap<Pid, Vec<(u64, Pid)>> = FxHashMap::default();
    for pid in pids() {
        if let Some(stat) = Stat::of_process(pid) {
            let siblings = children.entry(stat.parent).or_default();
            siblings.push((stat.started, pid));
        }
    }
    let mut found = Vec::new();
    // Siblings are pushed youngest first, so that the oldest is popped next. A process is listed below
    // one parent only, and its list is removed when it is used. So a cycle of parents, which may arise
    // since they are read at different moments, is not followed twice.
    let mut next = vec![(top, top)];
    while let Some((pid, parent)) = next.pop() {
        if pid != top {
            found.push((pid, parent));
        }
        let mut below = children.remove(&pid).unwrap_or_default();
        below.sort_unstable_by_key(|child| Reverse(*child));
        next.extend(below.into_iter().map(|(_, child)| (child, pid)));
    }
    found
}

/// Whether a process has ended, even if its parent has not collected it yet. A process whose main
/// thread has called `pthread_exit` looks like a zombie while its other threads run on.
#[must_use]
pub fn has_ended(pid: Pid) -> bool {
    match Stat::of_process(pid) {
        None => true,
        // A thread that is listed beside the main thread has not ended, or it would be gone.
        Some(stat) => stat.has_ended() && thread_ids(pid).iter().all(|tid| *tid == Tid(pid.0)),
    }
}

/// The thread through which the memory and the files of a process are reached: its main thread, or
/// another one if that has ended before the others. If no living thread is found, the main thread's id.
#[must_use]
pub fn way_in(pid: Pid) -> Tid {
    living_thread(pid).unwrap_or(Tid(pid.0))
}
