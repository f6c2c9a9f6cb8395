//! Exceptions, with what they were raised with.

use super::Kind;
use super::tuples;
use crate::cpython::values::class::{Builtin, Class};
use crate::cpython::values::writer::{Writer, Written};
use crate::model::Addr;

pub const KINDS: &[Kind] = &[Kind {
    is: |class| class.derives(Builtin::Exception),
    write: exception,
}];

fn exception(writer: &mut Writer<'_, '_>, object: Addr, class: &Class) -> Written {
    let arguments = writer.pointer(object, writer.layout.value.exception_args)?;
    let (arguments, count) = match arguments {
        // As long as it is being made.
        Addr::NULL => (Vec::new(), 0),
        arguments => tuples::items(writer, arguments)?,
    };
    let open = format!("{}(", class.short_name());
    writer.items((&open, ")"), &arguments, count);
    Ok(())
}
