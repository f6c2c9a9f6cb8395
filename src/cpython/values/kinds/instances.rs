//! Instances of classes that are of no known kind: by their attributes.

use super::functions::old_class_name;
use crate::cpython::objects::{self, ObjectError};
use crate::cpython::values::class::Class;
use crate::cpython::values::writer::{Writer, Written};
use crate::model::Addr;

/// The most attributes that are looked at.
const MAX_ATTRIBUTES: usize = 1000;

/// What makes a class one whose instances are written as a call of it would be (`dataclasses`, attrs).
const BY_FIELDS: [&str; 2] = ["__dataclass_fields__", "__attrs_attrs__"];

impl Writer<'_, '_> {
    /// Writes an instance by its attributes.
    pub fn instance(&mut self, object: Addr, class: &Class) -> Written {
        if class.is_exactly("", "instance") {
            return self.old_instance(object);
        }
        if !class.is_heap_type() {
            self.opaque(object, class);
            return Ok(());
        }
        let is_by_fields = BY_FIELDS.iter().any(|mark| class.has(mark));
        if is_by_fields {
            let attributes = self.attributes(object, class)?;
            let open = format!("{}(", class.short_name());
            self.named_values((&open, ")"), &attributes);
            return Ok(());
        }
        let attributes = match self.shows_attributes() {
            true => self.attributes(object, class)?,
            false => Vec::new(),
        };
        let name = class.full_name();
        self.with_attributes(&format!("<{name} object at {object}"), &attributes);
        Ok(())
    }

    /// Within other values the attributes are left out, unless all is to be shown.
    pub fn shows_attributes(&self) -> bool {
        self.limits.attributes && !self.is_deep() || self.is_outermost()
    }

    /// Writes `<what: name=value, …>`.
    pub fn with_attributes(&mut self, what: &str, attributes: &[(String, Addr)]) {
        self.push(what);
        match attributes.is_empty() {
            true => self.push(">"),
            false => self.named_values((": ", ">"), attributes),
        }
    }

    /// An instance of a class without `object` as a base (2.7).
    fn old_instance(&mut self, object: Addr) -> Written {
        let Some(layout) = self.layout.value.old_style else {
            return Err(ObjectError::Nonsense {
                field: "ob_type",
                object,
                value: 0,
            });
        };
        let class = self.pointer(object, layout.instance_class)?;
        let name = old_class_name(self, class)?;
        let mut attributes = Vec::new();
        if self.shows_attributes() {
            let dict = self.pointer(object, layout.instance_dict)?;
            let places = u64::MAX;
            let mut entries =
                objects::dict_entries(self.memory, &self.layout.object, dict, places)?;
            while attributes.len() < MAX_ATTRIBUTES
                && let Some(entry) = entries.next(self.memory)
            {
                let (key, value) = entry?;
                if let Some(key) = self.name_text(key) {
                    attributes.push((key, value));
                }
            }
        }
        self.with_attributes(&format!("<{name} instance at {object}"), &attributes);
        Ok(())
    }
}
