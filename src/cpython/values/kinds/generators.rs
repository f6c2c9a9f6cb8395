//! Generators and coroutines, with what they do.

use super::Kind;
use crate::cpython::generators::{self, Phase};
use crate::cpython::values::class::Class;
use crate::cpython::values::writer::{Writer, Written};
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
    let state = match generators::read(writer.memory, writer.layout, object)?.phase {
        Phase::Created => "not started",
        Phase::Suspended => "suspended",
        Phase::Runs => "running",
        Phase::Ended => "closed",
        Phase::Unknown => "in an unknown state",
    };
    let kind = class.name();
    writer.push(&format!("<{kind} object {name} at {object}, {state}>"));
    Ok(())
}
