//! One look at the stacks of a process, for what they tell of what it is for.

use super::role::{Evidence, Place};
use crate::engine::cpython::{self, OpenError};
use crate::engine::{Engine, EngineOptions, Halting};
use crate::model::{Interner, Nanos, PythonVersion, Sample, TargetStr, Tick};
use crate::target::Process;

/// What is seen at one look.
#[derive(Clone, Debug)]
pub(super) struct Look {
    pub python: PythonVersion,
    pub evidence: Evidence,
}

/// Looks once at every thread.
///
/// # Errors
/// As [`cpython::open`].
pub(super) fn look(process: Process) -> Result<Look, OpenError> {
    let (main, mut evidence) = (process.pid(), evidence_outside(&process));
    let mut interner = Interner::default();
    let options = EngineOptions {
        halting: Halting::WhenNeeded,
        thread_names: false,
        only_running: false,
        is_work: None,
    };
    let mut engine = cpython::open(process, None, options, &mut interner)?;
    let mut samples = Vec::new();
    let tick = Tick {
        at: Nanos(1),
        stands_for: Nanos(1),
    };
    // One that ended just now shows no stack; what is outside of it was read before.
    let _ = engine.tick(tick, &mut interner, &mut samples);
    let is_main = |sample: &Sample| {
        let tid = interner.thread(sample.thread).key.tid;
        tid.is_some_and(|tid| tid.0 == main.0)
    };
    samples.sort_by_key(|sample| !is_main(sample));
    let stacks = samples.iter().map(|sample| stack_of(sample, &interner));
    evidence.stacks = stacks.collect();
    Ok(Look {
        python: engine.python(),
        evidence,
    })
}

/// What shows without a look inside.
pub(super) fn evidence_outside(process: &Process) -> Evidence {
    let mut set = ["RUN_MAIN", "WERKZEUG_RUN_MAIN"].into_iter();
    Evidence {
        command: process.command().to_vec(),
        reloaded: set.any(|name| process.has_variable(name).unwrap_or(false)),
        stacks: Vec::new(),
    }
}

/// Outermost frame first.
fn stack_of(sample: &Sample, interner: &Interner) -> Vec<Place> {
    let frames = interner.frames_of(sample.stack);
    let mut places: Vec<_> = frames
        .map(|frame| {
            let function = interner.function(interner.frame(frame).function);
            let name = interner.text(function.name).untrusted();
            Place {
                file: interner.text(function.file).clone(),
                function: TargetStr::new(name.rsplit('.').next().unwrap_or(name)),
            }
        })
        .collect();
    places.reverse();
    places
}
