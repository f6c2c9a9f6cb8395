//! One look at the stacks of a process, for what they tell of what it is for.

use super::role::{Evidence, SeenFrame};
use crate::engine::cpython::{self, Once, OnceOptions, OpenError};
use crate::frameworks::{self, unqualified};
use crate::model::{Interner, PythonVersion, Sample, TargetStr};
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
/// As [`cpython::look_once`].
pub(super) fn look(process: Process) -> Result<Look, OpenError> {
    let (main, mut evidence) = (process.pid(), evidence_outside(&process));
    // One that ended just now shows no stack; what is outside of it was read before.
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

/// What shows without a look inside.
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

/// Outermost frame first.
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
