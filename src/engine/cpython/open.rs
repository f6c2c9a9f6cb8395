//! Finds the interpreter in a process and makes the engine that reads it.

use std::sync::Arc;

use super::CpythonEngine;
use super::code_table::CodeTable;
use super::doubts::Doubts;
use super::halting::Halter;
use super::reading::{Reader, Scope};
use super::resolving::{Resolver, WorkSearch};
use super::short_file::{FileSystem, ShortFiles};
use super::watching::Watcher;
use crate::cpython::layout::{self, Layout, LayoutError};
use crate::cpython::locate::{self, LocateError, Located};
use crate::engine::EngineOptions;
use crate::frameworks;
use crate::memory::{LiveMemory, Snapshot};
use crate::model::{Counting, Interner, Nanos, Process as RecordedProcess, ProcessId};
use crate::target::Process;

/// Why a process cannot be read.
#[derive(thiserror::Error, Debug)]
pub enum OpenError {
    #[error(transparent)]
    Locate(#[from] LocateError),
    #[error(transparent)]
    Layout(#[from] LayoutError),
}

/// Makes an engine for a process and enters the process into `interner`, as a child of `parent` if that
/// is given. Of several Pythons in the process, it reads the most likely one.
///
/// # Errors
/// When the process has no interpreter, or none with a known layout.
pub fn open(
    process: Process,
    parent: Option<ProcessId>,
    options: EngineOptions,
    interner: &mut Interner,
) -> Result<CpythonEngine, OpenError> {
    let located = locate::locate(&process, &mut LiveMemory::new(process.pid()))?;
    open_located(Arc::new(process), located, parent, options, interner)
}

/// The same for each Python in the process, the most likely first. Each is entered as a process of its
/// own. Further ones with an unknown layout are left out.
///
/// # Errors
/// As [`open`].
pub fn open_each(
    process: Process,
    parent: Option<ProcessId>,
    options: EngineOptions,
    interner: &mut Interner,
) -> Result<Vec<CpythonEngine>, OpenError> {
    let mut pythons = Pythons::find(process)?;
    let mut engines = Vec::new();
    while let Some(opened) = pythons.open_next(parent, options.clone(), interner) {
        match opened {
            Ok(engine) => engines.push(engine),
            Err(error) if engines.is_empty() => return Err(error),
            Err(_) => {}
        }
    }
    Ok(engines)
}

/// The Pythons of a process, the most likely first, to be opened one by one.
pub struct Pythons {
    process: Arc<Process>,
    found: std::vec::IntoIter<Located>,
}

impl Pythons {
    /// # Errors
    /// When the process has no interpreter.
    pub fn find(process: Process) -> Result<Pythons, OpenError> {
        let found = locate::locate_all(&process, &mut LiveMemory::new(process.pid()))?;
        Ok(Pythons {
            process: Arc::new(process),
            found: found.into_iter(),
        })
    }

    /// Makes an engine for the next one, as [`open`] does; `None` after the last.
    pub fn open_next(
        &mut self,
        parent: Option<ProcessId>,
        options: EngineOptions,
        interner: &mut Interner,
    ) -> Option<Result<CpythonEngine, OpenError>> {
        let located = self.found.next()?;
        let process = Arc::clone(&self.process);
        Some(open_located(process, located, parent, options, interner))
    }
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
    let program = process.executable().map_or("", |it| it.path.untrusted());
    // Needed only if threads within a request or task count even while they wait.
    let work = match options.counting {
        Counting::Work if frameworks::calls_application(program) => {
            WorkSearch::FunctionsAndOutermost
        }
        Counting::Work => WorkSearch::Functions,
        _ => WorkSearch::Off,
    };
    let short_files = ShortFiles::new(FileSystem::Process(Arc::clone(&process)));
    let mut reader = Reader::new(Snapshot::new(memory), layout, located.runtime);
    let mut codes = CodeTable::default();
    if let Some(watches) = &options.watches {
        reader.watch(Watcher::new(Arc::clone(watches)));
        codes = CodeTable::watching(Arc::clone(watches));
    }
    let mut engine = CpythonEngine {
        process_id,
        halter: Halter::new(
            process.pid(),
            options.halting,
            options.counting,
            located.cpu_id,
        ),
        options,
        reader,
        resolver: Resolver::new(process_id, short_files, work),
        codes,
        doubts: Doubts::default(),
        variables: None,
        scope: Scope::default(),
        stood_at: None,
        identity_asked: Nanos::ZERO,
        process,
    };
    engine.warm_up(interner);
    Ok(engine)
}

pub(super) fn layout_of(located: &Located) -> Result<Layout, LayoutError> {
    match &located.debug_offsets {
        Some(bytes) => layout::from_debug_offsets(bytes),
        None => layout::builtin(located.version),
    }
}
