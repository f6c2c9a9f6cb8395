//! What `/proc` tells of one thread, through descriptors that stay open: a read costs about a
//! microsecond (`schedstat`), one and a half (`syscall`) or four (`stat`).

use std::cell::OnceCell;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use super::status::{Stat, Status};
use crate::model::{Nanos, Pid, TargetStr, Tid};

/// The open files of one kernel thread.
#[derive(Debug)]
pub struct TaskFiles {
    stat: File,
    schedstat: Option<File>,
    syscall: PathBuf,
    /// `syscall`, which stays open only for threads that are asked at every tick: a process may have
    /// more threads than we may have open files.
    kept_syscall: OnceCell<Option<File>>,
}

/// `/proc/PID/task/TID/schedstat`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TaskTimes {
    /// Time on a CPU. Lags by up to a kernel tick while the thread runs on another CPU.
    pub on_cpu: Nanos,
    /// How many times the thread was put on a CPU.
    pub times_scheduled: u64,
}

impl TaskTimes {
    /// The times of a thread, for reading them once; [`TaskFiles`] stays open for reading them often.
    /// `None` when the thread is gone, or the kernel does not keep these times.
    #[cfg(any(test, feature = "py-spy", feature = "internals"))]
    #[must_use]
    pub fn of(pid: Pid, tid: Tid) -> Option<TaskTimes> {
        TaskTimes::read(&open_schedstat(pid, tid).ok()?).ok()?
    }

    fn read(schedstat: &File) -> io::Result<Option<TaskTimes>> {
        let mut bytes = [0; 128];
        let len = schedstat.read_at(&mut bytes, 0)?;
        Ok(bytes.get(..len).and_then(TaskTimes::parse))
    }

    fn parse(bytes: &[u8]) -> Option<TaskTimes> {
        let mut fields = std::str::from_utf8(bytes).ok()?.split_ascii_whitespace();
        Some(TaskTimes {
            on_cpu: Nanos(fields.next()?.parse().ok()?),
            times_scheduled: fields.nth(1)?.parse().ok()?,
        })
    }
}

fn open_schedstat(pid: Pid, tid: Tid) -> io::Result<File> {
    File::open(format!("/proc/{pid}/task/{tid}/schedstat"))
}

impl TaskFiles {
    /// # Errors
    /// When the thread is gone. A kernel without schedstat is not an error.
    pub fn open(pid: Pid, tid: Tid) -> io::Result<TaskFiles> {
        Ok(TaskFiles {
            stat: File::open(format!("/proc/{pid}/task/{tid}/stat"))?,
            schedstat: open_schedstat(pid, tid).ok(),
            syscall: PathBuf::from(format!("/proc/{pid}/task/{tid}/syscall")),
            kept_syscall: OnceCell::new(),
        })
    }

    /// # Errors
    /// When the thread is gone.
    pub fn stat(&self) -> io::Result<Stat> {
        let mut bytes = [0; 512];
        let len = self.stat.read_at(&mut bytes, 0)?;
        bytes
            .get(..len)
            .and_then(Stat::parse)
            .ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))
    }

    /// Whether the thread is off every CPU until something wakes it. Its state alone does not say
    /// so: a thread is marked as sleeping a moment before it leaves the CPU, and if it is woken
    /// within that moment it simply goes on. `/proc/TID/syscall` only gives a system call
    /// for a thread that has been switched out (`task_current_syscall` in the kernel's
    /// lib/syscall.c). `false` also where that cannot be read.
    #[must_use]
    pub fn is_switched_out(&self) -> bool {
        // A system call's number, or -1 for a thread that waits outside of one; else "running".
        let file = File::open(&self.syscall);
        file.is_ok_and(|file| first_byte(&file).is_some_and(|byte| byte != b'r'))
    }

    /// Whether the thread runs, is ready to run or is about to sleep. The file stays open after the
    /// first call. `false` also where it cannot be read.
    #[must_use]
    pub fn runs(&self) -> bool {
        let open = || File::open(&self.syscall).ok();
        let file = self.kept_syscall.get_or_init(open).as_ref();
        file.and_then(first_byte) == Some(b'r')
    }

    /// The times of the thread; `None` where the kernel does not keep them.
    ///
    /// # Errors
    /// When the thread is gone.
    pub fn times(&self) -> io::Result<Option<TaskTimes>> {
        match &self.schedstat {
            Some(file) => TaskTimes::read(file),
            None => Ok(None),
        }
    }
}

fn first_byte(file: &File) -> Option<u8> {
    let mut bytes = [0; 1];
    (file.read_at(&mut bytes, 0).ok()? == 1).then_some(bytes[0])
}

/// The kernel threads of a process.
#[must_use]
pub fn thread_ids(pid: Pid) -> Vec<Tid> {
    let Ok(entries) = std::fs::read_dir(format!("/proc/{pid}/task")) else {
        return Vec::new();
    };
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .map(Tid)
        .collect()
}

/// A thread through which a process can be read: the main thread, unless it has ended, as after
/// `pthread_exit`. In that case `/proc/PID` and `process_vm_readv` give nothing through the main thread,
/// but everything through a thread that still runs. `None` when the process has ended, or all its
/// threads are about to end.
#[must_use]
pub fn living_thread(pid: Pid) -> Option<Tid> {
    let lives = |tid: &Tid| Stat::of_thread(pid, *tid).is_some_and(|stat| !stat.is_ending());
    let main = Tid(pid.0);
    if lives(&main) {
        return Some(main);
    }
    thread_ids(pid).into_iter().find(lives)
}

/// Whether a call failed because the thread through which it was made has ended.
#[must_use]
pub fn has_ended(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::ESRCH)
}

/// The kernel's name of a thread, at most 15 bytes, if it was given one: `None` if it has the name of
/// the main thread.
#[must_use]
pub fn own_name(pid: Pid, tid: Tid) -> Option<TargetStr> {
    let name = |tid: Tid| {
        let name = std::fs::read(format!("/proc/{pid}/task/{tid}/comm")).ok()?;
        Some(name.strip_suffix(b"\n").unwrap_or(&name).to_vec())
    };
    let (own, main) = (name(tid)?, name(Tid(pid.0))?);
    (!own.is_empty() && own != main).then(|| TargetStr::from_bytes(&own))
}

/// The id that a thread has in its own, innermost pid namespace.
#[must_use]
pub fn tid_in_own_namespace(pid: Pid, tid: Tid) -> Option<u64> {
    let text = std::fs::read(format!("/proc/{pid}/task/{tid}/status")).ok()?;
    let innermost = *Status::parse(&text).namespace_pids.last()?;
    u64::try_from(innermost.0).ok()
}

/// What a thread does for the kernel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum InKernel {
    /// It runs, or is ready to.
    Runs,
    /// It waits in a system call: the number, and the first argument.
    Call(u64, u64),
    /// It waits elsewhere, as for a page of memory, or is stopped.
    Outside,
}

impl InKernel {
    /// From `/proc/PID/task/TID/syscall`; `None` where that may not be read (proc_pid_syscall in the
    /// kernel's fs/proc/base.c).
    #[must_use]
    pub fn of(pid: Pid, tid: Tid) -> Option<InKernel> {
        InKernel::parse(&std::fs::read_to_string(format!("/proc/{pid}/task/{tid}/syscall")).ok()?)
    }

    fn parse(text: &str) -> Option<InKernel> {
        let mut words = text.split_ascii_whitespace();
        match words.next()? {
            "running" => Some(InKernel::Runs),
            "-1" => Some(InKernel::Outside),
            number => {
                let argument = words.next()?.strip_prefix("0x")?;
                let argument = u64::from_str_radix(argument, 16).ok()?;
                Some(InKernel::Call(number.parse().ok()?, argument))
            }
        }
    }
}

/// The function of the kernel in which a thread waits; `None` when it runs, or where we may not know.
pub fn wait_channel(pid: Pid, tid: Tid) -> Option<String> {
    let channel = std::fs::read_to_string(format!("/proc/{pid}/task/{tid}/wchan")).ok()?;
    (channel != "0").then_some(channel)
}

/// Whether a process has a thread of that id.
pub fn has_thread(pid: Pid, tid: Tid) -> bool {
    std::fs::exists(format!("/proc/{pid}/task/{tid}")).unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_thread_is_running_and_has_used_time() {
        let pid = Pid::ours();
        let tid = Tid(nix::unistd::gettid().as_raw());
        let files = TaskFiles::open(pid, tid).unwrap();
        assert!(files.stat().unwrap().runs());
        if let Some(times) = files.times().unwrap() {
            assert!(times.times_scheduled > 0);
        }
    }

    #[test]
    fn what_a_thread_waits_in_is_told_by_its_first_words() {
        assert_eq!(InKernel::parse("running\n"), Some(InKernel::Runs));
        let outside = "-1 0x7ffc3ec45b48 0x7f6febf972ad\n";
        assert_eq!(InKernel::parse(outside), Some(InKernel::Outside));
        let futex = "202 0x55d0c8 0x189 0x0 0x7ffd 0x0 0xffffffff 0x7ffd18 0x7f66\n";
        assert_eq!(
            InKernel::parse(futex),
            Some(InKernel::Call(202, 0x0055_d0c8))
        );
        for odd in ["", "202", "202 55d0c8", "x 0x1", "-2 0x1"] {
            assert_eq!(InKernel::parse(odd), None, "{odd}");
        }
        let own = Tid(nix::unistd::gettid().as_raw());
        assert!(InKernel::of(Pid::ours(), own).is_some());
    }

    #[test]
    fn short_or_odd_lines_are_refused() {
        assert_eq!(TaskTimes::parse(b"1 2"), None);
    }
}
