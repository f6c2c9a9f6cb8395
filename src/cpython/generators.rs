//! What a generator, a coroutine or an asynchronous generator does, and where its frame is.

use super::layout::{GeneratorState, InstructionSource, Layout};
use crate::memory::{Fault, Memory};
use crate::model::Addr;

/// What a generator does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Phase {
    /// It has not begun.
    Created,
    Suspended,
    /// Its frame is on some thread's stack.
    Runs,
    Ended,
    /// What it says of itself makes no sense.
    Unknown,
}

/// A generator as it was found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Generator {
    pub phase: Phase,
    /// Not of one that has ended.
    pub frame: Option<Addr>,
    /// The number that the version has for what it does.
    pub state: i8,
}

/// Reads what a generator does.
///
/// # Errors
/// When it cannot be read.
pub fn read<M: Memory>(memory: &mut M, layout: &Layout, object: Addr) -> Result<Generator, Fault> {
    let (frame, phase, state) = match layout.value.generator.state {
        GeneratorState::Running { frame, running } => {
            let frame = memory.read_addr(object.plus(frame.into()))?;
            let running = byte(memory, object, running)?;
            let phase = match (frame.is_null(), running) {
                (true, _) => Phase::Ended,
                (false, 0) => begun(memory, layout, frame)?,
                (false, _) => Phase::Runs,
            };
            (frame, phase, running)
        }
        GeneratorState::InFrame { frame, state } => {
            let frame = memory.read_addr(object.plus(frame.into()))?;
            if frame.is_null() {
                (frame, Phase::Ended, 0)
            } else {
                let state = byte(memory, frame, state)?;
                // `enum _framestate` (Include/cpython/frameobject.h).
                let phase = match state {
                    -2 => Phase::Created,
                    -1 => Phase::Suspended,
                    0 => Phase::Runs,
                    1.. => Phase::Ended,
                    _ => Phase::Unknown,
                };
                (frame, phase, state)
            }
        }
        GeneratorState::Own {
            frame,
            state,
            created,
            executing,
            cleared,
        } => {
            let state = byte(memory, object, state)?;
            let phase = match state {
                _ if state == created => Phase::Created,
                _ if state > created && state < executing => Phase::Suspended,
                _ if state == executing => Phase::Runs,
                // It ends, one way or another, until it is cleared.
                _ if state > executing && state <= cleared => Phase::Ended,
                _ => Phase::Unknown,
            };
            (object.plus(frame.into()), phase, state)
        }
    };
    let has_frame = !frame.is_null() && !matches!(phase, Phase::Ended | Phase::Unknown);
    Ok(Generator {
        phase,
        frame: has_frame.then_some(frame),
        state,
    })
}

/// Whether a frame that does not run has ever run.
fn begun<M: Memory>(memory: &mut M, layout: &Layout, frame: Addr) -> Result<Phase, Fault> {
    let InstructionSource::LastIndex { offset, .. } = layout.frame.instruction else {
        return Ok(Phase::Unknown);
    };
    let last = memory.read_u32(frame.plus(offset.into()))?;
    Ok(match last.cast_signed() {
        -1 => Phase::Created,
        _ => Phase::Suspended,
    })
}

fn byte<M: Memory>(memory: &mut M, object: Addr, offset: u32) -> Result<i8, Fault> {
    let [byte] = memory.read_array::<1>(object.plus(offset.into()))?;
    Ok(byte.cast_signed())
}
