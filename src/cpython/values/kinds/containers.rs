//! `list`, `dict`, `set`, `frozenset`, `range`, `slice`.

use super::Kind;
use crate::cpython::layout::DictLayout;
use crate::cpython::objects::{self, ObjectError};
use crate::cpython::values::class::{Builtin, Class};
use crate::cpython::values::writer::{Writer, Written};
use crate::memory::Memory;
use crate::model::Addr;

pub const KINDS: &[Kind] = &[
    Kind {
        is: |class| class.derives(Builtin::List),
        write: list,
    },
    Kind {
        is: |class| class.derives(Builtin::Dict),
        write: |writer, object, class| {
            named(writer, class, class.is_exactly("", "dict"), |writer| {
                dict(writer, object)
            })
        },
    },
    Kind {
        is: |class| class.is("", "set") || class.is("", "frozenset"),
        write: set,
    },
    Kind {
        is: |class| class.is_exactly("", "range"),
        write: range,
    },
    Kind {
        is: |class| class.is_exactly("", "xrange"),
        write: xrange,
    },
    Kind {
        is: |class| class.is_exactly("", "slice"),
        write: |writer, object, _| {
            let start = object.plus(writer.layout.value.slice_start.into());
            let parts = writer.memory.read_vec(start, 24)?;
            let parts = parts.chunks_exact(8).map(address).collect::<Vec<_>>();
            writer.enclosed(("slice(", ")"), 3, "parts", &parts, |writer, part| {
                writer.value(*part);
            });
            Ok(())
        },
    },
];

/// The entries of a set that are read at once.
const ENTRIES_AT_ONCE: u64 = 64;
/// Key and hash.
const ENTRY: u64 = 16;

/// Writes the name of a subclass around what it is derived from.
pub fn named(
    writer: &mut Writer<'_, '_>,
    class: &Class,
    is_plain: bool,
    write: impl FnOnce(&mut Writer<'_, '_>) -> Written,
) -> Written {
    if is_plain {
        return write(writer);
    }
    writer.push(&format!("{}(", class.short_name()));
    write(writer)?;
    writer.push(")");
    Ok(())
}

fn address(word: &[u8]) -> Addr {
    Addr(
        word.iter()
            .rev()
            .fold(0, |high, byte| high << 8 | u64::from(*byte)),
    )
}

fn list(writer: &mut Writer<'_, '_>, object: Addr, class: &Class) -> Written {
    let count = writer.size(object)?;
    let items = match writer.shown(count) {
        0 => Vec::new(),
        _ => {
            let at = writer.pointer(object, writer.layout.value.list_items)?;
            writer.pointers(at, count)?
        }
    };
    named(writer, class, class.is_exactly("", "list"), |writer| {
        writer.items(("[", "]"), &items, count);
        Ok(())
    })
}

/// How many keys a dict says that it has.
pub fn used(writer: &mut Writer<'_, '_>, dict: Addr) -> Result<u64, ObjectError> {
    let used = match writer.layout.object.dict {
        DictLayout::Open { used, .. }
        | DictLayout::Compact { used, .. }
        | DictLayout::Logarithmic { used, .. } => used,
    };
    writer.length(dict, used)
}

/// The entries of a dict, no more than `max`, in its order.
pub fn entries(
    writer: &mut Writer<'_, '_>,
    dict: Addr,
    max: usize,
) -> Result<Vec<(Addr, Addr)>, ObjectError> {
    let layout = &writer.layout.object;
    let mut found = Vec::new();
    if max == 0 {
        return Ok(found);
    }
    let mut entries = objects::dict_entries(writer.memory, layout, dict, u64::MAX)?;
    while found.len() < max
        && let Some(entry) = entries.next(writer.memory)
    {
        match entry {
            Ok(entry) => found.push(entry),
            // What was found until then is shown, unless that is nothing.
            Err(_) if !found.is_empty() => break,
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

pub fn dict(writer: &mut Writer<'_, '_>, object: Addr) -> Written {
    let count = used(writer, object)?;
    let max = writer.shown(count);
    let found = entries(writer, object, max)?;
    write_entries(writer, &found, count);
    Ok(())
}

pub fn write_entries(writer: &mut Writer<'_, '_>, entries: &[(Addr, Addr)], count: u64) {
    writer.enclosed(("{", "}"), count, "items", entries, |writer, entry| {
        let (key, value) = *entry;
        writer.value(key);
        writer.push(": ");
        match writer.name_text(key) {
            Some(name) => writer.named_value(&name, value),
            None => writer.value(value),
        }
    });
}

fn set(writer: &mut Writer<'_, '_>, object: Addr, class: &Class) -> Written {
    let layout = &writer.layout.value;
    // `fill`, `used`, `mask`, `table` (Include/setobject.h).
    let count = writer.length(object, layout.set_mask - 8)?;
    let mask = writer.length(object, layout.set_mask)?;
    let table = writer.pointer(object, layout.set_table)?;
    let max = writer.shown(count);
    let mut items = Vec::new();
    let mut next = 0;
    while items.len() < max && next <= mask {
        let entries = ENTRIES_AT_ONCE.min(mask - next + 1);
        let at = table.plus(next * ENTRY);
        let bytes = writer.memory.read_vec(at, (entries * ENTRY) as usize)?;
        for entry in bytes.chunks_exact(ENTRY as usize) {
            let key = address(
                entry
                    .get(layout.set_entry_key as usize..)
                    .map_or(&[], |key| key.get(..8).unwrap_or_default()),
            );
            if items.len() < max && !key.is_null() && !is_dummy(writer, entry, key) {
                items.push(key);
            }
        }
        next += entries;
    }
    let name = class.short_name();
    let is_plain = class.is_exactly("", "set");
    if count == 0 {
        writer.push(&format!("{name}()"));
        return Ok(());
    }
    match is_plain {
        true => writer.items(("{", "}"), &items, count),
        false => writer.items((&format!("{name}({{"), "})"), &items, count),
    }
    Ok(())
}

/// Whether an entry stands for a key that was removed: its hash is -1, and in 2.7, which keeps the hash,
/// its key a text of its own (Objects/setobject.c).
fn is_dummy(writer: &mut Writer<'_, '_>, entry: &[u8], key: Addr) -> bool {
    match writer.layout.value.set_entry_key {
        0 => entry.get(8..).is_some_and(|hash| hash == [0xff; 8]),
        _ => writer.name_text(key).as_deref() == Some("<dummy key>"),
    }
}

/// Three ints behind the head (Objects/rangeobject.c).
fn range(writer: &mut Writer<'_, '_>, object: Addr, _: &Class) -> Written {
    let head = object.plus(writer.head().into());
    let parts = writer.memory.read_vec(head, 24)?;
    let mut parts: Vec<Addr> = parts.chunks_exact(8).map(address).collect();
    let step = parts.last().copied().unwrap_or(Addr::NULL);
    if objects::read_int(writer.memory, &writer.layout.object, step) == Ok(1) {
        parts.pop();
    }
    let count = parts.len() as u64;
    writer.enclosed(("range(", ")"), count, "parts", &parts, |writer, part| {
        writer.value(*part);
    });
    Ok(())
}

/// In 2.7: start, step and length, as C longs (Objects/rangeobject.c).
fn xrange(writer: &mut Writer<'_, '_>, object: Addr, _: &Class) -> Written {
    let head = writer.head();
    let start = writer.word(object, head)?.cast_signed();
    let step = writer.word(object, head + 8)?.cast_signed();
    let len = writer.word(object, head + 16)?.cast_signed();
    let stop = start.wrapping_add(step.wrapping_mul(len));
    writer.push(&match (start, step) {
        (0, 1) => format!("xrange({stop})"),
        (_, 1) => format!("xrange({start}, {stop})"),
        _ => format!("xrange({start}, {stop}, {step})"),
    });
    Ok(())
}
