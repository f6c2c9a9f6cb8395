//! pandas' frames, series and indexes: size and columns.

use super::Kind;
use super::numpy::first_dimension;
use crate::cpython::objects::{self, ObjectError};
use crate::cpython::values::class::{Builtin, Class};
use crate::cpython::values::notation;
use crate::cpython::values::writer::{Writer, Written};
use crate::model::Addr;

pub const KINDS: &[Kind] = &[
    Kind {
        is: |class| class.is("pandas.core.frame", "DataFrame"),
        write: frame,
    },
    Kind {
        is: |class| class.is("pandas.core.series", "Series"),
        write: series,
    },
    Kind {
        is: |class| class.is("pandas.core.indexes.base", "Index"),
        write: |writer, object, class| {
            let (len, items) = labels(writer, object)?;
            let len = notation::grouped(len);
            writer.push(&format!("<{} of {len}", class.short_name()));
            if !items.is_empty() {
                writer.push(": ");
                let count = items.len() as u64;
                writer.items(("[", "]"), &items, count);
            }
            writer.push(">");
            Ok(())
        },
    },
];

/// `<DataFrame of 3 rows and 2 columns: ['a', 'b']>`
fn frame(writer: &mut Writer<'_, '_>, object: Addr, class: &Class) -> Written {
    let axes = axes(writer, object, class)?;
    let [columns, rows] = axes.as_slice() else {
        writer.opaque(object, class);
        return Ok(());
    };
    let (rows, _) = labels(writer, *rows)?;
    let (count, names) = labels(writer, *columns)?;
    let (rows, columns) = (notation::grouped(rows), notation::grouped(count));
    let name = class.short_name();
    writer.push(&format!("<{name} of {rows} rows and {columns} columns"));
    if !names.is_empty() {
        writer.push(": ");
        writer.items(("[", "]"), &names, count);
    }
    writer.push(">");
    Ok(())
}

/// `<Series of 3 rows: 'a'>`
fn series(writer: &mut Writer<'_, '_>, object: Addr, class: &Class) -> Written {
    let axes = axes(writer, object, class)?;
    let [rows] = axes.as_slice() else {
        writer.opaque(object, class);
        return Ok(());
    };
    let (rows, _) = labels(writer, *rows)?;
    let rows = notation::grouped(rows);
    writer.push(&format!("<{} of {rows} rows", class.short_name()));
    if let Some(name) = writer.attribute(object, class, "_name") {
        writer.push(": ");
        writer.value(name);
    }
    writer.push(">");
    Ok(())
}

/// The axes of the block manager: an attribute, or the second field of its base in Cython, behind the
/// table of its methods (`BlockManager` in pandas/_libs/internals.pyx).
fn axes(
    writer: &mut Writer<'_, '_>,
    object: Addr,
    class: &Class,
) -> Result<Vec<Addr>, ObjectError> {
    let Some(manager) = writer.attribute(object, class, "_mgr") else {
        return Ok(Vec::new());
    };
    let axes = match writer.attribute_of(manager, "axes") {
        Some(axes) => axes,
        None => writer.pointer(manager, writer.head() + 16)?,
    };
    if !writer.class_of(axes)?.derives(Builtin::List) {
        return Ok(Vec::new());
    }
    let count = writer.size(axes)?.min(2);
    let items = writer.pointer(axes, writer.layout.value.list_items)?;
    let mut found = Vec::new();
    for index in 0..count {
        found.push(writer.pointer(items.plus(8 * index), 0)?);
    }
    Ok(found)
}

/// How many labels an index has, and those that are objects.
fn labels(writer: &mut Writer<'_, '_>, index: Addr) -> Result<(u64, Vec<Addr>), ObjectError> {
    if let Some(range) = writer.attribute_of(index, "_range") {
        // Behind start, stop and step (Objects/rangeobject.c).
        let len = writer.pointer(range, writer.head() + 24)?;
        let len = objects::read_int(writer.memory, &writer.layout.object, len)?;
        return Ok((len.max(0).cast_unsigned(), Vec::new()));
    }
    let unknown = ObjectError::Nonsense {
        field: "_data",
        object: index,
        value: 0,
    };
    let mut data = writer.attribute_of(index, "_data").ok_or(unknown)?;
    // Times, categories and masked values have the array in one of their own, sometimes twice.
    for _ in 0..3 {
        if writer.class_of(data)?.is("numpy", "ndarray") {
            return first_dimension(writer, data);
        }
        let within = ["_ndarray", "_codes", "_data"];
        let within = within
            .iter()
            .find_map(|name| writer.attribute_of(data, name));
        data = match within {
            Some(within) => within,
            // The first field of their base in Cython, behind the table of its methods if it has any
            // (`NDArrayBacked` in pandas/_libs/arrays.pyx).
            None => backing(writer, data).ok_or(unknown)?,
        };
    }
    Err(unknown)
}

fn backing(writer: &mut Writer<'_, '_>, data: Addr) -> Option<Addr> {
    let head = writer.head();
    [head + 8, head].into_iter().find_map(|offset| {
        let found = writer.pointer(data, offset).ok()?;
        let class = writer.class_of(found).ok()?;
        class.is("numpy", "ndarray").then_some(found)
    })
}
