//! A handle of a process, which stays a handle of that process even if its pid is given to another one.

use std::io;
use std::os::fd::OwnedFd;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{PidfdFlags, pidfd_open};

use crate::model::Pid;

/// A process handle.
#[derive(Debug)]
pub struct PidFd(OwnedFd);

impl PidFd {
    /// `None` where the kernel has no pidfd (before 5.3) or a filter hides it.
    ///
    /// # Errors
    /// What the system call gives: `ESRCH` when there is no such process, `EINVAL` or `ENOENT` when
    /// the number is that of a thread.
    pub fn open(pid: Pid) -> io::Result<Option<PidFd>> {
        let raw = Some(pid.0)
            .filter(|number| *number > 0)
            .and_then(rustix::process::Pid::from_raw)
            .ok_or(io::ErrorKind::InvalidInput)?;
        match pidfd_open(raw, PidfdFlags::empty()) {
            Ok(fd) => Ok(Some(PidFd(fd))),
            Err(rustix::io::Errno::NOSYS | rustix::io::Errno::PERM) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether the whole process, all threads of it, has ended. It may still be a zombie.
    ///
    /// # Errors
    /// What `poll` gives.
    pub fn has_ended(&self) -> io::Result<bool> {
        let mut fds = [PollFd::new(&self.0, PollFlags::IN)];
        let at_once = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        rustix::io::retry_on_intr(|| poll(&mut fds, Some(&at_once)))?;
        Ok(!fds[0].revents().is_empty())
    }
}

impl std::os::fd::AsFd for PidFd {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.0.as_fd()
    }
}
