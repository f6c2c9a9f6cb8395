//! Writing one value: what all kinds of values share.

use std::rc::Rc;

use super::Limits;
use super::class::{Builtin, Class, Classes};
use super::kinds;
use super::metered::Metered;
use super::notation::{self, CUT};
use super::secrets::{self, MASK, Secrets};
use crate::cpython::layout::Layout;
use crate::cpython::objects::{self, ObjectError};
use crate::memory::Memory;
use crate::model::{Addr, visible};

/// What writing a value of one kind gives: on an error its type and address stand in its place.
pub type Written = Result<(), ObjectError>;

/// An item is only begun where there is room for so many characters.
const ROOM_FOR_AN_ITEM: usize = 8;

/// What is within so many more values than containers may be nested is left out, whatever it is: some are
/// written through others, such as the start of a slice.
const MORE_NESTING: usize = 3;

/// Names of attributes, functions and modules beyond so many characters are cut.
const MAX_NAME: usize = 100;

/// The most attributes of an object that are looked at.
const MAX_ATTRIBUTES: usize = 1000;

/// Writes values as Python's `repr` would. All that it writes can be shown as it is.
pub struct Writer<'a, 'm> {
    pub memory: &'a mut Metered<'m>,
    pub layout: &'a Layout,
    pub limits: Limits,
    classes: &'a mut Classes,
    secrets: Secrets,
    out: String,
    /// How many more characters this value may take.
    room: usize,
    /// The objects that the one which is being written is within, and itself.
    path: Vec<Addr>,
}

impl<'a, 'm> Writer<'a, 'm> {
    pub fn new(
        memory: &'a mut Metered<'m>,
        layout: &'a Layout,
        classes: &'a mut Classes,
        limits: Limits,
        secrets: Secrets,
    ) -> Writer<'a, 'm> {
        Writer {
            memory,
            layout,
            limits,
            classes,
            secrets,
            out: String::new(),
            room: limits.characters,
            path: Vec::new(),
        }
    }

    pub fn finish(self) -> String {
        self.out
    }

    /// Writes what needs no escape.
    pub fn push(&mut self, text: &str) {
        self.out.push_str(text);
        self.room = self.room.saturating_sub(text.chars().count());
    }

    /// How many characters of one text may be written here.
    pub fn room_for_text(&self) -> usize {
        self.limits.text.min(self.room.max(ROOM_FOR_AN_ITEM))
    }

    pub fn has_room(&self) -> bool {
        self.room >= ROOM_FOR_AN_ITEM && !self.memory.is_spent()
    }

    /// Whether what is within the value that is being written is left out.
    pub fn is_deep(&self) -> bool {
        self.path.len() > self.limits.depth
    }

    /// Whether the value that is being written is within no other.
    pub fn is_outermost(&self) -> bool {
        self.path.len() <= 1
    }

    /// Writes any object.
    pub fn value(&mut self, object: Addr) {
        if object.is_null() {
            return self.push("<NULL>");
        }
        if self.memory.is_spent() || self.path.len() > self.limits.depth + MORE_NESTING {
            return self.push("…");
        }
        if self.path.contains(&object) {
            return self.cycle(object);
        }
        let before = (self.out.len(), self.room);
        let class = match self.class_of(object) {
            Ok(class) => class,
            Err(_) => return self.push(&format!("<unreadable object at {object}>")),
        };
        self.path.push(object);
        let written = match kinds::of(&class) {
            Some(kind) => (kind.write)(self, object, &class),
            None => self.instance(object, &class),
        };
        self.path.pop();
        if written.is_err() {
            self.out.truncate(before.0);
            self.room = before.1;
            let what = match self.memory.is_spent() {
                true => "",
                false => "unreadable ",
            };
            let name = class.full_name();
            self.push(&format!("<{what}{name} object at {object}>"));
        }
    }

    /// An object that is within itself.
    fn cycle(&mut self, object: Addr) {
        let class = self.class_of(object).ok();
        let derives = |kind| class.as_ref().is_some_and(|class| class.derives(kind));
        self.push(if derives(Builtin::List) {
            "[...]"
        } else if derives(Builtin::Dict) {
            "{...}"
        } else if derives(Builtin::Tuple) {
            "(...)"
        } else {
            "<...>"
        });
    }

    pub fn class_of(&mut self, object: Addr) -> Result<Rc<Class>, ObjectError> {
        let at = object.plus(self.layout.object.ob_type.into());
        let class = self.memory.read_addr(at)?;
        self.classes.get(self.memory, self.layout, class)
    }

    /// The type at an address.
    pub fn class_at(&mut self, class: Addr) -> Result<Rc<Class>, ObjectError> {
        self.classes.get(self.memory, self.layout, class)
    }

    /// `<module.Name object at 0x…>`, as Python shows what it knows nothing of.
    pub fn opaque(&mut self, object: Addr, class: &Class) {
        self.push(&format!("<{} object at {object}>", class.full_name()));
    }

    /// A word of an object.
    pub fn word(&mut self, object: Addr, offset: u32) -> Result<u64, ObjectError> {
        Ok(self.memory.read_u64(object.plus(offset.into()))?)
    }

    pub fn pointer(&mut self, object: Addr, offset: u32) -> Result<Addr, ObjectError> {
        self.word(object, offset).map(Addr)
    }

    /// Where what is behind the head that all objects have begins: in objects of variable size their size.
    pub fn head(&self) -> u32 {
        self.layout.object.bytes.size
    }

    /// The size of an object that has one; a negative one is an error.
    pub fn size(&mut self, object: Addr) -> Result<u64, ObjectError> {
        let head = self.head();
        self.length(object, head)
    }

    /// A Py_ssize_t that counts something.
    pub fn length(&mut self, object: Addr, offset: u32) -> Result<u64, ObjectError> {
        match self.word(object, offset)? {
            value if value.cast_signed() < 0 => Err(ObjectError::Nonsense {
                field: "size",
                object,
                value,
            }),
            value => Ok(value),
        }
    }

    /// Pointers that lie one behind the other, no more than are shown.
    pub fn pointers(&mut self, at: Addr, count: u64) -> Result<Vec<Addr>, ObjectError> {
        let shown = self.shown(count);
        let bytes = self.memory.read_vec(at, shown.saturating_mul(8))?;
        let words = bytes.chunks_exact(8);
        Ok(words
            .map(|word| {
                Addr(
                    word.iter()
                        .rev()
                        .fold(0, |high, byte| high << 8 | u64::from(*byte)),
                )
            })
            .collect())
    }

    /// How many of so many items are shown at most.
    pub fn shown(&self, count: u64) -> usize {
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        match self.is_deep() {
            true => 0,
            false => count.min(self.limits.items),
        }
    }

    /// Writes items within brackets, of which there are `count` in all.
    pub fn items(&mut self, brackets: (&str, &str), items: &[Addr], count: u64) {
        self.enclosed(brackets, count, "items", items, |writer, item| {
            writer.value(*item);
        });
    }

    /// Writes as many of some parts as there is room for, and how many there are in all.
    pub fn enclosed<T>(
        &mut self,
        (open, close): (&str, &str),
        count: u64,
        what: &str,
        parts: &[T],
        mut write: impl FnMut(&mut Self, &T),
    ) {
        self.push(open);
        let mut shown = 0;
        for part in parts {
            if !self.has_room() {
                break;
            }
            if shown > 0 {
                self.push(", ");
            }
            write(self, part);
            shown += 1;
        }
        if shown < count {
            let comma = if shown > 0 { ", " } else { "" };
            let all = notation::grouped(count);
            let what = match count {
                1 => what.trim_end_matches('s'),
                _ => what,
            };
            self.push(&format!("{comma}{CUT} {all} {what}"));
        }
        self.push(close);
    }

    /// Writes the value of something that has a name, unless it is a secret.
    pub fn named_value(&mut self, name: &str, value: Addr) {
        match self.hides(name, value) {
            true => self.push(MASK),
            false => self.value(value),
        }
    }

    /// Whether the value of this name is a secret. None and booleans are none.
    pub fn hides(&mut self, name: &str, value: Addr) -> bool {
        if self.secrets == Secrets::Shown || !secrets::is_secret(name) {
            return false;
        }
        let class = self.class_of(value);
        !class.is_ok_and(|it| it.is_exactly("", "NoneType") || it.is_exactly("", "bool"))
    }

    /// The text of an object if it is a text (or bytes) that could be a name.
    pub fn name_text(&mut self, object: Addr) -> Option<String> {
        let class = self.class_of(object).ok()?;
        if class.derives(Builtin::Bytes) {
            let (bytes, len) =
                objects::read_bytes_beginning(self.memory, &self.layout.object, object, MAX_NAME)
                    .ok()?;
            return (len <= MAX_NAME as u64).then(|| String::from_utf8_lossy(&bytes).into_owned());
        }
        match class.derives(Builtin::Text) {
            true => self.text(object),
            false => None,
        }
    }

    /// A text as it may be shown, without quotes.
    pub fn text(&mut self, object: Addr) -> Option<String> {
        let text = objects::read_text(self.memory, &self.layout.object, object, MAX_NAME).ok()?;
        Some(visible(&text).into_owned())
    }

    /// All attributes of an object: what is in its slots, then in its dict.
    pub fn attributes(
        &mut self,
        object: Addr,
        class: &Class,
    ) -> Result<Vec<(String, Addr)>, ObjectError> {
        let mut found = Vec::new();
        for (name, offset) in &class.slots {
            let value = self.memory.read_addr(object.plus(*offset))?;
            let is_known = found.iter().any(|(known, _)| known == name);
            if !value.is_null() && !is_known {
                found.push((name.clone(), value));
            }
        }
        let layout = &self.layout.object;
        let in_dict = objects::attributes(self.memory, layout, object, MAX_ATTRIBUTES)?;
        for (name, value) in in_dict {
            if let Some(name) = self.name_text(name) {
                found.push((name, value));
            }
        }
        Ok(found)
    }

    /// The value of one attribute of an object: in a slot, or in its dict.
    pub fn attribute(&mut self, object: Addr, class: &Class, name: &str) -> Option<Addr> {
        if let Some((_, offset)) = class.slots.iter().find(|(slot, _)| slot == name) {
            let value = self.memory.read_addr(object.plus(*offset)).ok()?;
            return (!value.is_null()).then_some(value);
        }
        objects::attribute(self.memory, &self.layout.object, object, name)
            .ok()
            .flatten()
    }

    /// The same of any object whose type is not known yet.
    pub fn attribute_of(&mut self, object: Addr, name: &str) -> Option<Addr> {
        let class = self.class_of(object).ok()?;
        self.attribute(object, &class, name)
    }

    /// What a class, or one of its bases, has by this name.
    pub fn class_attribute(&mut self, class: &Class, name: &str) -> Option<Addr> {
        class.dicts().find_map(|dict| {
            objects::dict_get(self.memory, &self.layout.object, dict, name)
                .ok()
                .flatten()
        })
    }

    /// Writes `name=value` of some attributes.
    pub fn named_values(&mut self, brackets: (&str, &str), values: &[(String, Addr)]) {
        let count = values.len() as u64;
        let values = match self.is_deep() {
            true => &[],
            false => values,
        };
        let values = values.get(..self.limits.items).unwrap_or(values);
        self.enclosed(brackets, count, "attributes", values, |writer, it| {
            let (name, value) = it;
            writer.push(&format!("{name}="));
            writer.named_value(name, *value);
        });
    }
}
