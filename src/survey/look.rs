//! One look at the stacks of a process, to find out what it is for.

use super::role::{Evidence, SeenFrame};
use crate::engine::cpython::{self, Once, OnceOptions, OpenError};
use crate::frameworks::{self, unqualified};
use crate::model::{Interner, PythonVersion, Sample, TargetStr};
use crate::target::Process;

/// What one look shows.
#[derive(Clone, Debug)]
pub(super) struct Look {
    pub python: PythonVersion,
    pub evidence: Evidence,
}

/// Looks once at every thread.
///
/// # Errors
/// As [`cpython::look_once`].
pub(super) fn look(process: Process) -> Result<Look, OpenError> {
    let (main, mut evidence) = (process.pid(), evidence_outside(&process));
    // If the process ends now, it shows no stack, but what it shows from outside was already read.
    let Once {
        python,
        interner,
        mut samples,
        ..
    } = cpython::look_once(process, OnceOptions::default())?;
    let is_main = |sample: &Sample| {
        let tid = interner.thread(sample.thread).key.tid;
        tid.is_some_and(|tid| tid.0 == main.0)
    };
    samples.sort_by_key(|sample| !is_main(sample));
    let stacks = samples.iter().map(|sample| stack_of(sample, &interner));
    evidence.stacks = stacks.collect();
    Ok(Look { python, evidence })
}

/// What a process shows without a look inside.
pub(super) fn evidence_outside(process: &Process) -> Evidence {
    let variables = frameworks::ALL.iter();
    let variables = variables.flat_map(|framework| framework.reload_variables);
    let variables: Vec<&str> = variables.copied().collect();
    Evidence {
        command: process.command().to_vec(),
        reloaded: process.has_variable(&variables),
        stacks: Vec::new(),
    }
}

/// The stack of a sample, outermost frame first.
fn stack_of(sample: &Sample, interner: &Interner) -> Vec<SeenFrame> {
    let frames = interner.frames_of(sample.stack);
    let mut seen: Vec<_> = frames
        .map(|frame| {
            let function = interner.function(interner.frame(frame).function);
            let name = interner.text(function.name).untrusted();
            SeenFrame {
                file: interner.text(function.file).clone(),
                function: TargetStr::new(unqualified(name)),
            }
        })
        .collect();
    seen.reverse();
    seen
}
