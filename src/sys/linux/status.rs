//! `/proc/PID/stat` and `/proc/PID/status`, of processes and threads.

use crate::model::{Pid, Tid};

/// The fields of `/proc/PID/stat` that we use.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stat {
    /// `R`, `S`, `Z` and so on (field 3).
    pub state: u8,
    /// Field 4.
    pub parent: Pid,
    /// The kernel's `PF_` flags (field 9).
    pub flags: u64,
    /// CPU time of the thread or, for a process, of all its threads, in clock ticks (fields 14 and 15).
    pub used: u64,
    /// Start time in clock ticks since boot (field 22).
    pub started: u64,
    /// The address at which the main thread's stack began (field 28), which as a rule is another one
    /// after an exec. 0 where we may not know.
    pub stack_start: u64,
    /// The CPU on which it runs, waits to run, or ran last (field 39).
    pub cpu: usize,
}

impl Stat {
    /// `None` when the process is gone.
    #[must_use]
    pub fn of_process(pid: Pid) -> Option<Stat> {
        Stat::parse(&std::fs::read(format!("/proc/{pid}/stat")).ok()?)
    }

    /// `None` when the thread is gone.
    #[must_use]
    pub fn of_thread(pid: Pid, tid: Tid) -> Option<Stat> {
        Stat::parse(&std::fs::read(format!("/proc/{pid}/task/{tid}/stat")).ok()?)
    }

    /// `None` when the text is not in the format. The name in field 2 may hold anything, spaces
    /// and parentheses included, so counting begins after the last `)`.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Stat> {
        let name_end = text.iter().rposition(|byte| *byte == b')')?;
        let rest = std::str::from_utf8(text.get(name_end + 1..)?).ok()?;
        let mut fields = rest.split_ascii_whitespace();
        let state = fields.next()?.bytes().next()?;
        let parent = fields.next()?.parse().ok()?;
        // Fields 5 to 8, 10 to 13, 16 to 21, 23 to 27 and 29 to 38 are skipped.
        let flags = fields.nth(4)?.parse().ok()?;
        let in_user: u64 = fields.nth(4)?.parse().ok()?;
        let in_kernel: u64 = fields.next()?.parse().ok()?;
        let started = fields.nth(6)?.parse().ok()?;
        let stack_start = fields.nth(5)?.parse().ok()?;
        let cpu = fields.nth(10)?.parse().ok()?;
        Some(Stat {
            state,
            parent: Pid(parent),
            flags,
            used: in_user.saturating_add(in_kernel),
            started,
            stack_start,
            cpu,
        })
    }

    /// Whether it has ended: nothing is left but an entry for the parent to collect.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        matches!(self.state, b'Z' | b'X' | b'x')
    }

    /// Whether it has ended or is about to.
    #[must_use]
    pub fn is_ending(&self) -> bool {
        /// `PF_EXITING` of the kernel's include/linux/sched.h.
        const EXITING: u64 = 0x4;
        self.has_ended() || self.flags & EXITING != 0
    }

    /// Whether it is on a CPU, or ready to be.
    #[must_use]
    pub fn runs(&self) -> bool {
        self.state == b'R'
    }

    /// Whether it waits for something other than a CPU, and can be woken by a signal.
    #[must_use]
    pub fn sleeps(&self) -> bool {
        self.state == b'S'
    }

    /// Whether a tracer, which may be us, holds it: then its state does not show whether it ran before.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.state == b't'
    }
}

/// The fields of `/proc/PID/status` that we use. What the kernel does not tell is `None`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Status {
    /// The id of the process that a thread belongs to.
    pub tgid: Option<Pid>,
    /// The parent of that process.
    pub parent: Option<Pid>,
    /// The process that traces this one.
    pub tracer: Option<Pid>,
    /// Real, effective, saved and filesystem uid.
    pub uids: Option<[u32; 4]>,
    /// The same for the gid.
    pub gids: Option<[u32; 4]>,
    pub groups: Vec<u32>,
    /// The process's ids, from our pid namespace inwards to its own.
    pub namespace_pids: Vec<Pid>,
    pub permitted: Option<u64>,
    pub effective: Option<u64>,
    pub bounding: Option<u64>,
    /// 0 none, 1 strict, 2 filter.
    pub seccomp: Option<u8>,
    /// Whether this is a kernel thread; known from Linux 6.8 on.
    pub kernel_thread: Option<bool>,
}

impl Status {
    /// # Errors
    /// When it has ended, or may not be looked at.
    pub fn of_process(pid: Pid) -> std::io::Result<Status> {
        Ok(Status::parse(&std::fs::read(format!(
            "/proc/{pid}/status"
        ))?))
    }

    #[must_use]
    pub fn parse(text: &[u8]) -> Status {
        let mut status = Status::default();
        for line in text.split(|byte| *byte == b'\n') {
            // The name (`Name:`) may not be UTF-8; the fields that we use always are.
            let Some((key, value)) = std::str::from_utf8(line)
                .ok()
                .and_then(|line| line.split_once(':'))
            else {
                continue;
            };
            let value = value.trim();
            match key {
                "Tgid" => status.tgid = value.parse().ok().map(Pid),
                "PPid" => status.parent = value.parse().ok().map(Pid),
                "TracerPid" => {
                    status.tracer = value.parse().ok().filter(|pid| *pid != 0).map(Pid);
                }
                "Uid" => status.uids = numbers(value).try_into().ok(),
                "Gid" => status.gids = numbers(value).try_into().ok(),
                "Groups" => status.groups = numbers(value),
                "NSpid" => {
                    status.namespace_pids = numbers(value).into_iter().map(Pid).collect();
                }
                "CapPrm" => status.permitted = u64::from_str_radix(value, 16).ok(),
                "CapEff" => status.effective = u64::from_str_radix(value, 16).ok(),
                "CapBnd" => status.bounding = u64::from_str_radix(value, 16).ok(),
                "Seccomp" => status.seccomp = value.parse().ok(),
                "Kthread" => status.kernel_thread = Some(value == "1"),
                _ => {}
            }
        }
        status
    }
}

fn numbers<T: std::str::FromStr>(text: &str) -> Vec<T> {
    text.split_ascii_whitespace()
        .filter_map(|word| word.parse().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_name_with_parentheses_does_not_shift_the_fields() {
        let text = b"83 (a) S ) (b) R 1 19 19 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 4711 23 24 25 26 27 28 29 30 31 32 33 34 35 36 37 38 3 40\n";
        let stat = Stat::parse(text).expect("parses");
        assert_eq!(stat.state, b'R');
        assert_eq!(stat.parent, Pid(1));
        assert_eq!((stat.used, stat.started, stat.cpu), (5 + 6, 4711, 3));
        assert_eq!(stat.stack_start, 28);
        assert!(stat.runs() && !stat.is_ending());
    }

    #[test]
    fn a_name_that_is_no_text_is_survived() {
        let text = b"83 (\xff\xfe) Z 7 19 19 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 12 23 24 25 26 27 28 29 30 31 32 33 34 35 36 37 38 1 40\n";
        let stat = Stat::parse(text).expect("parses");
        assert!(stat.has_ended());
        assert_eq!(stat.started, 12);
    }

    #[test]
    fn a_name_cannot_forge_the_state() {
        let text = b"7 (a) R (b\n) S 1 7 7 0 -1 4194564 1 2 3 4 5 6 7 8 20 0 1 0 4711 23 24 25 26 27 28 29 30 31 32 33 34 35 36 37 38 0 40";
        let stat = Stat::parse(text).expect("parses");
        assert_eq!((stat.state, stat.started), (b'S', 4711));
        assert!(stat.is_ending() && !stat.has_ended());
    }

    #[test]
    fn short_or_odd_lines_are_refused() {
        for line in [&b""[..], b")", b"1 (x) R", b"1 (x) R 1 2 \xff"] {
            assert_eq!(Stat::parse(line), None);
        }
    }

    #[test]
    fn status_fields_are_read() {
        let text = b"Name:\t\xff\nTgid:\t42\nTracerPid:\t7\nUid:\t1000\t1001\t1002\t1003\n\
            Gid:\t5\t5\t5\t5\nGroups:\t4 24 \nNSpid:\t42\t1\nCapPrm:\t000001fffeffffff\n\
            Seccomp:\t2\nKthread:\t0\n";
        let status = Status::parse(text);
        assert_eq!(status.tgid, Some(Pid(42)));
        assert_eq!(status.tracer, Some(Pid(7)));
        assert_eq!(status.uids, Some([1000, 1001, 1002, 1003]));
        assert_eq!(status.groups, [4, 24]);
        assert_eq!(status.namespace_pids, [Pid(42), Pid(1)]);
        assert_eq!(status.permitted, Some(0x1ff_feff_ffff));
        assert_eq!(status.seccomp, Some(2));
        assert_eq!(status.kernel_thread, Some(false));
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..500)) {
            let _ = Stat::parse(&bytes);
            let _ = Status::parse(&bytes);
        }
    }
}
