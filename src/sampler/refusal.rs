//! Why a process is not recorded, and whether to try again.

use crate::engine::cpython;
#[cfg(feature = "py-spy")]
use crate::engine::pyspy;
use crate::model::{Pid, PythonVersion};
use crate::target;

/// Why a process was not opened, and whether to try again.
#[derive(Debug)]
pub struct Refusal {
    pub kind: RefusalKind,
    pub error: OpenFailure,
}

/// What a refusal means for the next try.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RefusalKind {
    /// The process has ended.
    Gone,
    /// It looks like Python but is not ready: try again soon.
    NotYet,
    /// Nothing in it looks like Python: try again seldom, or after an exec.
    NotPython,
    /// It is an autoreloader, whose children are recorded in its place, or a helper of the recorded
    /// processes.
    ReplacedByChildren,
    /// We lack permission, or no engine knows its version: try again only after an exec.
    Never,
}

/// Why a process was not opened.
#[derive(thiserror::Error, Debug)]
#[non_exhaustive]
pub enum OpenFailure {
    #[error(transparent)]
    Process(#[from] target::OpenError),
    #[error(transparent)]
    Cpython(#[from] cpython::OpenError),
    #[cfg(feature = "py-spy")]
    #[error(transparent)]
    PySpy(#[from] pyspy::OpenError),
    #[error("process {0} has ended")]
    Ended(Pid),
    /// py-spy would wait until it runs again.
    #[error(
        "it is stopped, held by a tracer, or frozen, and py-spy's engine does not read such a process"
    )]
    Halted,
    #[error("its children are recorded in its place")]
    RecordedByChildren,
    #[error(
        "--gil has no meaning here: process {pid} runs Python {python}, a free-threaded build that \
         has no GIL. Leave out --gil to see every running thread"
    )]
    NoGil { pid: Pid, python: PythonVersion },
    #[error(
        "which thread has the GIL is not known: process {pid} runs a Python {python} without symbols. \
         Leave out --gil to see every running thread"
    )]
    UnknownGilHolder { pid: Pid, python: PythonVersion },
    /// Made up by a test.
    #[cfg(test)]
    #[error("{0:?}")]
    Made(RefusalKind),
}

/// A process that was not recorded.
#[derive(thiserror::Error, Debug)]
#[error("process {pid}: {error}")]
pub struct Refused {
    pub pid: Pid,
    pub error: OpenFailure,
}
