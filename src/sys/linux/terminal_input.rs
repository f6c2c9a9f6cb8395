//! Waiting for keys, by whoever reads them with a library that must not wait by itself.

use std::fs::File;
use std::io::{self, IsTerminal};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

/// The terminal from which keys come: standard input, or the process's own terminal.
#[derive(Debug)]
pub struct TerminalInput {
    /// `None` if it is standard input.
    own: Option<File>,
}

/// What came of waiting.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Waited {
    Nothing,
    /// There is something to read.
    Input,
    /// The terminal was closed. It can be read at any time from now on, and gives nothing.
    Gone,
}

impl TerminalInput {
    /// # Errors
    /// When there is no terminal.
    pub fn open() -> io::Result<TerminalInput> {
        let own = match io::stdin().is_terminal() {
            true => None,
            false => Some(File::open("/dev/tty")?),
        };
        Ok(TerminalInput { own })
    }

    /// Waits for keys, for so long at most. A signal may end it sooner.
    ///
    /// # Errors
    /// When the kernel refuses to wait.
    pub fn wait(&self, longest: Duration) -> io::Result<Waited> {
        let stdin = io::stdin();
        let terminal: BorrowedFd<'_> = match &self.own {
            Some(own) => own.as_fd(),
            None => stdin.as_fd(),
        };
        let mut fds = [PollFd::new(&terminal, PollFlags::IN)];
        let longest = Timespec::try_from(longest).map_err(io::Error::other)?;
        match poll(&mut fds, Some(&longest)) {
            Err(Errno::INTR) => return Ok(Waited::Nothing),
            result => result?,
        };
        let found = fds
            .iter()
            .fold(PollFlags::empty(), |all, fd| all | fd.revents());
        let gone = PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL;
        Ok(match found {
            found if found.intersects(gone) => Waited::Gone,
            found if found.contains(PollFlags::IN) => Waited::Input,
            _ => Waited::Nothing,
        })
    }
}
