//! The variables of a frame.

use std::rc::Rc;

use super::Values;
use super::metered::Metered;
use crate::cpython::frames::RawFrame;
use crate::cpython::objects::{self, ObjectError};
use crate::cpython::variables::{self, LocalKind, MAX_VARIABLES, Variable};
use crate::memory::Memory;
use crate::model::{Addr, CodeAddr, TargetStr};

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
        let mut found = variables::read(memory, self.layout, code)?;
        found.sort_by_key(|variable| variable.kind != LocalKind::Argument);
        let found: Rc<[Variable]> = found.into();
        self.variables.insert(code, Rc::clone(&found));
        Ok(found)
    }
}
