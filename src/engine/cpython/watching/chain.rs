//! From a frame's variable over attributes and items to a text.

use rustc_hash::FxHashMap;

use super::placed::PlacedPart;
use crate::cpython::frames::RawFrame;
use crate::cpython::layout::Layout;
use crate::cpython::objects::{
    AttributeReader, KnownAttribute, dict_get, read_c_string, read_int, read_text,
};
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

/// With more types or texts than this remembered, all are forgotten.
const MAX_KNOWN: usize = 4096;

/// After so many looks, what a lasting object leads to is read anew.
const LOOKS_OF_LASTING: u32 = 64;

/// After so many looks, what is known of types is read anew: a class may be gone, and another in its place.
const LOOKS_OF_TYPES: u32 = 1024;

/// What was found out about a program's types and attributes, and texts that were shaped.
#[derive(Debug, Default)]
pub struct Known {
    types: FxHashMap<Addr, Type>,
    /// By the address of the step that reads them, which is constant data.
    attributes: FxHashMap<usize, KnownAttribute>,
    statements: FxHashMap<String, String>,
    /// What lasting objects lead to, by the address of the part, which is constant data, and of the object.
    lasting: FxHashMap<(usize, Addr), Lasting>,
    looks: u32,
}

#[derive(Clone, Debug)]
struct Lasting {
    text: String,
    read_in: u32,
}

#[derive(Clone, Debug)]
struct Type {
    flags: u64,
    name: String,
}

impl Known {
    /// Forgets what may have changed.
    pub fn begin_look(&mut self) {
        self.looks = self.looks.wrapping_add(1);
        if self.looks.is_multiple_of(LOOKS_OF_TYPES) || self.types.len() > MAX_KNOWN {
            self.types.clear();
            self.attributes.clear();
        }
        if self.statements.len() > MAX_KNOWN {
            self.statements.clear();
        }
        if self.lasting.len() > MAX_KNOWN {
            self.lasting.clear();
        }
    }
}

/// Follows the parts of readings.
pub struct Chain<'a, M> {
    pub memory: &'a mut M,
    pub layout: &'a Layout,
    pub frame: &'a RawFrame,
    pub known: &'a mut Known,
    /// Whether parameters and literals are kept as they are.
    pub keeps_values: bool,
}

impl<M: Memory> Chain<'_, M> {
    /// The text that a reading gives, if all its parts give one.
    pub fn text(&mut self, parts: &[PlacedPart]) -> Option<String> {
        let mut text = String::new();
        for (index, part) in parts.iter().enumerate() {
            if index > 0 {
                text.push('.');
            }
            match part.part.lasts {
                true => self.add_lasting(part, &mut text)?,
                false => {
                    let object = self.object(part)?;
                    text += &self.shaped(object, part.part.shape)?;
                }
            }
        }
        Some(text)
    }

    /// Adds what a lasting object leads to. It is read now and then, and not in each look.
    fn add_lasting(&mut self, part: &PlacedPart, text: &mut String) -> Option<()> {
        let object = self.variable(part)?;
        let key = (part.part.steps.as_ptr().addr(), object);
        let now = self.known.looks;
        if let Some(known) = self.known.lasting.get(&key)
            && now.wrapping_sub(known.read_in) < LOOKS_OF_LASTING
        {
            *text += &known.text;
            return Some(());
        }
        let led_to = self.object_from(object, part)?;
        let found = self.shaped(led_to, part.part.shape)?;
        *text += &found;
        let read = Lasting {
            text: found,
            read_in: now,
        };
        self.known.lasting.insert(key, read);
        Some(())
    }

    /// The object that a part leads to.
    pub fn object(&mut self, part: &PlacedPart) -> Option<Addr> {
        let object = self.variable(part)?;
        self.object_from(object, part)
    }

    fn object_from(&mut self, mut object: Addr, part: &PlacedPart) -> Option<Addr> {
        for step in part.part.steps {
            object = self.step(object, step)?;
        }
        Some(object)
    }

    /// The object of the part's variable.
    pub fn variable(&mut self, part: &PlacedPart) -> Option<Addr> {
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
        if !part.is_cell || self.type_of(object)?.name != "cell" {
            return Some(object);
        }
        let value = object.plus(self.layout.value.cell_value.into());
        let value = self.memory.read_addr(value).ok()?;
        (!value.is_null()).then_some(value)
    }

    fn step(&mut self, object: Addr, step: &'static Step) -> Option<Addr> {
        let objects = &self.layout.object;
        match step {
            Step::Attribute(name) => {
                let which = std::ptr::from_ref(step).addr();
                let known = self.known.attributes.get(&which).copied();
                let mut reader = AttributeReader::with(objects, name, known.unwrap_or_default());
                let found = reader.read(self.memory, object).ok()?;
                let known = reader.known();
                self.known.attributes.insert(which, known);
                found
            }
            Step::Item(key) => {
                if self.type_of(object)?.flags & DICT == 0 {
                    return None;
                }
                dict_get(self.memory, objects, object, key).ok()?
            }
            Step::Class => self.class(object),
            Step::OnlyIf(names) => {
                let found = self.type_of(object)?;
                names.contains(&found.name.as_str()).then_some(object)
            }
            Step::Unless(names) => {
                let found = self.type_of(object)?;
                (!names.contains(&found.name.as_str())).then_some(object)
            }
        }
    }

    fn shaped(&mut self, object: Addr, as_what: Shape) -> Option<String> {
        match as_what {
            Shape::Plain => self.plain(object, MAX_CHARS),
            Shape::ClassName => {
                // What some object's type was is a class. The class of any other is a type.
                let is_class = self.known.types.contains_key(&object)
                    || self.type_of(object)?.flags & TYPE != 0;
                is_class.then(|| Some(self.type_at(object)?.name.clone()))?
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
                if let Some(known) = self.known.statements.get(&statement) {
                    return Some(known.clone());
                }
                let shaped = match self.keeps_values {
                    true => shape::shortened(&statement),
                    false => shape::sql(&statement),
                };
                self.known.statements.insert(statement, shaped.clone());
                Some(shaped)
            }
            Shape::LoopOver => None,
        }
    }

    /// A text, or a number.
    fn plain(&mut self, object: Addr, max: usize) -> Option<String> {
        let flags = self.type_of(object)?.flags;
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

    fn type_of(&mut self, object: Addr) -> Option<&Type> {
        let class = self.class(object)?;
        self.type_at(class)
    }

    /// What is known of a type. It is read once, and not compared in later looks.
    fn type_at(&mut self, class: Addr) -> Option<&Type> {
        if !self.known.types.contains_key(&class) {
            let objects = &self.layout.object;
            let flags = self
                .memory
                .read_u64(class.plus(objects.type_flags.into()))
                .ok()?;
            let name = self
                .memory
                .read_addr(class.plus(objects.type_name.into()))
                .ok()?;
            let name = read_c_string(self.memory, name, MAX_CLASS_NAME).ok()?;
            let name = String::from_utf8_lossy(&name).into_owned();
            // A module stands in front of a class that is written in C.
            let name = name.rsplit('.').next().unwrap_or_default().to_owned();
            self.known.types.insert(class, Type { flags, name });
        }
        self.known.types.get(&class)
    }
}
