//! Why a process cannot be recorded, in the words of the diagnosis.

use std::io;

use anyhow::anyhow;

use crate::cpython::locate::{Glances, LocateError};
use crate::engine::cpython;
use crate::model::Pid;
use crate::record::RecordError;
use crate::sampler::{OpenFailure, Refused};
use crate::survey;
use crate::target::diagnosis::{Attempt, Lacks, NotPython, Reason, explain};
use crate::target::{OpenError, Process};

/// Replaces an error that only states the symptom by the cause and the next step.
pub fn recording(error: RecordError) -> anyhow::Error {
    match error {
        RecordError::Refused(refused) => refusal(refused),
        other => other.into(),
    }
}

fn refusal(Refused { pid, error }: Refused) -> anyhow::Error {
    match &error {
        OpenFailure::Process(error) => opening(pid, error),
        OpenFailure::Cpython(error) => locating(pid, error),
        _ => symptom(pid, anyhow!("{error}")),
    }
}

/// The cause, for an error that does not tell it.
pub fn symptom(pid: Pid, error: anyhow::Error) -> anyhow::Error {
    if may_not_be_read(pid) {
        anyhow!("{}", explain(pid, Attempt::Read))
    } else if is_traced(pid) {
        anyhow!("{}", explain(pid, Attempt::Trace))
    } else {
        error.context(format!("process {pid} cannot be recorded"))
    }
}

/// Why our own engine could not be opened.
pub fn locating(pid: Pid, error: &cpython::OpenError) -> anyhow::Error {
    match error {
        cpython::OpenError::Locate(
            reason @ (LocateError::NotPython | LocateError::NotReady | LocateError::Finalized),
        ) => anyhow!("{}", not_python(pid, reason)),
        cpython::OpenError::Locate(LocateError::PermissionDenied) => {
            anyhow!("{}", explain(pid, Attempt::Read))
        }
        other => anyhow!("{other}").context(format!("process {pid} cannot be recorded")),
    }
}

/// Why a process could not be opened.
pub fn opening(pid: Pid, error: &OpenError) -> anyhow::Error {
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

/// Why a process can no longer be read, or else the symptom.
pub fn unreadable(pid: Pid, symptom: &str) -> String {
    match may_not_be_read(pid) {
        true => explain(pid, Attempt::Read).to_string(),
        false => symptom.to_owned(),
    }
}

/// The message if threads may not be paused.
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
