//! The variables of a frame.

use std::rc::Rc;

use super::Values;
use super::metered::Metered;
use crate::cpython::frames::RawFrame;
use crate::cpython::objects::{self, ObjectError};
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
const MAX_VARIABLES: usize = 1000;

/// A longer name is cut.
const MAX_NAME: usize = 200;

/// What finding the variables of a frame may take, in reads.
const READS: u64 = 3 * MAX_VARIABLES as u64;

/// A variable that has a value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Local {
    pub name: TargetStr,
    pub kind: LocalKind,
    /// Of the object; 0 if it is none.
    pub address: Addr,
    /// The value, as `repr` would write it; it can be shown as it is.
    pub shown: String,
}

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
pub(super) struct Variable {
    name: TargetStr,
    kind: LocalKind,
    /// Its place in the frame.
    slot: usize,
    /// The place may hold a cell, which holds the value.
    is_cell: bool,
}

/// What a frame's place for a variable holds.
enum Held {
    Object(Addr),
    /// An int without an object (`PyStackRef_TagInt` in Include/internal/pycore_stackref.h, 3.14 on).
    Int(i64),
}

impl Values<'_> {
    /// The variables of a frame that have a value, arguments first; none of a module or a class body.
    ///
    /// # Errors
    /// When the code object or the frame cannot be read.
    pub fn locals(
        &mut self,
        memory: &mut dyn Memory,
        frame: &RawFrame,
    ) -> Result<Vec<Local>, ObjectError> {
        let mut metered = Metered::new(memory, READS.min(self.reads_left));
        let variables = self.variables_of(&mut metered, frame.code)?;
        let Some(last) = variables.iter().map(|variable| variable.slot).max() else {
            return Ok(Vec::new());
        };
        let at = frame.address.plus(self.layout.frame.locals.into());
        let slots = metered.read_vec(at, (last + 1) * 8)?;
        let mut found = Vec::new();
        for variable in &*variables {
            let word = slots.chunks_exact(8).nth(variable.slot);
            let word = word.map_or(0, |word| {
                word.iter()
                    .rev()
                    .fold(0, |high, byte| high << 8 | u64::from(*byte))
            });
            if let Some(held) = self.held(&mut metered, word, variable.is_cell) {
                found.push((variable, held));
            }
        }
        let used = READS.min(self.reads_left) - metered.left();
        self.reads_left = self.reads_left.saturating_sub(used);
        let mut locals = Vec::new();
        for (variable, held) in found {
            let (address, shown) = match held {
                Held::Int(value) => (Addr::NULL, value.to_string()),
                Held::Object(object) => {
                    let name = variable.name.untrusted();
                    (object, self.show_named(memory, name, object))
                }
            };
            locals.push(Local {
                name: variable.name.clone(),
                kind: variable.kind,
                address,
                shown,
            });
        }
        Ok(locals)
    }

    fn held(&self, memory: &mut Metered<'_>, word: u64, is_cell: bool) -> Option<Held> {
        if self.layout.frame.tagged && word & 3 == 3 {
            return Some(Held::Int(word.cast_signed() >> 2));
        }
        let object = self.layout.frame.untagged(word);
        if object.is_null() {
            return None;
        }
        if !is_cell {
            return Some(Held::Object(object));
        }
        // Until the function has made it one, the place holds what was given (`MAKE_CELL`, 3.11 on).
        let class = memory
            .read_addr(object.plus(self.layout.object.ob_type.into()))
            .ok()?;
        let name = memory.read_addr(class.plus(self.layout.object.type_name.into()));
        let is_made = name.is_ok_and(|name| {
            objects::read_c_string(memory, name, 8).is_ok_and(|name| name == b"cell")
        });
        if !is_made {
            return Some(Held::Object(object));
        }
        let value = memory.read_addr(object.plus(self.layout.value.cell_value.into()));
        let value = value.ok().filter(|value| !value.is_null())?;
        Some(Held::Object(value))
    }

    fn variables_of(
        &mut self,
        memory: &mut Metered<'_>,
        code: CodeAddr,
    ) -> Result<Rc<[Variable]>, ObjectError> {
        if let Some(known) = self.variables.get(&code) {
            return Ok(Rc::clone(known));
        }
        let mut found = self.read_variables(memory, code)?;
        found.sort_by_key(|variable| variable.kind != LocalKind::Argument);
        let found: Rc<[Variable]> = found.into();
        self.variables.insert(code, Rc::clone(&found));
        Ok(found)
    }

    fn read_variables(
        &self,
        memory: &mut Metered<'_>,
        code: CodeAddr,
    ) -> Result<Vec<Variable>, ObjectError> {
        let fields = &self.layout.code;
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
            let kinds = objects::read_bytes(memory, &self.layout.object, kinds, MAX_VARIABLES)?;
            let names = self.names(memory, at(fields.local_names))?;
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
        let names = self.names(memory, at(fields.local_names))?;
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
            for name in self.names(memory, at(names))? {
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

    /// The texts of a tuple of names to which there is a pointer.
    fn names(&self, memory: &mut Metered<'_>, at: Addr) -> Result<Vec<TargetStr>, ObjectError> {
        let layout = &self.layout.object;
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
}
