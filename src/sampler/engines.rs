//! What the engines of a recording reported, all together.

use crate::engine::{Engine, EngineReport};
use crate::model::{Nanos, ProcessId, PythonVersion};

/// Which engines read the processes, and what they reported when they were closed.
#[derive(Clone, Debug, Default)]
pub struct Engines {
    /// Name of the engine that read the first process.
    pub name: Option<&'static str>,
    /// The Python of the first process.
    pub python: Option<PythonVersion>,
    /// Processes that were opened.
    pub opened: u64,
    /// The sum over all engines that were closed; the method is that of the first process.
    pub report: EngineReport,
    /// For each process that was closed, the CPU time of all its threads while it was open.
    pub cpu_used: Vec<(ProcessId, Nanos)>,
}

impl Engines {
    /// Counts a process that was opened.
    pub(super) fn enter(&mut self, engine: &dyn Engine) {
        self.opened += 1;
        self.name.get_or_insert(engine.name());
        self.python.get_or_insert(engine.python());
        self.report.method = self.report.method.or(engine.report().method);
    }
}
