//! Members of enumerations.

use super::Kind;
use crate::cpython::values::class::Class;
use crate::cpython::values::writer::{Writer, Written};
use crate::model::Addr;

pub const KINDS: &[Kind] = &[Kind {
    is: |class| class.is("enum", "Enum"),
    write: member,
}];

/// `<Color.RED: 1>`; a flag of several bits has no name of its own before 3.11.
fn member(writer: &mut Writer<'_, '_>, object: Addr, class: &Class) -> Written {
    let name = writer.attribute(object, class, "_name_");
    let name = name.and_then(|name| writer.name_text(name));
    let name = name.map_or_else(String::new, |name| format!(".{name}"));
    writer.push(&format!("<{}{name}: ", class.short_name()));
    match writer.attribute(object, class, "_value_") {
        Some(value) => writer.value(value),
        None => writer.push("…"),
    }
    writer.push(">");
    Ok(())
}
