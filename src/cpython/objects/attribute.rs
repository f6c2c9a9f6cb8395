//! Attributes of instances: what `object.__dict__` holds, or would hold.
//!
//! Attributes of types, slots and properties are no instance attributes, and are not looked for.

use super::dict::of_keys;
use super::{ObjectError, dict_entries, field, text_equals};
use crate::cpython::layout::{AttributeSource, ObjectLayout};
use crate::memory::Memory;
use crate::model::Addr;

/// The number of places that are searched for a name in one object.
const MAX_SEARCH: u64 = 100_000;

/// The value of one attribute of one object, if it has it.
///
/// # Errors
/// When the object cannot be read.
pub fn attribute<M: Memory>(
    memory: &mut M,
    layout: &ObjectLayout,
    object: Addr,
    name: &str,
) -> Result<Option<Addr>, ObjectError> {
    AttributeReader::new(layout, name).read(memory, object)
}

/// Reads the same attribute of many objects, and remembers what it finds out about their type.
#[derive(Debug)]
pub struct AttributeReader<'a> {
    layout: &'a ObjectLayout,
    name: &'a str,
    known: KnownAttribute,
}

/// What was found out about an attribute while it was read of other objects, so that it is found with few
/// reads. It is of one process and one name.
#[derive(Clone, Copy, Default, Debug)]
pub struct KnownAttribute {
    /// The type of the last object.
    class: Option<Class>,
    /// The text object of the name, once it was found. Since names are interned, every key that is the
    /// same name is this very object.
    interned: Option<Addr>,
    /// Its place in the dict in which it was found last. Dicts of objects of one class are filled alike.
    in_dict: Option<u64>,
}

/// What a type tells about where its instances keep their attributes.
#[derive(Clone, Copy, Debug)]
struct Class {
    at: Addr,
    storage: Storage,
    /// The place of the attribute among the values of instances that share the names of their
    /// attributes (`ht_cached_keys`), once it is known.
    place: Option<u64>,
}

/// Where instances of a type keep their attributes; offsets are from the object's start, in bytes.
#[derive(Clone, Copy, Debug)]
enum Storage {
    /// In a dict, to which there is a pointer.
    Dict(i64),
    /// In 3.11: in values or in a dict, with a pointer to each.
    ValuesOrDict { values: i64, dict: i64 },
    /// In 3.12: in values or in a dict, with one word that points to either.
    Tagged(i64),
    /// From 3.13 on: in values within the object or, if these are not valid, in a dict.
    Inline { values: i64, valid: i64, dict: i64 },
    /// In a dict, to which there is a pointer behind the items of an object of variable size, such as an
    /// instance of a subclass of tuple: that far from its end.
    DictBehindItems { size: i64, item: i64, from_end: i64 },
    /// Instances of this type have no attributes of their own.
    Nowhere,
}

/// All attributes of one object, as addresses of name and value; no more than the first `max`.
///
/// # Errors
/// When the object cannot be read.
pub fn attributes<M: Memory>(
    memory: &mut M,
    layout: &ObjectLayout,
    object: Addr,
    max: usize,
) -> Result<Vec<(Addr, Addr)>, ObjectError> {
    let class = Addr(field(memory, object, layout.ob_type, "ob_type")?);
    let storage = AttributeReader::new(layout, "").storage_of(memory, class)?;
    let mut found = Vec::new();
    match storage.place(memory, layout, object)? {
        Placed::Nowhere | Placed::Dict(Addr::NULL) => {}
        Placed::Dict(dict) => {
            let mut entries = dict_entries(memory, layout, dict, MAX_SEARCH)?;
            while found.len() < max
                && let Some(entry) = entries.next(memory)
            {
                found.push(entry?);
            }
        }
        Placed::Values(values) => {
            let Some(cached_keys) = layout.type_cached_keys else {
                return Ok(found);
            };
            let keys = Addr(field(memory, class, cached_keys, "ht_cached_keys")?);
            let mut entries = of_keys(memory, layout, keys, Some(values), MAX_SEARCH)?;
            while found.len() < max
                && let Some(entry) = entries.next(memory)
            {
                found.push(entry?);
            }
        }
    }
    Ok(found)
}

/// Where the attributes of one object are.
enum Placed {
    /// In the dict at this address, which is null if it was not made yet.
    Dict(Addr),
    /// In the values at this address, by the type's shared keys.
    Values(Addr),
    Nowhere,
}

impl Storage {
    fn place<M: Memory>(
        self,
        memory: &mut M,
        layout: &ObjectLayout,
        object: Addr,
    ) -> Result<Placed, ObjectError> {
        let mut word = |offset: i64| {
            let at = Addr(object.0.wrapping_add_signed(offset));
            field(memory, at, 0, "__dict__").map(Addr)
        };
        Ok(match self {
            Storage::Nowhere => Placed::Nowhere,
            Storage::Dict(offset) => Placed::Dict(word(offset)?),
            Storage::ValuesOrDict { values, dict } => match word(values)? {
                Addr::NULL => Placed::Dict(word(dict)?),
                values => Placed::Values(values),
            },
            Storage::Tagged(offset) => match word(offset)? {
                // `_PyDictOrValues_GetValues` (Include/internal/pycore_object.h of 3.12).
                Addr(tagged) if tagged & 1 != 0 => Placed::Values(Addr(tagged.wrapping_add(1))),
                dict => Placed::Dict(dict),
            },
            Storage::Inline {
                values,
                valid,
                dict,
            } => match word(valid)?.0 & 0xff {
                0 => Placed::Dict(word(dict)?),
                _ => Placed::Values(Addr(object.0.wrapping_add_signed(values))),
            },
            // `_PyObject_GetDictPtr` (Objects/object.c of 3.11 and before).
            Storage::DictBehindItems {
                size,
                item,
                from_end,
            } => {
                let items = word(layout.bytes.size.into())?
                    .0
                    .cast_signed()
                    .unsigned_abs();
                let items = items.min(i64::MAX as u64).cast_signed();
                let end = size.saturating_add(items.saturating_mul(item));
                let end = end.saturating_add(7) & !7;
                Placed::Dict(word(end.saturating_add(from_end))?)
            }
        })
    }
}

impl<'a> AttributeReader<'a> {
    #[must_use]
    pub fn new(layout: &'a ObjectLayout, name: &'a str) -> AttributeReader<'a> {
        AttributeReader::with(layout, name, KnownAttribute::default())
    }

    /// With what was found out about the attribute before.
    #[must_use]
    pub fn with(
        layout: &'a ObjectLayout,
        name: &'a str,
        known: KnownAttribute,
    ) -> AttributeReader<'a> {
        AttributeReader {
            layout,
            name,
            known,
        }
    }

    /// What is known of the attribute by now.
    #[must_use]
    pub fn known(&self) -> KnownAttribute {
        self.known
    }

    /// The value of the attribute, if `object` has it.
    ///
    /// # Errors
    /// When the object cannot be read.
    pub fn read<M: Memory>(
        &mut self,
        memory: &mut M,
        object: Addr,
    ) -> Result<Option<Addr>, ObjectError> {
        let class = Addr(field(memory, object, self.layout.ob_type, "ob_type")?);
        let storage = match self.known.class {
            Some(known) if known.at == class => known.storage,
            _ => {
                let storage = self.storage_of(memory, class)?;
                self.known.class = Some(Class {
                    at: class,
                    storage,
                    place: None,
                });
                storage
            }
        };
        match storage.place(memory, self.layout, object)? {
            Placed::Nowhere => Ok(None),
            Placed::Dict(dict) => self.in_dict(memory, dict),
            Placed::Values(values) => self.in_values(memory, class, values),
        }
    }

    fn storage_of<M: Memory>(&self, memory: &mut M, class: Addr) -> Result<Storage, ObjectError> {
        let layout = self.layout;
        let flags = field(memory, class, layout.type_flags, "tp_flags")?;
        let has = |bit: u8| flags.checked_shr(bit.into()).unwrap_or(0) & 1 != 0;
        match layout.attributes {
            AttributeSource::ManagedPair {
                values,
                dict,
                managed_flag,
            } if has(managed_flag) => Ok(Storage::ValuesOrDict {
                values: values.into(),
                dict: dict.into(),
            }),
            AttributeSource::ManagedTagged { word, managed_flag } if has(managed_flag) => {
                Ok(Storage::Tagged(word.into()))
            }
            AttributeSource::Inline {
                dict,
                managed_flag,
                inline_flag,
                valid,
            } if has(managed_flag) => {
                if !has(inline_flag) {
                    return Ok(Storage::Dict(dict.into()));
                }
                let size = field(memory, class, layout.type_basicsize, "tp_basicsize")?;
                let values = size.cast_signed();
                Ok(Storage::Inline {
                    values,
                    valid: values.wrapping_add(valid.into()),
                    dict: dict.into(),
                })
            }
            _ => {
                let mut word = |offset: u32, name| -> Result<i64, ObjectError> {
                    Ok(field(memory, class, offset, name)?.cast_signed())
                };
                // Up to 3.11, a negative offset counts from the end of an object of variable size.
                Ok(match word(layout.type_dictoffset, "tp_dictoffset")? {
                    offset @ 1.. => Storage::Dict(offset),
                    0 => Storage::Nowhere,
                    from_end => Storage::DictBehindItems {
                        size: word(layout.type_basicsize, "tp_basicsize")?,
                        // `tp_itemsize` follows it.
                        item: word(layout.type_basicsize + 8, "tp_itemsize")?,
                        from_end,
                    },
                })
            }
        }
    }

    fn in_dict<M: Memory>(
        &mut self,
        memory: &mut M,
        dict: Addr,
    ) -> Result<Option<Addr>, ObjectError> {
        if dict.is_null() {
            return Ok(None);
        }
        let mut entries = dict_entries(memory, self.layout, dict, MAX_SEARCH)?;
        if let (Some(place), Some(interned)) = (self.known.in_dict, self.known.interned)
            && let Some((key, value)) = entries.at(memory, place)?
            && key == interned
            && !value.is_null()
        {
            return Ok(Some(value));
        }
        while let Some(entry) = entries.next_place(memory) {
            let (place, key, value) = entry?;
            if !key.is_null() && !value.is_null() && self.is_name(memory, key) {
                self.known.in_dict = Some(place);
                return Ok(Some(value));
            }
        }
        Ok(None)
    }

    /// Looks among values that are in the order of the type's shared keys.
    fn in_values<M: Memory>(
        &mut self,
        memory: &mut M,
        class: Addr,
        values: Addr,
    ) -> Result<Option<Addr>, ObjectError> {
        let known = self.known.class.and_then(|class| class.place);
        let place = match known {
            Some(place) => Some(place),
            None => self.place_in(memory, class)?,
        };
        let Some(place) = place else {
            return Ok(None);
        };
        if let Some(class) = &mut self.known.class {
            class.place = Some(place);
        }
        let first = values.plus(self.layout.dict.first_value().into());
        let value = field(memory, first.plus(place.wrapping_mul(8)), 0, "values")?;
        Ok((value != 0).then_some(Addr(value)))
    }

    fn place_in<M: Memory>(
        &mut self,
        memory: &mut M,
        class: Addr,
    ) -> Result<Option<u64>, ObjectError> {
        let Some(cached_keys) = self.layout.type_cached_keys else {
            return Ok(None);
        };
        let keys = Addr(field(memory, class, cached_keys, "ht_cached_keys")?);
        let mut entries = of_keys(memory, self.layout, keys, None, MAX_SEARCH)?;
        while let Some(entry) = entries.next_place(memory) {
            let (place, key, _) = entry?;
            if !key.is_null() && self.is_name(memory, key) {
                return Ok(Some(place));
            }
        }
        Ok(None)
    }

    fn is_name<M: Memory>(&mut self, memory: &mut M, key: Addr) -> bool {
        if let Some(interned) = self.known.interned {
            // Names that are written in a program are interned, so this finds them. A name that was
            // made at run time is not interned, and is not found.
            return interned == key;
        }
        let equal = text_equals(memory, self.layout, key, self.name);
        if equal {
            self.known.interned = Some(key);
        }
        equal
    }
}
