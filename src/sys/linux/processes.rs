//! Which processes there are, who started whom, and whether one has ended.

use std::cmp::Reverse;

use rustc_hash::FxHashMap;

use super::status::Stat;
use super::tasks::{living_thread, thread_ids};
use crate::model::{Pid, Tid};

/// The processes of our pid namespace, in order of their numbers.
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

/// Whether `/proc` tells of processes by the ids that we know them by. Whoever enters a pid namespace and
/// keeps the `/proc` of the one outside finds numbers there that are other processes to system calls.
#[must_use]
pub fn proc_is_of_our_namespace() -> bool {
    let link = std::fs::read_link("/proc/self");
    // Without a /proc there is nobody to mix up.
    link.map_or(true, |link| {
        link.to_str().and_then(|pid| pid.parse().ok()) == Some(std::process::id())
    })
}

/// All processes below one with the parent of each, zombies included: parents before their children,
/// siblings by age.
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
    // Youngest first, so that the oldest is taken next. A process is listed below one parent only and
    // taken with it, so no ring of parents, read at different moments, is gone through twice.
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

/// Whether a process has ended, though its parent may not have collected it yet. One that its main
/// thread left with `pthread_exit` looks like a zombie while other threads run on.
#[must_use]
pub fn has_ended(pid: Pid) -> bool {
    match Stat::of_process(pid) {
        None => true,
        // Whoever is listed beside the main thread has not ended: it would be gone.
        Some(stat) => stat.has_ended() && thread_ids(pid).iter().all(|tid| *tid == Tid(pid.0)),
    }
}

/// The thread through which the memory and the files of a process are reached: its main thread, or
/// another where that has ended before the others. The main thread's id also where nothing is known.
#[must_use]
pub fn way_in(pid: Pid) -> Tid {
    living_thread(pid).unwrap_or(Tid(pid.0))
}
