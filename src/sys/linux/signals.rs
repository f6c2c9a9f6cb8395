//! Signals that end a recording, received one at a time by a thread that waits for them: no code
//! ever runs in a handler, and no system call of another thread is interrupted.

use std::io;

use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, SigmaskHow, Signal, sigaction};
use nix::sys::signalfd::{SfdFlags, SignalFd};

/// The signals that end a recording.
const ENDING: [Signal; 3] = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP];

/// Ending signals, kept from doing what they do by themselves.
#[derive(Debug)]
pub struct Signals {
    fd: SignalFd,
    before: Before,
}

/// How signals stood when we were started; a program that we start finds them so again.
#[derive(Clone, Copy, Debug)]
pub struct Before {
    mask: SigSet,
    ignored: SigSet,
}

/// A signal that came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Received {
    pub signal: Signal,
    /// It came from the terminal (^C), which sends it to the whole foreground group: a program
    /// that we started has it already.
    pub from_terminal: bool,
}

impl Signals {
    /// Holds the ending signals back, in this thread and all that it will start. To be called
    /// before the first of them.
    ///
    /// `SIGHUP` stays ignored where it is (`nohup`). `SIGINT` does not: a script that starts us in
    /// the background has it ignored, and must be able to end us all the same.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn hold_back() -> io::Result<Signals> {
        let mut held = SigSet::empty();
        let mut ignored = SigSet::empty();
        for signal in ENDING {
            let default = SigAction::new(SigHandler::SigDfl, SaFlags::empty(), SigSet::empty());
            // SAFETY: the default action runs none of our code, and no other handler of these
            // signals is installed anywhere in this program.
            let before = unsafe { sigaction(signal, &default) }?;
            if matches!(before.handler(), SigHandler::SigIgn) {
                ignored.add(signal);
                if signal == Signal::SIGHUP {
                    // SAFETY: as above; it is what was there before.
                    unsafe { sigaction(signal, &before) }?;
                    continue;
                }
            }
            held.add(signal);
        }
        // Every pause of a thread sends us one of these; none may wake the thread that waits here.
        let mut blocked = held;
        blocked.add(Signal::SIGCHLD);
        let mut mask = SigSet::empty();
        nix::sys::signal::pthread_sigmask(SigmaskHow::SIG_BLOCK, Some(&blocked), Some(&mut mask))?;
        Ok(Signals {
            fd: SignalFd::with_flags(&held, SfdFlags::SFD_CLOEXEC)?,
            before: Before { mask, ignored },
        })
    }

    #[must_use]
    pub fn before(&self) -> Before {
        self.before
    }

    /// Waits for the next signal.
    ///
    /// # Errors
    /// When no more can be received.
    pub fn wait(&self) -> io::Result<Received> {
        loop {
            let Some(info) = self.fd.read_signal()? else {
                continue;
            };
            let Ok(signal) = i32::try_from(info.ssi_signo)
                .map_err(|_| nix::Error::EINVAL)
                .and_then(Signal::try_from)
            else {
                continue;
            };
            return Ok(Received {
                signal,
                from_terminal: info.ssi_code == libc::SI_KERNEL,
            });
        }
    }
}

impl Before {
    /// As they stand in the calling thread, of which none was taken over.
    #[must_use]
    pub fn unchanged() -> Before {
        let mut mask = SigSet::empty();
        // Asked with valid arguments, it cannot fail.
        let _ = nix::sys::signal::pthread_sigmask(SigmaskHow::SIG_BLOCK, None, Some(&mut mask));
        Before {
            mask,
            ignored: SigSet::empty(),
        }
    }

    /// Puts the calling process's signals back. Calls nothing that is not allowed between fork and
    /// exec.
    pub(super) fn restore(&self) -> io::Result<()> {
        for signal in ENDING {
            if self.ignored.contains(signal) {
                let ignore = SigAction::new(SigHandler::SigIgn, SaFlags::empty(), SigSet::empty());
                // SAFETY: ignoring runs none of our code.
                unsafe { sigaction(signal, &ignore) }?;
            }
        }
        nix::sys::signal::pthread_sigmask(SigmaskHow::SIG_SETMASK, Some(&self.mask), None)?;
        Ok(())
    }
}
