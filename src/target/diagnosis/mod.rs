//! Why we may not look at a process, and what to do about it.
//!
//! The facts are read in [`facts`]; the judgement is a pure function of them and follows the order
//! in which the kernel checks (`__ptrace_may_access`, kernel/ptrace.c): user, dumpable,
//! capabilities, Yama.

mod checks;
pub mod facts;

use std::fmt;

pub use self::checks::{Check, Machine, Weight, checks};
pub use self::facts::{Facts, Ourselves, SYS_PTRACE, TargetFacts, Tracer};
use crate::model::{Pid, TargetStr};

/// What was refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Attempt {
    /// Reading memory or mappings.
    Read,
    /// Stopping a thread with ptrace.
    Trace,
}

/// The one reason that applies.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Reason {
    NoSuchProcess,
    Zombie,
    KernelThread,
    /// Another tracer is there already, and ptrace allows only one.
    Traced(Tracer),
    /// It belongs to this user and we lack `CAP_SYS_PTRACE`.
    OtherUser {
        uid: u32,
    },
    Undumpable,
    MoreCapabilities,
    OtherUserNamespace,
    /// `/proc` is that of another pid namespace than ours, so that its process ids mean nothing here.
    OtherPidNamespace,
    /// Yama, with its level (1 to 3).
    PtraceScope(u8),
    /// Nothing else forbids it, but we run under a seccomp filter.
    SeccompFilter,
    /// Nothing that we know of forbids it.
    Unknown,
}

/// A reason with what to do about it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Diagnosis {
    pub pid: Pid,
    pub reason: Reason,
    pub remedy: Remedy,
}

/// The next step.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Remedy {
    None,
    /// Check the process id, which is wrong or out of date.
    CheckPid,
    /// Become root, which we are not.
    Sudo,
    /// Give the container the capability: we are root in it, or cannot become root with the capability.
    ContainerCapability,
    /// As [`Remedy::Sudo`], or loosen Yama, or start the program through spyhole.
    SudoOrScope,
    /// Loosen Yama, or as [`Remedy::ContainerCapability`].
    Scope,
    Reboot,
    ContainerSeccomp,
    OutsideContainer,
    OwnProc,
    EndTracer,
    SecurityModule,
}

/// Says why `attempt` on a process was refused.
#[must_use]
pub fn explain(pid: Pid, attempt: Attempt) -> Diagnosis {
    judge(pid, attempt, &Facts::read(pid))
}

/// The judgement, from facts alone.
#[must_use]
pub fn judge(pid: Pid, attempt: Attempt, facts: &Facts) -> Diagnosis {
    let reason = reason(attempt, facts);
    let remedy = remedy(&reason, &facts.us);
    Diagnosis {
        pid,
        reason,
        remedy,
    }
}

fn reason(attempt: Attempt, facts: &Facts) -> Reason {
    let us = &facts.us;
    if !us.proc_is_ours {
        return Reason::OtherPidNamespace;
    }
    let Some(target) = &facts.target else {
        return Reason::NoSuchProcess;
    };
    if target.has_ended {
        return Reason::Zombie;
    }
    if target.kernel_thread {
        return Reason::KernelThread;
    }
    let capable = us.may_read_all_of(target);
    if !capable {
        if us.has(SYS_PTRACE) {
            return Reason::OtherUserNamespace;
        }
        if !us.is_user_of(target) {
            return Reason::OtherUser {
                uid: target.uids[1],
            };
        }
        if target.undumpable {
            return Reason::Undumpable;
        }
        if !target.same_user_namespace {
            return Reason::OtherUserNamespace;
        }
        if target.permitted & !us.permitted != 0 {
            return Reason::MoreCapabilities;
        }
    }
    match facts.ptrace_scope {
        Some(1) if !capable && !target.descends_from_us => return Reason::PtraceScope(1),
        Some(2) if !capable => return Reason::PtraceScope(2),
        Some(scope @ 3..) => return Reason::PtraceScope(scope),
        _ => {}
    }
    if attempt == Attempt::Trace
        && let Some(tracer) = &target.tracer
    {
        return Reason::Traced(tracer.clone());
    }
    if us.filtered {
        Reason::SeccompFilter
    } else {
        Reason::Unknown
    }
}

fn remedy(reason: &Reason, us: &Ourselves) -> Remedy {
    // If root lacks the capability, or sudo could not give it to a user, we are in a container.
    let capability = if us.uid == 0 || us.bounding & SYS_PTRACE == 0 {
        Remedy::ContainerCapability
    } else {
        Remedy::Sudo
    };
    match reason {
        Reason::NoSuchProcess => Remedy::CheckPid,
        Reason::Zombie | Reason::KernelThread => Remedy::None,
        Reason::Traced(_) => Remedy::EndTracer,
        Reason::OtherUser { .. } | Reason::Undumpable | Reason::MoreCapabilities => capability,
        Reason::OtherUserNamespace if us.in_first_user_namespace => capability,
        Reason::OtherUserNamespace => Remedy::OutsideContainer,
        Reason::OtherPidNamespace => Remedy::OwnProc,
        Reason::PtraceScope(1 | 2) if capability == Remedy::Sudo => Remedy::SudoOrScope,
        Reason::PtraceScope(1 | 2) => Remedy::Scope,
        Reason::PtraceScope(_) => Remedy::Reboot,
        Reason::SeccompFilter => Remedy::ContainerSeccomp,
        Reason::Unknown => Remedy::SecurityModule,
    }
}

impl Diagnosis {
    /// What is wrong, as a sentence without a full stop.
    #[must_use]
    pub fn cause(&self) -> String {
        let pid = self.pid;
        match &self.reason {
            Reason::NoSuchProcess => format!("there is no process {pid}"),
            Reason::Zombie => {
                format!("process {pid} has ended; its parent has not collected it yet (a zombie)")
            }
            Reason::KernelThread => format!("{pid} is a thread of the kernel"),
            Reason::Traced(tracer) => format!(
                "process {pid} is being traced already, by process {}{}",
                tracer.pid,
                in_parentheses(&tracer.command)
            ),
            Reason::OtherUser { uid } => {
                format!("process {pid} belongs to another user (uid {uid})")
            }
            Reason::Undumpable => format!(
                "process {pid} keeps its memory private: it runs a setuid program or has called \
                 prctl(PR_SET_DUMPABLE, 0)"
            ),
            Reason::MoreCapabilities => {
                format!("process {pid} has capabilities that spyhole lacks")
            }
            Reason::OtherUserNamespace => {
                format!("process {pid} is in another user namespace (a container)")
            }
            Reason::OtherPidNamespace => {
                "/proc shows the processes of another pid namespace than the one that spyhole runs \
                 in, so their numbers mean nothing here"
                    .to_owned()
            }
            Reason::PtraceScope(1) => {
                "kernel.yama.ptrace_scope is 1: a process may only look at processes that it \
                 started"
                    .to_owned()
            }
            Reason::PtraceScope(2) => {
                "kernel.yama.ptrace_scope is 2: only root may look at other processes".to_owned()
            }
            Reason::PtraceScope(scope) => {
                format!("kernel.yama.ptrace_scope is {scope}: nobody may look at other processes")
            }
            Reason::SeccompFilter => {
                "a seccomp filter, such as that of a container, forbids looking at other processes"
                    .to_owned()
            }
            Reason::Unknown => format!("the system refuses to let spyhole look at process {pid}"),
        }
    }

    /// What to do, as a sentence with the command; `None` where nothing can be done.
    #[must_use]
    pub fn next_step(&self) -> Option<&'static str> {
        const CAPABILITY: &str = "give the container the capability: `docker run --cap-add \
            SYS_PTRACE ...`; in Kubernetes `securityContext: {capabilities: {add: [SYS_PTRACE]}}`";
        Some(match self.remedy {
            Remedy::None => return None,
            Remedy::CheckPid => "check the number: `spyhole ps` lists the Python processes",
            Remedy::Sudo => "run spyhole with `sudo`",
            Remedy::ContainerCapability => CAPABILITY,
            Remedy::SudoOrScope => {
                "run spyhole with `sudo`, or allow it for all with `sudo sysctl \
                 kernel.yama.ptrace_scope=0`, or let spyhole start the program: `spyhole record -- \
                 PROGRAM`"
            }
            Remedy::Scope => {
                "run `sysctl kernel.yama.ptrace_scope=0` on the host, or give the container the \
                 capability: `docker run --cap-add SYS_PTRACE ...`"
            }
            Remedy::Reboot => {
                "this cannot be undone while the system runs: set kernel.yama.ptrace_scope=1 in \
                 /etc/sysctl.d and reboot"
            }
            Remedy::ContainerSeccomp => {
                "run the container with `docker run --cap-add SYS_PTRACE ...` or `--security-opt \
                 seccomp=unconfined`; in Kubernetes `securityContext: {capabilities: {add: \
                 [SYS_PTRACE]}}`"
            }
            Remedy::OutsideContainer => {
                "run spyhole on the host with `sudo`, or inside the process's own container"
            }
            Remedy::OwnProc => {
                "run spyhole outside of that namespace, or mount a /proc of its own there (`unshare \
                 --mount-proc`)"
            }
            Remedy::EndTracer => "end that debugger or tracer, or record with `--nonblocking`",
            Remedy::SecurityModule => {
                "a security module may be in the way: see `journalctl -k` for AppArmor's or \
                 SELinux's word (`setsebool deny_ptrace off`)"
            }
        })
    }
}

/// The cause and, on a line of its own, the next step.
impl fmt::Display for Diagnosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.cause())?;
        match self.next_step() {
            Some(step) => write!(f, "\n{step}"),
            None => Ok(()),
        }
    }
}

/// What is missing in a process that has no Python to read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lacks {
    Python,
    /// The library is there, but no interpreter was made.
    Interpreter,
    /// The interpreter was shut down.
    InterpreterAgain,
}

/// A process that holds no Python, with those of its descendants that do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NotPython {
    pub pid: Pid,
    pub command: Vec<TargetStr>,
    pub lacks: Lacks,
    pub python_descendants: Vec<(Pid, Vec<TargetStr>)>,
}

impl fmt::Display for NotPython {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let command = in_parentheses(&self.command);
        let what = match self.lacks {
            Lacks::Python => "is not a Python process",
            Lacks::Interpreter => "has loaded Python and not initialised it",
            Lacks::InterpreterAgain => {
                "has loaded Python and shut its interpreter down (Py_Finalize)"
            }
        };
        write!(f, "process {}{command} {what}", self.pid)?;
        match self.python_descendants.as_slice() {
            [] if self.lacks != Lacks::Python => {
                f.write_str("\nnone of the processes that it started is a Python process either")
            }
            [] => f.write_str(
                "\nnone of the processes that it started is one either; check the number: \
                 `spyhole ps` lists the Python processes",
            ),
            [(only, command)] => write!(
                f,
                "\nit started one: use `--pid {only}`{}, or `--subprocesses`",
                in_parentheses(command)
            ),
            several => {
                f.write_str("\nit started these; name one with `--pid`, or use `--subprocesses`:")?;
                several.iter().try_for_each(|(pid, command)| {
                    write!(f, "\n  {pid}{}", in_parentheses(command))
                })
            }
        }
    }
}

/// A command line for an error message. Control characters, bidi marks and the like are escaped as
/// in a Rust string, and a long command line is cut.
fn in_parentheses(command: &[TargetStr]) -> String {
    const MAX: usize = 100;
    let mut text = String::new();
    for argument in command {
        if !text.is_empty() {
            text.push(' ');
        }
        text.extend(argument.untrusted().escape_debug().take(MAX + 1));
        if text.chars().count() > MAX {
            text = text.chars().take(MAX).collect();
            text.push('…');
            break;
        }
    }
    if text.is_empty() {
        text
    } else {
        format!(" ({text})")
    }
}

#[cfg(test)]
mod tests;
