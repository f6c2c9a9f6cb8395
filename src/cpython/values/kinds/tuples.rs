//! `tuple`, and those whose items have names.

use super::Kind;
use super::containers::named;
use crate::cpython::objects::ObjectError;
use crate::cpython::values::class::{Builtin, Class};
use crate::cpython::values::writer::{Writer, Written};
use crate::model::Addr;

pub const KINDS: &[Kind] = &[Kind {
    is: |class| class.derives(Builtin::Tuple),
    write: tuple,
}];

/// The items of a tuple that are shown, and how many it has.
pub fn items(writer: &mut Writer<'_, '_>, tuple: Addr) -> Result<(Vec<Addr>, u64), ObjectError> {
    let count = writer.size(tuple)?;
    let at = tuple.plus(writer.layout.object.tuple_items.into());
    Ok((writer.pointers(at, count)?, count))
}

fn tuple(writer: &mut Writer<'_, '_>, object: Addr, class: &Class) -> Written {
    let (items, count) = items(writer, object)?;
    let is_plain = class.is_exactly("", "tuple");
    if !is_plain && let Some(names) = field_names(writer, class) {
        let fields: Vec<(String, Addr)> = names.into_iter().zip(items).collect();
        writer.named_values((&format!("{}(", class.short_name()), ")"), &fields);
        return Ok(());
    }
    named(writer, class, is_plain, |writer| {
        pair(writer, &items, count);
        Ok(())
    })
}

fn pair(writer: &mut Writer<'_, '_>, items: &[Addr], count: u64) {
    // A header, as servers keep them: its name, and its value.
    if let [name, value] = *items
        && let Some(text) = writer.name_text(name)
        && writer.hides(&text, value)
    {
        writer.push("(");
        writer.value(name);
        writer.push(", ");
        writer.named_value(&text, value);
        return writer.push(")");
    }
    let close = if count == 1 { ",)" } else { ")" };
    writer.items(("(", close), items, count);
}

/// `_fields` of a class that `collections.namedtuple` made.
fn field_names(writer: &mut Writer<'_, '_>, class: &Class) -> Option<Vec<String>> {
    let fields = writer.class_attribute(class, "_fields")?;
    let fields_class = writer.class_of(fields).ok()?;
    if !fields_class.is_exactly("", "tuple") {
        return None;
    }
    let (names, count) = items(writer, fields).ok()?;
    if names.len() as u64 != count {
        return None;
    }
    names
        .into_iter()
        .map(|name| writer.name_text(name))
        .collect()
}
