//! Paths of `pathlib`.

use super::Kind;
use super::tuples;
use crate::cpython::objects::ObjectError;
use crate::cpython::values::class::{Builtin, Class};
use crate::cpython::values::notation;
use crate::cpython::values::writer::{Writer, Written};
use crate::model::Addr;

pub const KINDS: &[Kind] = &[Kind {
    is: |class| class.is_within("pathlib", "PurePath"),
    write: path,
}];

fn path(writer: &mut Writer<'_, '_>, object: Addr, class: &Class) -> Written {
    let Some(path) = whole(writer, object, class)? else {
        writer.opaque(object, class);
        return Ok(());
    };
    let points: Vec<u32> = path.chars().map(u32::from).collect();
    let max = writer.room_for_text();
    let (quoted, _) = notation::quoted("", &points, points.len() as u64, max);
    writer.push(&format!("{}({quoted})", class.short_name()));
    Ok(())
}

/// The whole path once something has asked for it (`_str`); before, the parts that it was made of: up to
/// 3.11 with the root as the first, from 3.12 on as they were given (`_raw_paths`).
fn whole(
    writer: &mut Writer<'_, '_>,
    object: Addr,
    class: &Class,
) -> Result<Option<String>, ObjectError> {
    if let Some(path) = writer.attribute(object, class, "_str")
        && let Some(path) = writer.text(path)
    {
        return Ok(Some(path));
    }
    for name in ["_raw_paths", "_parts"] {
        if let Some(parts) = writer.attribute(object, class, name) {
            return joined(writer, parts).map(Some);
        }
    }
    Ok(None)
}

fn joined(writer: &mut Writer<'_, '_>, parts: Addr) -> Result<String, ObjectError> {
    let class = writer.class_of(parts)?;
    let parts = match class.derives(Builtin::List) {
        true => {
            let count = writer.size(parts)?;
            let at = writer.pointer(parts, writer.layout.value.list_items)?;
            writer.pointers(at, count)?
        }
        false => tuples::items(writer, parts)?.0,
    };
    let mut path = String::new();
    for part in parts {
        let part = writer.text(part).unwrap_or_default();
        if part.starts_with('/') {
            path.clear();
        } else if !path.is_empty() && !path.ends_with('/') {
            path.push('/');
        }
        path.push_str(&part);
    }
    let absolute = path.starts_with('/');
    let parts = path
        .split('/')
        .filter(|part| !part.is_empty() && *part != ".");
    let path = parts.collect::<Vec<_>>().join("/");
    Ok(match (absolute, path.as_str()) {
        (true, _) => format!("/{path}"),
        (false, "") => ".".to_owned(),
        (false, _) => path,
    })
}
