//! From a frame's variable over attributes and items to a text.

use super::placed::PlacedPart;
use crate::cpython::frames::RawFrame;
use crate::cpython::layout::Layout;
use crate::cpython::objects::{attribute, dict_get, read_c_string, read_int, read_text};
use crate::frameworks::{Shape, Step, shape};
use crate::memory::Memory;
use crate::model::Addr;

/// The most characters that a label's value has; of a statement before it is shortened, and of a class.
const MAX_CHARS: usize = 200;
const MAX_SQL: usize = 16 << 10;
const MAX_CLASS_NAME: usize = 200;

/// Bits of `tp_flags` (`Include/object.h`).
const INT: u64 = 1 << 24;
const BYTES: u64 = 1 << 27;
const TEXT: u64 = 1 << 28;
const DICT: u64 = 1 << 29;
const TYPE: u64 = 1 << 31;

/// Follows the parts of readings.
pub struct Chain<'a, M> {
    pub memory: &'a mut M,
    pub layout: &'a Layout,
    pub frame: &'a RawFrame,
    /// Whether parameters and literals are kept as they are.
    pub keeps_values: bool,
}

impl<M: Memory> Chain<'_, M> {
    /// The text that a reading gives, if all its parts give one.
    pub fn text(&mut self, parts: &[PlacedPart]) -> Option<String> {
        let mut texts = Vec::new();
        for part in parts {
            let object = self.object(part)?;
            texts.push(self.shaped(object, part.part.shape)?);
        }
        Some(texts.join("."))
    }

    /// The object that a part leads to.
    pub fn object(&mut self, part: &PlacedPart) -> Option<Addr> {
        let mut object = self.variable(part)?;
        for step in part.part.steps.iter() {
            object = self.step(object, step)?;
        }
        Some(object)
    }

    fn variable(&mut self, part: &PlacedPart) -> Option<Addr> {
        let frame = &self.layout.frame;
        let at = self.frame.address.plus(frame.locals.into());
        let at = at.plus(8 * part.slot as u64);
        let word = self.memory.read_u64(at).ok()?;
        // An int without an object (3.14 on).
        if frame.tagged && word & 3 == 3 {
            return None;
        }
        let object = frame.untagged(word);
        if object.is_null() {
            return None;
        }
        if !part.is_cell || self.class_name(object)? != "cell" {
            return Some(object);
        }
        let value = object.plus(self.layout.value.cell_value.into());
        let value = self.memory.read_addr(value).ok()?;
        (!value.is_null()).then_some(value)
    }

    fn step(&mut self, object: Addr, step: &Step) -> Option<Addr> {
        let objects = &self.layout.object;
        match step {
            Step::Attribute(name) => attribute(self.memory, objects, object, name).ok()?,
            Step::Item(key) => {
                if self.flags(object)? & DICT == 0 {
                    return None;
                }
                dict_get(self.memory, objects, object, key).ok()?
            }
            Step::Class => self.class(object),
            Step::OnlyIf(names) => {
                let name = self.class_name(object)?;
                names.iter().any(|wanted| *wanted == name).then_some(object)
            }
        }
    }

    fn shaped(&mut self, object: Addr, as_what: Shape) -> Option<String> {
        match as_what {
            Shape::Plain => self.plain(object, MAX_CHARS),
            Shape::ClassName => {
                // The class of a class is a type.
                (self.flags(object)? & TYPE != 0).then(|| self.name_of_class(object))?
            }
            Shape::UrlPath => {
                let path = self.plain(object, MAX_CHARS)?;
                Some(match self.keeps_values {
                    true => path,
                    false => shape::url_path(&path),
                })
            }
            Shape::Sql => {
                let statement = self.plain(object, MAX_SQL)?;
                Some(match self.keeps_values {
                    true => shape::shortened(&statement),
                    false => shape::sql(&statement),
                })
            }
            Shape::LoopOver => None,
        }
    }

    /// A text, or a number.
    fn plain(&mut self, object: Addr, max: usize) -> Option<String> {
        let flags = self.flags(object)?;
        let objects = &self.layout.object;
        let is_text = flags & TEXT != 0 || self.layout.version.major == 2 && flags & BYTES != 0;
        if is_text {
            let text = read_text(self.memory, objects, object, max).ok()?;
            return Some(text.untrusted().to_owned());
        }
        (flags & INT != 0)
            .then(|| read_int(self.memory, objects, object).ok())?
            .map(|number| number.to_string())
    }

    fn class(&mut self, object: Addr) -> Option<Addr> {
        let class = object.plus(self.layout.object.ob_type.into());
        let class = self.memory.read_addr(class).ok()?;
        (!class.is_null()).then_some(class)
    }

    fn flags(&mut self, object: Addr) -> Option<u64> {
        let class = self.class(object)?;
        let flags = class.plus(self.layout.object.type_flags.into());
        self.memory.read_u64(flags).ok()
    }

    fn class_name(&mut self, object: Addr) -> Option<String> {
        let class = self.class(object)?;
        self.name_of_class(class)
    }

    /// Without the module that stands in front of a class written in C.
    fn name_of_class(&mut self, class: Addr) -> Option<String> {
        let name = class.plus(self.layout.object.type_name.into());
        let name = self.memory.read_addr(name).ok()?;
        let name = read_c_string(self.memory, name, MAX_CLASS_NAME).ok()?;
        let name = String::from_utf8_lossy(&name).into_owned();
        Some(name.rsplit('.').next().unwrap_or_default().to_owned())
    }
}
