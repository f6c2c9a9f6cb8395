//! Signals that end a recording or ask for what it has so far, received one at a time by a thread that
//! waits for them: no code ever runs in a handler, and no system call of another thread is interrupted.

use std::io;

use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, SigmaskHow, Signal, sigaction};
use nix::sys::signalfd::{SfdFlags, SignalFd};

/// The signals that are waited for: those that end a recording, and the one that asks for a file.
const AWAITED: [Signal; 4] = [
    Signal::SIGINT,
    Signal::SIGTERM,
    Signal::SIGHUP,
    Signal::SIGUSR1,
];

/// The awaited signals, blocked so that none is lost.
#[derive(Debug)]
pub struct Signals {
    fd: SignalFd,
    before: Before,
}

/// Which signals were blocked and ignored at our start, to be restored for programs that we start.
#[derive(Clone, Copy, Debug)]
pub struct Before {
    mask: SigSet,
    ignored: SigSet,
}

/// A signal that came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Received {
    pub signal: Signal,
    /// Whether it came from the terminal (^C), which sends it to the whole foreground group: a program
    /// that we started has received it already.
    pub from_terminal: bool,
}

impl Signals {
    /// Blocks the awaited signals in this thread and in all threads that it starts later. Must be called
    /// before it starts the first of them.
    ///
    /// `SIGHUP` stays ignored where it is (`nohup`). `SIGINT` does not: if a script starts us in the
    /// background, it is ignored, but the script must still be able to end us with it.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn hold_back() -> io::Result<Signals> {
        let mut held = SigSet::empty();
        let mut ignored = SigSet::empty();
        for signal in AWAITED {
            let default = SigAction::new(SigHandler::SigDfl, SaFlags::empty(), SigSet::empty());
            // SAFETY: the default action runs none of our code, and no other handler of these
            // signals is installed anywhere in this program.
            let before = unsafe { sigaction(signal, &default) }?;
            if matches!(before.handler(), SigHandler::SigIgn) {
                ignored.add(signal);
                if signal == Signal::SIGHUP {
                    // SAFETY: as above; this restores what was there before.
                    unsafe { sigaction(signal, &before) }?;
                    continue;
                }
            }
            held.add(signal);
        }
        // Every pause of a thread sends us a SIGCHLD, which must not wake the thread that waits here.
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

/// From now on the calling thread does not receive SIGWINCH, which interrupts system calls.
#[cfg(feature = "cli")]
pub fn leave_resizing_to_others() {
    let mut set = SigSet::empty();
    set.add(Signal::SIGWINCH);
    // With valid arguments, this call cannot fail.
    let _ = nix::sys::signal::pthread_sigmask(SigmaskHow::SIG_BLOCK, Some(&set), None);
}

impl Before {
    /// The state of signals in the calling thread, none of which was taken over.
    #[must_use]
    pub fn unchanged() -> Before {
        let mut mask = SigSet::empty();
        // With valid arguments, this call cannot fail.
        let _ = nix::sys::signal::pthread_sigmask(SigmaskHow::SIG_BLOCK, None, Some(&mut mask));
        Before {
            mask,
            ignored: SigSet::empty(),
        }
    }

    /// Restores the signals of the calling process. Only calls what is allowed between fork and exec.
    pub(super) fn restore(&self) -> io::Result<()> {
        for signal in AWAITED {
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
