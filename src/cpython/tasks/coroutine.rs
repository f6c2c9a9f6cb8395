//! From a coroutine to what it awaits, and so on to the one that waits for something else.

use super::super::chain::Ring;
use super::super::frames::{RawFrame, read_one};
use super::super::generators::{self, Generator, Phase};
use super::super::layout::{Awaiting, CoroutineLayout, Layout, StackTop};
use super::super::objects::ObjectError;
use super::super::words::{half_word, word};
use super::kinds::{Kind, Kinds};
use super::{MAX_FRAMES, SuspendedStack};
use crate::memory::Memory;
use crate::model::Addr;

/// More values than a frame's stack has.
const MAX_VALUES: u64 = 1 << 16;

/// What a coroutine does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CoroutineState {
    /// It has not begun.
    Created,
    /// Its frame is on some thread's stack.
    Runs,
    /// It awaits the object, or stands at a `yield` of its own.
    Suspended {
        awaits: Option<Addr>,
    },
    Ended,
}

/// A coroutine and all that it awaits, from frame to frame.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Chain {
    pub stack: SuspendedStack,
    /// Of the outermost.
    pub state: CoroutineState,
}

/// Follows a coroutine.
///
/// # Errors
/// When the coroutine itself cannot be read. What it awaits is followed as far as it can be.
pub fn chain<M: Memory>(
    memory: &mut M,
    layout: &Layout,
    kinds: &mut Kinds<'_>,
    coroutine: Addr,
) -> Result<Chain, ObjectError> {
    let mut stack = SuspendedStack::default();
    let outermost = step(memory, layout, kinds, coroutine)?;
    let state = outermost
        .as_ref()
        .map_or(CoroutineState::Suspended { awaits: None }, |it| it.state);
    stack
        .frames
        .extend(outermost.as_ref().and_then(|it| it.frame));
    let mut next = outermost.and_then(|it| it.awaits());
    let mut ring = Ring::default();
    while let Some(object) = next {
        if ring.closes_at(object) || stack.frames.len() >= MAX_FRAMES {
            stack.is_cut = true;
            break;
        }
        let Ok(Some(step)) = step(memory, layout, kinds, object) else {
            break;
        };
        stack.frames.extend(step.frame);
        next = step.awaits();
    }
    Ok(Chain { stack, state })
}

struct Step {
    frame: Option<RawFrame>,
    state: CoroutineState,
}

impl Step {
    fn awaits(&self) -> Option<Addr> {
        match self.state {
            CoroutineState::Suspended { awaits } => awaits,
            _ => None,
        }
    }
}

/// One object of the chain; `None` for one that is no coroutine and leads to none.
fn step<M: Memory>(
    memory: &mut M,
    layout: &Layout,
    kinds: &mut Kinds<'_>,
    object: Addr,
) -> Result<Option<Step>, ObjectError> {
    match kinds.of(memory, object)? {
        Kind::Coroutine | Kind::Generator | Kind::AsyncGenerator => {
            of_coroutine(memory, layout, object).map(Some)
        }
        Kind::Wrapper => {
            let first = object.plus(u64::from(layout.object.ob_type) + 8);
            let inner = memory.read_addr(first)?;
            Ok(Some(Step {
                frame: None,
                state: CoroutineState::Suspended {
                    awaits: (!inner.is_null()).then_some(inner),
                },
            }))
        }
        _ => Ok(None),
    }
}

fn of_coroutine<M: Memory>(
    memory: &mut M,
    layout: &Layout,
    object: Addr,
) -> Result<Step, ObjectError> {
    let Some(tasks) = &layout.tasks else {
        return Ok(Step {
            frame: None,
            state: CoroutineState::Ended,
        });
    };
    let coroutine = &tasks.coroutine;
    let Generator {
        phase,
        frame: at,
        state,
    } = generators::read(memory, layout, object)?;
    let frame = match at {
        Some(at) => Some(read_one(memory, layout, at)?.0),
        None => None,
    };
    let state = match (phase, at, &frame) {
        (Phase::Created, ..) => CoroutineState::Created,
        (Phase::Runs, ..) => CoroutineState::Runs,
        (Phase::Suspended, Some(at), Some(frame)) if frame.instruction >= 0 => {
            let awaits = match awaits(memory, layout, coroutine, frame, state) {
                true => awaited(memory, layout, coroutine, at).unwrap_or(None),
                false => None,
            };
            CoroutineState::Suspended { awaits }
        }
        (Phase::Suspended, Some(_), _) => CoroutineState::Created,
        (Phase::Suspended, None, _) | (Phase::Ended | Phase::Unknown, ..) => CoroutineState::Ended,
    };
    let frame = frame.filter(|_| state != CoroutineState::Ended);
    Ok(Step { frame, state })
}

/// Whether a suspended frame awaits what is on its stack.
fn awaits<M: Memory>(
    memory: &mut M,
    layout: &Layout,
    coroutine: &CoroutineLayout,
    frame: &RawFrame,
    state: i8,
) -> bool {
    let instruction = u64::from(frame.instruction.max(0).cast_unsigned());
    match coroutine.awaiting {
        Awaiting::Opcode { code, opcode } => {
            let bytes = memory.read_addr(frame.code.0.plus(code.into()));
            bytes.is_ok_and(|bytes| {
                let next = bytes.plus(u64::from(layout.object.bytes.data) + instruction + 2);
                memory.read_array::<1>(next) == Ok([opcode])
            })
        }
        Awaiting::ResumeArgument => {
            let first = layout.code.bytecode.unwrap_or(0);
            let argument = frame.code.0.plus(u64::from(first) + instruction + 3);
            // 2 after `yield from`, 3 after `await`; flags above (Python/bytecodes.c).
            memory
                .read_array::<1>(argument)
                .is_ok_and(|[argument]| argument & 3 >= 2)
        }
        Awaiting::States { first, last } => (first..=last).contains(&state),
    }
}

/// What a suspended frame awaits, by its stack.
fn awaited<M: Memory>(
    memory: &mut M,
    layout: &Layout,
    coroutine: &CoroutineLayout,
    frame: Addr,
) -> Result<Option<Addr>, ObjectError> {
    let Some((_, end)) = values(memory, layout, coroutine, frame)? else {
        return Ok(None);
    };
    let place = Addr(end.0.wrapping_sub(8 * u64::from(coroutine.awaited_depth)));
    let value = layout.frame.untagged(memory.read_u64(place)?);
    Ok((!value.is_null()).then_some(value))
}

/// From where to where a suspended frame has its locals and its stack; `None` if that makes no sense.
pub fn values<M: Memory>(
    memory: &mut M,
    layout: &Layout,
    coroutine: &CoroutineLayout,
    frame: Addr,
) -> Result<Option<(Addr, Addr)>, ObjectError> {
    let locals = frame.plus(layout.frame.locals.into());
    let end = match coroutine.top {
        StackTop::Pointer { offset } => memory.read_addr(frame.plus(offset.into()))?,
        StackTop::Depth { values, depth } => {
            let span = memory.read_vec(frame.plus(values.into()), (depth - values) as usize + 4)?;
            let count = half_word(&span, depth - values).cast_signed();
            Addr(word(&span, 0)).plus(8 * u64::from(count.max(0).cast_unsigned()))
        }
        StackTop::Index { offset } => {
            let count = memory.read_u32(frame.plus(offset.into()))?.cast_signed();
            locals.plus(8 * u64::from(count.max(0).cast_unsigned()))
        }
    };
    let len = end.0.wrapping_sub(locals.0);
    let makes_sense = len.is_multiple_of(8) && (1..=MAX_VALUES).contains(&(len / 8));
    Ok(makes_sense.then_some((locals, end)))
}
