//! `str`, `bytes`, `bytearray`, and the two text types of 2.7.

use super::Kind;
use crate::cpython::objects;
use crate::cpython::values::class::{Builtin, Class};
use crate::cpython::values::notation;
use crate::cpython::values::writer::{Writer, Written};
use crate::memory::Memory;
use crate::model::Addr;

pub const KINDS: &[Kind] = &[
    Kind {
        is: |class| class.derives(Builtin::Text),
        write: text,
    },
    Kind {
        is: |class| class.derives(Builtin::Bytes),
        write: bytes,
    },
    Kind {
        is: |class| class.is("", "bytearray"),
        write: bytearray,
    },
];

fn text(writer: &mut Writer<'_, '_>, object: Addr, class: &Class) -> Written {
    let (layout, max) = (&writer.layout.object, writer.room_for_text());
    let text = objects::read_beginning(writer.memory, layout, object, max)?;
    let prefix = if class.is_of_2() { "u" } else { "" };
    let (shown, is_cut) = notation::quoted(prefix, &text.points, text.len, max);
    writer.push(&shown);
    tell_length(writer, is_cut, text.len, "characters");
    Ok(())
}

fn bytes(writer: &mut Writer<'_, '_>, object: Addr, class: &Class) -> Written {
    let (layout, max) = (&writer.layout.object, writer.room_for_text());
    let (bytes, len) = objects::read_bytes_beginning(writer.memory, layout, object, max)?;
    let prefix = if class.is_of_2() { "" } else { "b" };
    let (quoted, is_cut) = notation::quoted_bytes(prefix, &bytes, len, max);
    writer.push(&quoted);
    tell_length(writer, is_cut, len, "bytes");
    Ok(())
}

fn bytearray(writer: &mut Writer<'_, '_>, object: Addr, _: &Class) -> Written {
    let len = writer.size(object)?;
    let max = writer.room_for_text();
    let shown = usize::try_from(len).unwrap_or(usize::MAX).min(max);
    let bytes = match shown {
        // Then there may be no place for them.
        0 => Vec::new(),
        _ => {
            let start = writer.pointer(object, writer.layout.value.bytearray_start)?;
            writer.memory.read_vec(start, shown)?
        }
    };
    let (quoted, is_cut) = notation::quoted_bytes("b", &bytes, len, max);
    writer.push("bytearray(");
    writer.push(&quoted);
    tell_length(writer, is_cut, len, "bytes");
    writer.push(")");
    Ok(())
}

fn tell_length(writer: &mut Writer<'_, '_>, is_cut: bool, len: u64, what: &str) {
    if is_cut {
        writer.push(&format!(" ({} {what})", notation::grouped(len)));
    }
}
