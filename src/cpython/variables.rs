//! The variables that a code object has: their names, and where in a frame they are.

use super::layout::Layout;
use super::objects::{self, ObjectError};
use crate::memory::Memory;
use crate::model::{Addr, CodeAddr, TargetStr};

/// Bits of `co_flags` (`Include/code.h`). Without the first, names are looked up in a dict, as those of
/// modules and class bodies are.
const OPTIMIZED: u32 = 1;
const VARIABLE_ARGUMENTS: u32 = 4;
const VARIABLE_KEYWORDS: u32 = 8;

/// Bits of `co_localspluskinds` (`Include/internal/pycore_code.h`).
const FAST_LOCAL: u8 = 0x20;
const FAST_CELL: u8 = 0x40;
const FAST_FREE: u8 = 0x80;

/// The most variables of a function that are read.
pub const MAX_VARIABLES: usize = 1000;

/// A longer name is cut.
const MAX_NAME: usize = 200;

/// What a variable is to its function.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LocalKind {
    Argument,
    Local,
    /// It belongs to a function around this one.
    Free,
}

/// A variable of a code object.
#[derive(Clone, Debug)]
pub struct Variable {
    pub name: TargetStr,
    pub kind: LocalKind,
    /// Its place in the frame.
    pub slot: usize,
    /// The place may hold a cell, which holds the value.
    pub is_cell: bool,
}

/// The variables of a code object; none of a module or a class body.
///
/// # Errors
/// When it cannot be read.
pub fn read<M: Memory>(
    memory: &mut M,
    layout: &Layout,
    code: CodeAddr,
) -> Result<Vec<Variable>, ObjectError> {
    let fields = &layout.code;
    let at = |offset: u32| code.0.plus(offset.into());
    let mut int = |offset: u32| memory.read_u32(at(offset));
    let flags = int(fields.flags)?;
    let has = |bit: u32| usize::from(flags & bit != 0);
    let keyword_only = fields.keyword_only_count.map_or(Ok(0), &mut int)? as usize;
    let arguments = (int(fields.arg_count)? as usize)
        .saturating_add(keyword_only)
        .saturating_add(has(VARIABLE_ARGUMENTS) + has(VARIABLE_KEYWORDS));
    let is_optimized = flags & OPTIMIZED != 0;
    let mut variables = Vec::new();
    if let Some(kinds) = fields.local_kinds {
        let kinds = memory.read_addr(at(kinds))?;
        let kinds = objects::read_bytes(memory, &layout.object, kinds, MAX_VARIABLES)?;
        let names = names_at(memory, layout, at(fields.local_names))?;
        for (slot, (name, kind)) in names.into_iter().zip(kinds).enumerate() {
            // Of a module or a class body only what a comprehension within it has (3.12 on).
            if !is_optimized && kind & FAST_LOCAL == 0 {
                continue;
            }
            variables.push(Variable {
                name,
                kind: match kind {
                    _ if kind & FAST_FREE != 0 => LocalKind::Free,
                    _ if kind & FAST_LOCAL != 0 && slot < arguments => LocalKind::Argument,
                    _ => LocalKind::Local,
                },
                slot,
                is_cell: kind & (FAST_CELL | FAST_FREE) != 0,
            });
        }
        return Ok(variables);
    }
    if !is_optimized {
        return Ok(variables);
    }
    // Locals, then cells, then free variables, all in the same array.
    let names = names_at(memory, layout, at(fields.local_names))?;
    for (slot, name) in names.into_iter().enumerate() {
        variables.push(Variable {
            name,
            kind: match slot < arguments {
                true => LocalKind::Argument,
                false => LocalKind::Local,
            },
            slot,
            is_cell: false,
        });
    }
    let mut slot = variables.len();
    let cells = [
        (fields.cell_names, LocalKind::Local),
        (fields.free_names, LocalKind::Free),
    ];
    for (names, kind) in cells {
        let Some(names) = names else {
            continue;
        };
        for name in names_at(memory, layout, at(names))? {
            // An argument that inner functions use is moved to its cell.
            let argument = variables.iter_mut().find(|it| it.name == name);
            let kind = match argument {
                Some(local) if kind != LocalKind::Free => local.kind,
                _ => kind,
            };
            variables.push(Variable {
                name,
                kind,
                slot,
                is_cell: true,
            });
            slot += 1;
        }
    }
    Ok(variables)
}

/// Whether a function has an argument of this name, an ASCII identifier, among its first two.
pub fn has_argument<M: Memory>(
    memory: &mut M,
    layout: &Layout,
    code: CodeAddr,
    name: &str,
) -> bool {
    let fields = &layout.code;
    let at = |offset: u32| code.0.plus(offset.into());
    let Ok(count) = memory.read_u32(at(fields.arg_count)) else {
        return false;
    };
    let Ok(names) = memory.read_addr(at(fields.local_names)) else {
        return false;
    };
    (0..u64::from(count.min(2))).any(|index| {
        let item = names.plus(u64::from(layout.object.tuple_items) + 8 * index);
        memory
            .read_addr(item)
            .is_ok_and(|found| objects::text_equals(memory, &layout.object, found, name))
    })
}

/// The texts of a tuple of names to which there is a pointer.
fn names_at<M: Memory>(
    memory: &mut M,
    layout: &Layout,
    at: Addr,
) -> Result<Vec<TargetStr>, ObjectError> {
    let layout = &layout.object;
    let tuple = memory.read_addr(at)?;
    let count = memory.read_u64(tuple.plus(layout.bytes.size.into()))?;
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    let count = count.min(MAX_VARIABLES);
    let mut names = Vec::new();
    for index in 0..count {
        let item = tuple.plus(u64::from(layout.tuple_items) + 8 * index as u64);
        let name = memory.read_addr(item)?;
        names.push(objects::read_text(memory, layout, name, MAX_NAME)?);
    }
    Ok(names)
}
