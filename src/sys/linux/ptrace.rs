//! Holding one thread still for a moment: PTRACE_SEIZE, PTRACE_INTERRUPT, PTRACE_DETACH.
//!
//! Nothing is left stopped if we die at any point: the kernel detaches and resumes the tracees of
//! a tracer that ends. No SIGSTOP is ever sent.

use std::cell::RefCell;
use std::io;
use std::time::{Duration, Instant};

use super::status::{Stat, Status};
use crate::model::{Pid, Tid};

/// A thread that is held still until this is dropped. The tracer is the thread that paused it, so
/// this must not leave that thread.
#[derive(Debug)]
pub struct Paused {
    tid: libc::pid_t,
    /// A signal that was on its way when the thread stopped, to be delivered when it goes on.
    signal: libc::c_int,
    since: Instant,
    /// A tracer belongs to one thread: neither `Send` nor `Sync`.
    _this_thread: std::marker::PhantomData<*const ()>,
}

/// Why a thread could not be paused.
#[derive(thiserror::Error, Debug)]
pub enum PauseError {
    #[error("the thread has ended")]
    Gone,
    #[error("not permitted to trace the thread, or another tracer is there")]
    Denied,
    /// It is in a system call that cannot be interrupted, or got no CPU. It is let go when it stops.
    #[error("the thread did not stop in time")]
    Slow,
    #[error(transparent)]
    Other(io::Error),
}

/// How long to wait for a thread to stop before giving up. The thread must get a CPU to stop, which
/// takes long on a busy machine; in an uninterruptible system call it can take any time.
const PATIENCE: Duration = Duration::from_millis(500);

impl Paused {
    /// Stops a thread where it is.
    ///
    /// # Errors
    /// See [`PauseError`]; the thread runs on in every case.
    pub fn new(tid: Tid) -> Result<Paused, PauseError> {
        let tid = tid.0;
        request(libc::PTRACE_SEIZE, tid, 0).map_err(refusal)?;
        // From here on the guard's drop detaches, whatever happens.
        let mut paused = Paused {
            tid,
            signal: 0,
            since: Instant::now(),
            _this_thread: std::marker::PhantomData,
        };
        request(libc::PTRACE_INTERRUPT, tid, 0).map_err(refusal)?;
        paused.signal = wait_for_stop(tid)?;
        paused.since = Instant::now();
        Ok(paused)
    }

    /// How long the thread has been held.
    #[must_use]
    pub fn held_for(&self) -> Duration {
        self.since.elapsed()
    }
}

impl Drop for Paused {
    fn drop(&mut self) {
        if request(libc::PTRACE_DETACH, self.tid, self.signal).is_ok() {
            return;
        }
        // Either the thread has ended, or it has not stopped yet, and DETACH needs a stopped thread.
        match wait_for_stop(self.tid) {
            // The thread may be killed at any time: nothing to do about a failure.
            Ok(signal) => drop(request(libc::PTRACE_DETACH, self.tid, signal)),
            Err(PauseError::Slow) => STOPPING.with_borrow_mut(|tids| tids.push(self.tid)),
            Err(_) => hand_over_ended(self.tid),
        }
    }
}

thread_local! {
    /// Threads that we interrupted and that had not stopped when we lost patience. They stop when
    /// their system call ends, and are let go at the first look after that.
    static STOPPING: RefCell<Vec<libc::pid_t>> = const { RefCell::new(Vec::new()) };
}

/// Lets go of threads that stopped after we had lost patience. Should be called often while
/// [`any_stopping`] is true.
pub fn release_late_stops() {
    STOPPING.with_borrow_mut(|tids| {
        tids.retain(|&tid| match peek(tid) {
            Ok(Peek::Running) => true,
            Ok(Peek::Stopped) => {
                if let Ok(signal) = consume_stop(tid) {
                    let _ = request(libc::PTRACE_DETACH, tid, signal);
                }
                false
            }
            Ok(Peek::Ended) | Err(_) => {
                hand_over_ended(tid);
                false
            }
        });
    });
}

/// Whether a thread that this thread interrupted has yet to stop.
#[must_use]
pub fn any_stopping() -> bool {
    STOPPING.with_borrow(|tids| !tids.is_empty())
}

/// Waits for a traced thread that has ended. Until its tracer does that, its parent is not told of the
/// end, and would wait for ever. Our own child, of which we are tracer and parent, is left to the code
/// that waits for it as its parent.
fn hand_over_ended(tid: libc::pid_t) {
    if is_our_child(tid) {
        return;
    }
    let mut status = 0;
    // SAFETY: waitpid writes one int to the pointer it is given. It fails where there is nothing
    // to wait for.
    unsafe { libc::waitpid(tid, &raw mut status, libc::__WALL | libc::WNOHANG) };
}

/// Whether a thread is the main thread of a process whose real parent, not only its tracer, is us.
fn is_our_child(tid: libc::pid_t) -> bool {
    let (Some(stat), Ok(status)) = (
        Stat::of_process(Pid(tid)),
        std::fs::read(format!("/proc/{tid}/status")),
    ) else {
        return false;
    };
    u32::try_from(stat.parent.0) == Ok(std::process::id())
        && Status::parse(&status).tgid == Some(Pid(tid))
}

fn refusal(error: io::Error) -> PauseError {
    match error.raw_os_error() {
        Some(libc::ESRCH) => PauseError::Gone,
        Some(libc::EPERM) => PauseError::Denied,
        _ => PauseError::Other(error),
    }
}

/// Waits until a traced thread has stopped and returns the signal that is to be delivered to it
/// on detaching, 0 for none.
fn wait_for_stop(tid: libc::pid_t) -> Result<libc::c_int, PauseError> {
    let started = Instant::now();
    let mut rounds = 0u32;
    loop {
        match peek(tid)? {
            Peek::Running if started.elapsed() > PATIENCE => return Err(PauseError::Slow),
            // The stop takes an inter-processor interrupt and a switch: some 10 µs. Giving up the
            // CPU also lets the thread stop if it shares it with us.
            Peek::Running if rounds < 64 => std::thread::yield_now(),
            Peek::Running => std::thread::sleep(Duration::from_micros(30)),
            Peek::Stopped => return consume_stop(tid),
            Peek::Ended => return Err(PauseError::Gone),
        }
        rounds += 1;
    }
}

enum Peek {
    Running,
    Stopped,
    Ended,
}

/// Looks at a thread's wait status without taking it: if the thread has ended and is our own child, its
/// exit status belongs to the code that started it.
fn peek(tid: libc::pid_t) -> Result<Peek, PauseError> {
    // SAFETY: all zeroes is a valid siginfo_t, and waitid fills it or leaves it alone.
    let (result, info) = unsafe {
        let mut info: libc::siginfo_t = std::mem::zeroed();
        let flags = libc::WSTOPPED | libc::WEXITED | libc::WNOHANG | libc::WNOWAIT | libc::__WALL;
        let result = libc::waitid(libc::P_PID, tid.cast_unsigned(), &raw mut info, flags);
        (result, info)
    };
    if result != 0 {
        return match io::Error::last_os_error() {
            error if error.kind() == io::ErrorKind::Interrupted => Ok(Peek::Running),
            error if error.raw_os_error() == Some(libc::ECHILD) => Ok(Peek::Ended),
            error => Err(PauseError::Other(error)),
        };
    }
    // SAFETY: waitid succeeded, so the field is initialised: 0 when nothing has changed.
    if unsafe { info.si_pid() } == 0 {
        return Ok(Peek::Running);
    }
    Ok(match info.si_code {
        libc::CLD_EXITED | libc::CLD_KILLED | libc::CLD_DUMPED => Peek::Ended,
        _ => Peek::Stopped,
    })
}

fn consume_stop(tid: libc::pid_t) -> Result<libc::c_int, PauseError> {
    let mut status = 0;
    // SAFETY: waitpid writes one int to the pointer it is given.
    if unsafe { libc::waitpid(tid, &raw mut status, libc::__WALL | libc::WNOHANG) } != tid
        || !libc::WIFSTOPPED(status)
    {
        return Err(PauseError::Gone);
    }
    // PTRACE_EVENT_STOP is our own interruption or a group stop, which lasts after detaching without
    // our help; anything else is a signal on its way to the program.
    let event = status >> 16;
    Ok(if event == 0 {
        libc::WSTOPSIG(status)
    } else {
        0
    })
}

fn request(request: libc::c_uint, tid: libc::pid_t, data: libc::c_int) -> io::Result<()> {
    // SAFETY: none of the requests made here (SEIZE, INTERRUPT, DETACH) takes the address of
    // memory of ours; `data` is a number in each.
    let result = unsafe { libc::ptrace(request, tid, 0usize, libc::c_long::from(data)) };
    if result == -1 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}
