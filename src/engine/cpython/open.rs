//! Finding the interpreter in a process and making the engine that reads it.

use std::sync::Arc;

use super::codes::Codes;
use super::quick::Quiet;
use super::short_file::ShortFiles;
use super::stay::MayStay;
use super::tasks::Tasks;
use super::tids::Tids;
use super::work::Work;
use super::{CpythonEngine, Scratch};
use crate::cpython::layout::{self, Layout, LayoutError};
use crate::cpython::locate::{self, LocateError, Located};
use crate::engine::{EngineOptions, EngineReport};
use crate::memory::{LiveMemory, Snapshot};
use crate::model::{HaltMethod, Halting, Interner, Nanos, Process as RecordedProcess, ProcessId};
use crate::target::Process;

/// Why a process cannot be read.
#[derive(thiserror::Error, Debug)]
pub enum OpenError {
    #[error(transparent)]
    Locate(#[from] LocateError),
    #[error(transparent)]
    Layout(#[from] LayoutError),
}

/// Makes an engine for a process and enters the process into `interner`, as a child of `parent`
/// where that is recorded too. Of several Pythons in it the likeliest is read.
///
/// # Errors
/// When no interpreter is found in the process, or one whose layout is not known.
pub fn open(
    process: Process,
    parent: Option<ProcessId>,
    options: EngineOptions,
    interner: &mut Interner,
) -> Result<CpythonEngine, OpenError> {
    let located = locate::locate(&process, &mut LiveMemory::new(process.pid()))?;
    open_located(Arc::new(process), located, parent, options, interner)
}

/// The same for each Python in the process, the likeliest first; each is entered as if it were a process
/// of its own. Those beyond the first are left out where their layout is not known.
///
/// # Errors
/// As [`open`].
pub fn open_each(
    process: Process,
    parent: Option<ProcessId>,
    options: EngineOptions,
    interner: &mut Interner,
) -> Result<Vec<CpythonEngine>, OpenError> {
    let found = locate::locate_all(&process, &mut LiveMemory::new(process.pid()))?;
    let process = Arc::new(process);
    let mut engines = Vec::new();
    for located in found {
        let process = Arc::clone(&process);
        match open_located(process, located, parent, options, interner) {
            Ok(engine) => engines.push(engine),
            Err(error) if engines.is_empty() => return Err(error),
            Err(_) => {}
        }
    }
    Ok(engines)
}

fn open_located(
    process: Arc<Process>,
    located: Located,
    parent: Option<ProcessId>,
    options: EngineOptions,
    interner: &mut Interner,
) -> Result<CpythonEngine, OpenError> {
    let memory = LiveMemory::new(process.pid());
    let layout = layout_of(&located)?;
    let process_id = interner.add_process(RecordedProcess {
        pid: process.pid(),
        parent,
        command: process.command().to_vec(),
        python: Some(layout.version),
        generation: None,
    });
    let free_threaded = located.version.free_threaded;
    let mut engine = CpythonEngine {
        process_id,
        options,
        layout,
        located,
        memory: Snapshot::new(memory),
        tasks: Tasks::new(process.pid()),
        tids: Tids::new(process.pid()),
        codes: Codes::default(),
        short_files: ShortFiles::new(Arc::clone(&process)),
        threads: Default::default(),
        work: Work::new(options.is_work),
        scratch: Scratch::default(),
        may_stand: options.halting == Halting::WhenNeeded,
        stood_at: None,
        may_stay: MayStay::default(),
        quiet: Quiet::No,
        names_asked: None,
        identity_asked: Nanos::ZERO,
        report: EngineReport {
            method: Some(match options.halting {
                Halting::WhenNeeded if free_threaded => HaltMethod::OnTheirCpus,
                Halting::WhenNeeded => HaltMethod::OnItsCpu,
                Halting::Always => HaltMethod::PauseThread,
                Halting::Never => HaltMethod::Nothing,
            }),
            ..EngineReport::default()
        },
        process,
    };
    engine.make_acquaintance(interner);
    Ok(engine)
}

fn layout_of(located: &Located) -> Result<Layout, LayoutError> {
    match &located.debug_offsets {
        Some(bytes) => layout::from_debug_offsets(bytes),
        None => layout::builtin(located.version),
    }
}
