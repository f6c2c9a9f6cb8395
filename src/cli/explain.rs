//! Why a process cannot be recorded, in the words of the diagnosis.

use std::io;

use anyhow::anyhow;

use crate::cpython::locate::{Glances, LocateError};
use crate::engine::cpython;
use crate::model::Pid;
use crate::survey;
use crate::target::diagnosis::{Attempt, Lacks, NotPython, Reason, explain};
use crate::target::{OpenError, Process};

/// Puts the cause and the next step in the place of an error that has only the symptom.
pub fn attaching(pid: Pid, error: anyhow::Error) -> anyhow::Error {
    if let Some(error) = error.downcast_ref::<OpenError>() {
        return opening(pid, error);
    }
    match error.downcast_ref() {
        Some(cpython::OpenError::Locate(
            reason @ (LocateError::NotPython | LocateError::NotReady | LocateError::Finalized),
        )) => anyhow!("{}", not_python(pid, reason)),
        Some(cpython::OpenError::Locate(LocateError::PermissionDenied)) => {
            anyhow!("{}", explain(pid, Attempt::Read))
        }
        // py-spy's errors do not tell.
        None if may_not_be_read(pid) => anyhow!("{}", explain(pid, Attempt::Read)),
        None if is_traced(pid) => anyhow!("{}", explain(pid, Attempt::Trace)),
        _ => error.context(format!("process {pid} cannot be recorded")),
    }
}

fn opening(pid: Pid, error: &OpenError) -> anyhow::Error {
    match error {
        OpenError::NoSuchProcess(_)
        | OpenError::Unreadable { .. }
        | OpenError::OtherPidNamespace => {
            anyhow!("{}", explain(pid, Attempt::Read))
        }
        OpenError::Thread { process, .. } => anyhow!("{error}\nuse `--pid {process}`"),
        OpenError::Zombie(_) => anyhow!("{error}"),
    }
}

/// What to tell who records a process whose threads may not be paused.
pub fn not_pausing(pid: Pid) -> String {
    format!(
        "Threads cannot be paused, and samples of code that calls a lot stay unproven: {}",
        explain(pid, Attempt::Trace)
    )
}

fn may_not_be_read(pid: Pid) -> bool {
    Process::open(pid)
        .and_then(|process| {
            process
                .maps()
                .map_err(|source| OpenError::Unreadable { pid, source })
        })
        .is_err_and(|error| {
            matches!(error, OpenError::Unreadable { source, .. }
                if source.kind() == io::ErrorKind::PermissionDenied)
        })
}

fn is_traced(pid: Pid) -> bool {
    matches!(explain(pid, Attempt::Trace).reason, Reason::Traced(_))
}

fn not_python(pid: Pid, reason: &LocateError) -> NotPython {
    let (command, below) = match Process::open(pid) {
        Ok(process) => (process.command().to_vec(), process.descendants()),
        Err(_) => Default::default(),
    };
    let mut glances = Glances::default();
    NotPython {
        pid,
        command,
        lacks: match reason {
            LocateError::NotReady => Lacks::Interpreter,
            LocateError::Finalized => Lacks::InterpreterAgain,
            _ => Lacks::Python,
        },
        python_descendants: below
            .into_iter()
            .filter_map(|pid| Process::open(pid).ok())
            .filter(|process| survey::is_python(process, &mut glances))
            .map(|process| (process.pid(), process.command().to_vec()))
            .collect(),
    }
}
