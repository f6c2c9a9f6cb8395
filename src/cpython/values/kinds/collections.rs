//! `deque`, `defaultdict`, `Counter`, `OrderedDict`.

use std::cmp::Reverse;

use rustc_hash::FxHashMap;

use super::Kind;
use super::containers::{dict, entries, used, write_entries};
use crate::cpython::objects::{self, ObjectError};
use crate::cpython::values::class::{Builtin, Class};
use crate::cpython::values::writer::{Writer, Written};
use crate::memory::Memory;
use crate::model::Addr;

pub const KINDS: &[Kind] = &[
    Kind {
        is: |class| class.is("collections", "deque"),
        write: deque,
    },
    Kind {
        is: |class| class.is("collections", "defaultdict"),
        write: defaultdict,
    },
    Kind {
        is: |class| class.is("collections", "Counter"),
        write: counter,
    },
    Kind {
        is: |class| class.is("collections", "OrderedDict"),
        write: ordered_dict,
    },
];

/// The most entries that are put in order.
const MAX_SORTED: usize = 1000;

fn deque(writer: &mut Writer<'_, '_>, object: Addr, class: &Class) -> Written {
    let layout = writer.layout.value.deque;
    let count = writer.length(object, layout.len)?;
    let max_len = writer.word(object, layout.max_len)?.cast_signed();
    let max = writer.shown(count);
    let mut block = writer.pointer(object, layout.first_block)?;
    let mut index = writer.word(object, layout.first_index)?;
    let mut items = Vec::new();
    while items.len() < max {
        if index >= layout.block_len {
            block = writer.pointer(block, layout.next_block)?;
            index = 0;
        }
        let at = block.plus(u64::from(layout.items) + 8 * index);
        items.push(writer.memory.read_addr(at)?);
        index += 1;
    }
    let open = format!("{}([", class.short_name());
    let close = match max_len {
        ..0 => "])".to_owned(),
        max_len => format!("], maxlen={max_len})"),
    };
    writer.items((&open, &close), &items, count);
    Ok(())
}

fn defaultdict(writer: &mut Writer<'_, '_>, object: Addr, class: &Class) -> Written {
    // `default_factory` follows the dict (Modules/_collectionsmodule.c).
    let factory = writer.pointer(object, writer.layout.value.dict_size)?;
    writer.push(&format!("{}(", class.short_name()));
    match factory {
        Addr::NULL => writer.push("None"),
        factory => writer.value(factory),
    }
    writer.push(", ");
    dict(writer, object)?;
    writer.push(")");
    Ok(())
}

/// The most common first, as its own `repr` has it.
fn counter(writer: &mut Writer<'_, '_>, object: Addr, class: &Class) -> Written {
    let count = used(writer, object)?;
    let max = match writer.is_deep() {
        true => 0,
        false => MAX_SORTED,
    };
    let found = entries(writer, object, max)?;
    let mut counted = Vec::new();
    for (key, value) in found {
        let times = writer
            .class_of(value)
            .is_ok_and(|class| class.derives(Builtin::Int) || class.derives(Builtin::ShortInt));
        let times = match times {
            true => objects::read_int(writer.memory, &writer.layout.object, value),
            false => Ok(0),
        };
        counted.push((Reverse(times.unwrap_or(0)), (key, value)));
    }
    counted.sort_by_key(|(times, _)| *times);
    let mut found: Vec<_> = counted.into_iter().map(|(_, entry)| entry).collect();
    found.truncate(writer.limits.items);
    wrapped(writer, class, &found, count);
    Ok(())
}

fn ordered_dict(writer: &mut Writer<'_, '_>, object: Addr, class: &Class) -> Written {
    let count = used(writer, object)?;
    let max = writer.shown(count);
    let entries = in_order(writer, object, class, max)?;
    wrapped(writer, class, &entries, count);
    Ok(())
}

/// The first entries of an `OrderedDict`, in its own order.
pub fn in_order(
    writer: &mut Writer<'_, '_>,
    object: Addr,
    class: &Class,
    max: usize,
) -> Result<Vec<(Addr, Addr)>, ObjectError> {
    if max == 0 {
        return Ok(Vec::new());
    }
    let mut found = entries(writer, object, MAX_SORTED)?;
    let by_key: FxHashMap<Addr, Addr> = found.iter().copied().collect();
    let keys = match class.is_of_2() {
        true => keys_of_2(writer, object, class, max)?,
        false => keys(writer, object, max)?,
    };
    let in_order = keys
        .iter()
        .filter_map(|key| Some((*key, *by_key.get(key)?)));
    let in_order: Vec<_> = in_order.collect();
    if in_order.len() < found.len().min(max) {
        // There are more than are put in order.
        found.truncate(max);
        return Ok(found);
    }
    Ok(in_order)
}

fn keys(writer: &mut Writer<'_, '_>, object: Addr, max: usize) -> Result<Vec<Addr>, ObjectError> {
    let mut keys = Vec::new();
    // `od_first` follows the dict (`struct _odictobject` in Objects/odictobject.c).
    let mut node = writer.pointer(object, writer.layout.value.dict_size)?;
    while !node.is_null() && keys.len() < max {
        // `key`, `hash`, `next`.
        keys.push(writer.pointer(node, 0)?);
        node = writer.pointer(node, 16)?;
    }
    Ok(keys)
}

/// In 2.7 it is a class in Python, with a ring of lists (previous, next, key): Lib/collections.py.
fn keys_of_2(
    writer: &mut Writer<'_, '_>,
    object: Addr,
    class: &Class,
    max: usize,
) -> Result<Vec<Addr>, ObjectError> {
    let mut keys = Vec::new();
    let Some(root) = writer.attribute(object, class, "_OrderedDict__root") else {
        return Ok(keys);
    };
    let list_items = writer.layout.value.list_items;
    let mut link = root;
    while keys.len() < max {
        let parts = writer.pointer(link, list_items)?;
        link = writer.pointer(parts, 8)?;
        if link == root {
            break;
        }
        let parts = writer.pointer(link, list_items)?;
        keys.push(writer.pointer(parts, 16)?);
    }
    Ok(keys)
}

fn wrapped(writer: &mut Writer<'_, '_>, class: &Class, entries: &[(Addr, Addr)], count: u64) {
    writer.push(&format!("{}(", class.short_name()));
    if count > 0 {
        write_entries(writer, entries, count);
    }
    writer.push(")");
}
