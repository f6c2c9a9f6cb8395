//! Who runs it: processes and their threads.

use super::{Pid, ProcessId, PythonVersion, TargetStr, TextId, ThreadKey};

/// A Python thread.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Thread {
    pub key: ThreadKey,
    pub process: ProcessId,
    /// `threading.Thread.name`, once it is known.
    pub name: Option<TextId>,
}

/// A process that was recorded.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Process {
    pub pid: Pid,
    /// The recorded process that started this one, where there is one.
    pub parent: Option<ProcessId>,
    /// The command line, argument by argument.
    pub command: Vec<TargetStr>,
    pub python: Option<PythonVersion>,
    /// Its number (1, 2, ...) among the processes that an autoreloader started one after another.
    pub generation: Option<u32>,
}
