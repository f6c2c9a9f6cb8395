//! The facts on which the judgement about a refusal rests, read from `/proc`.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::model::{Pid, TargetStr};
use crate::sys::linux::processes;
use crate::sys::linux::tasks::thread_ids;
use crate::target::{Process, Stat, Status};

/// Bit of `CAP_SYS_PTRACE` in a set of capabilities.
pub const SYS_PTRACE: u64 = 1 << 19;
/// How many ancestors of a target are searched for ourselves.
const MAX_ANCESTORS: usize = 64;

/// The facts that decide what we may do with a process.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Facts {
    pub us: Ourselves,
    /// `None` when there is no such process.
    pub target: Option<TargetFacts>,
    /// `kernel.yama.ptrace_scope`; `None` where there is no Yama.
    pub ptrace_scope: Option<u8>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ourselves {
    /// Real uid and gid, which count for `process_vm_readv` and `ptrace`
    /// (`PTRACE_MODE_ATTACH_REALCREDS`).
    pub uid: u32,
    pub gid: u32,
    pub effective: u64,
    pub permitted: u64,
    /// The capabilities that we, or programs that we start, can ever get here.
    pub bounding: u64,
    /// Whether a seccomp filter is on us.
    pub filtered: bool,
    /// Whether we are in the first user namespace, where capabilities count for everything.
    pub in_first_user_namespace: bool,
    /// Whether the process ids in `/proc` are those of our pid namespace.
    pub proc_is_ours: bool,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TargetFacts {
    /// Real, effective, saved, filesystem.
    pub uids: [u32; 4],
    pub gids: [u32; 4],
    pub permitted: u64,
    pub has_ended: bool,
    pub kernel_thread: bool,
    /// Whether the kernel hides its memory from other processes of the same user: it runs a setuid or
    /// unreadable program, or asked for that by `prctl(PR_SET_DUMPABLE, 0)`.
    pub undumpable: bool,
    pub same_user_namespace: bool,
    /// Whether we, or one of our children, started it.
    pub descends_from_us: bool,
    pub tracer: Option<Tracer>,
}

/// The process that traces the target.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tracer {
    pub pid: Pid,
    pub command: Vec<TargetStr>,
}

impl Ourselves {
    /// Whether a capability is in force.
    #[must_use]
    pub fn has(&self, capability: u64) -> bool {
        self.effective & capability != 0
    }

    /// Whether `CAP_SYS_PTRACE` lets us read the target, whoever owns it. The capability counts in our
    /// own user namespace and in those below it.
    #[must_use]
    pub fn may_read_all_of(&self, target: &TargetFacts) -> bool {
        self.has(SYS_PTRACE) && (target.same_user_namespace || self.in_first_user_namespace)
    }

    /// Whether all user and group ids of the target that count are ours.
    #[must_use]
    pub fn is_user_of(&self, target: &TargetFacts) -> bool {
        target.uids[..3].iter().all(|uid| *uid == self.uid)
            && target.gids[..3].iter().all(|gid| *gid == self.gid)
    }
}

impl Facts {
    /// Reads the facts about a process and ourselves.
    #[must_use]
    pub fn read(pid: Pid) -> Facts {
        let own = read("/proc/self/status").map(|text| Status::parse(&text));
        let own = own.unwrap_or_default();
        let uid_map = read("/proc/self/uid_map").unwrap_or_default();
        Facts {
            us: Ourselves {
                uid: own.uids.map_or(u32::MAX, |uids| uids[0]),
                gid: own.gids.map_or(u32::MAX, |gids| gids[0]),
                effective: own.effective.unwrap_or(0),
                permitted: own.permitted.unwrap_or(0),
                bounding: own.bounding.unwrap_or(u64::MAX),
                filtered: own.seccomp == Some(2),
                in_first_user_namespace: maps_everything(&uid_map),
                proc_is_ours: processes::proc_is_of_our_namespace(),
            },
            target: TargetFacts::read(pid, &uid_map),
            ptrace_scope: read("/proc/sys/kernel/yama/ptrace_scope")
                .and_then(|text| std::str::from_utf8(&text).ok()?.trim().parse().ok()),
        }
    }
}

impl TargetFacts {
    fn read(pid: Pid, own_uid_map: &[u8]) -> Option<TargetFacts> {
        let status = Status::parse(&read(format!("/proc/{pid}/status"))?);
        let stat = Stat::of_process(pid)?;
        let uids = status.uids?;
        // The files in /proc/PID belong to root if the process is not dumpable, else to its
        // effective uid; the directory itself tells nothing (`task_dump_owner`, fs/proc/base.c).
        let way_in = processes::way_in(pid);
        let owner = std::fs::metadata(format!("/proc/{way_in}/stat"))
            .ok()?
            .uid();
        let command = read(format!("/proc/{way_in}/cmdline"));
        Some(TargetFacts {
            uids,
            gids: status.gids?,
            permitted: status.permitted.unwrap_or(0),
            has_ended: processes::has_ended(pid),
            kernel_thread: status.kernel_thread.unwrap_or_else(|| {
                command.is_none_or(|text| text.is_empty()) && stat.parent.0 == 2
            }),
            undumpable: owner != uids[1],
            same_user_namespace: read(format!("/proc/{pid}/uid_map"))
                .is_none_or(|map| map == own_uid_map),
            descends_from_us: descends_from_us(stat.parent),
            tracer: std::iter::once(status)
                .chain(threads(pid))
                .find_map(|status| Tracer::of(&status)),
        })
    }
}

impl Tracer {
    /// The tracer by a thread's status; `None` also if that is ourselves, who trace for moments while we
    /// sample.
    fn of(status: &Status) -> Option<Tracer> {
        // The kernel gives the id of the tracing thread.
        let thread = status.tracer?;
        let status = read(format!("/proc/{thread}/status")).map(|text| Status::parse(&text));
        let pid = status.and_then(|status| status.tgid).unwrap_or(thread);
        if u32::try_from(pid.0) == Ok(std::process::id()) {
            return None;
        }
        let process = Process::open(pid);
        Some(Tracer {
            pid,
            command: process.map_or_else(|_| Vec::new(), |process| process.command().to_vec()),
        })
    }
}

/// The status of each thread of a process, since a tracer may trace only some of them.
fn threads(pid: Pid) -> impl Iterator<Item = Status> {
    thread_ids(pid)
        .into_iter()
        .filter_map(move |tid| read(format!("/proc/{pid}/task/{tid}/status")))
        .map(|text| Status::parse(&text))
}

fn descends_from_us(parent: Pid) -> bool {
    let own = std::process::id();
    std::iter::successors(Some(parent), |pid| Some(Stat::of_process(*pid)?.parent))
        .take(MAX_ANCESTORS)
        .any(|pid| u32::try_from(pid.0) == Ok(own))
}

/// Whether a uid map is that of the first user namespace, which maps the whole range to itself.
fn maps_everything(uid_map: &[u8]) -> bool {
    let fields: Vec<&[u8]> = uid_map
        .split(u8::is_ascii_whitespace)
        .filter(|field| !field.is_empty())
        .collect();
    fields == [b"0".as_slice(), b"0", b"4294967295"]
}

fn read(path: impl AsRef<Path>) -> Option<Vec<u8>> {
    let mut text = Vec::new();
    File::open(path)
        .ok()?
        .take(1 << 20)
        .read_to_end(&mut text)
        .ok()?;
    Some(text)
}
