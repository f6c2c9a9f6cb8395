//! Generators and coroutines, with what they do.

use super::Kind;
use crate::cpython::layout::{GeneratorState, InstructionSource};
use crate::cpython::objects::ObjectError;
use crate::cpython::values::class::Class;
use crate::cpython::values::writer::{Writer, Written};
use crate::memory::Memory;
use crate::model::Addr;

pub const KINDS: &[Kind] = &[Kind {
    is: |class| {
        ["generator", "coroutine", "async_generator"]
            .iter()
            .any(|name| class.is_exactly("", name))
    },
    write: generator,
}];

fn generator(writer: &mut Writer<'_, '_>, object: Addr, class: &Class) -> Written {
    let named = writer.pointer(object, writer.layout.value.generator.name)?;
    let name = match class.is_of_2() {
        true => writer.pointer(named, writer.layout.code.name)?,
        false => named,
    };
    let name = writer.text(name).unwrap_or_else(|| "?".to_owned());
    let state = state(writer, object)?;
    let kind = class.name();
    writer.push(&format!("<{kind} object {name} at {object}, {state}>"));
    Ok(())
}

fn state(writer: &mut Writer<'_, '_>, object: Addr) -> Result<&'static str, ObjectError> {
    match writer.layout.value.generator.state {
        GeneratorState::Own {
            state,
            created,
            executing,
            cleared,
        } => {
            let state = signed_byte(writer, object, state)?;
            // After `executing` they end, one way or another, until they are cleared.
            Ok(match state {
                _ if state == created => "not started",
                _ if state > created && state < executing => "suspended",
                _ if state == executing => "running",
                _ if state > executing && state <= cleared => "closed",
                _ => "in an unknown state",
            })
        }
        GeneratorState::InFrame { frame, state } => {
            let frame = writer.pointer(object, frame)?;
            if frame.is_null() {
                return Ok("closed");
            }
            // `enum _framestate` (Include/cpython/frameobject.h).
            Ok(match signed_byte(writer, frame, state)? {
                -2 => "not started",
                -1 => "suspended",
                0 => "running",
                _ => "closed",
            })
        }
        GeneratorState::Running { frame, running } => {
            let frame = writer.pointer(object, frame)?;
            if frame.is_null() {
                return Ok("closed");
            }
            if signed_byte(writer, object, running)? != 0 {
                return Ok("running");
            }
            let InstructionSource::LastIndex { offset, .. } = writer.layout.frame.instruction
            else {
                return Ok("in an unknown state");
            };
            let last = writer.memory.read_u32(frame.plus(offset.into()))?;
            Ok(match last.cast_signed() {
                -1 => "not started",
                _ => "suspended",
            })
        }
    }
}

fn signed_byte(writer: &mut Writer<'_, '_>, object: Addr, offset: u32) -> Result<i8, ObjectError> {
    let [byte] = writer.memory.read_array::<1>(object.plus(offset.into()))?;
    Ok(byte.cast_signed())
}
