//! `dict`, in the three forms that it has had.

use super::{ObjectError, field, number_in, read_field, text_equals};
use crate::cpython::layout::{DictLayout, ObjectLayout};
use crate::memory::Memory;
use crate::model::Addr;

const POINTER: u32 = 8;

/// The number of entries that are read at once.
const AT_ONCE: u64 = 64;

/// The number of places that are searched for a key: more modules or attributes than any program has.
const MAX_SEARCH: u64 = 100_000;

/// The value of a key that is a short ASCII `str`, if the dict has it.
///
/// # Errors
/// When the dict cannot be read.
pub fn dict_get<M: Memory>(
    memory: &mut M,
    layout: &ObjectLayout,
    dict: Addr,
    key: &str,
) -> Result<Option<Addr>, ObjectError> {
    let mut entries = dict_entries(memory, layout, dict, MAX_SEARCH)?;
    while let Some(entry) = entries.next(memory) {
        let (found, value) = entry?;
        if text_equals(memory, layout, found, key) {
            return Ok(Some(value));
        }
    }
    Ok(None)
}

/// The entries in the first `max` places of a dict's table.
///
/// # Errors
/// When the object cannot be read or is not a dict.
pub fn dict_entries<M: Memory>(
    memory: &mut M,
    layout: &ObjectLayout,
    dict: Addr,
    max: u64,
) -> Result<DictEntries, ObjectError> {
    match layout.dict {
        DictLayout::Open { mask, table, .. } => {
            let mask = field(memory, dict, mask, "ma_mask")?;
            Ok(DictEntries {
                table: Addr(field(memory, dict, table, "ma_table")?),
                shape: HASH_KEY_VALUE,
                values: None,
                next: 0,
                count: mask.saturating_add(1).min(max),
                read: Vec::new(),
                values_read: Vec::new(),
            })
        }
        DictLayout::Compact { keys, values, .. } | DictLayout::Logarithmic { keys, values, .. } => {
            let keys = Addr(field(memory, dict, keys, "ma_keys")?);
            let values = Addr(field(memory, dict, values, "ma_values")?);
            let values = (!values.is_null()).then_some(values);
            of_keys(memory, layout, keys, values, max)
        }
    }
}

/// The entries of a `PyDictKeysObject` with the values that it holds itself, or with those of a
/// `PyDictValues`.
///
/// # Errors
/// When the object cannot be read or is not what it should be.
pub(super) fn of_keys<M: Memory>(
    memory: &mut M,
    layout: &ObjectLayout,
    keys: Addr,
    values: Option<Addr>,
    max: u64,
) -> Result<DictEntries, ObjectError> {
    let mut header = [0; 64];
    let nonsense = |field, value| ObjectError::Nonsense {
        field,
        object: keys,
        value,
    };
    let (indices, index_bytes, shape, count, first_value) = match layout.dict {
        DictLayout::Open { .. } => return Err(nonsense("ma_keys", keys.0)),
        DictLayout::Compact {
            keys_size,
            keys_count,
            keys_indices,
            ..
        } => {
            let header = header.get_mut(..keys_indices as usize).unwrap_or_default();
            read_field(memory, keys, 0, header, "dk_size")?;
            let size = number_in(header, keys_size, 8);
            let width = match size {
                0..=0xff => 1,
                0x100..=0xffff => 2,
                0x1_0000..=0xffff_ffff => 4,
                _ => return Err(nonsense("dk_size", size)),
            };
            let count = number_in(header, keys_count, 8);
            (keys_indices, size * width, HASH_KEY_VALUE, count, 0)
        }
        DictLayout::Logarithmic {
            log2_index_bytes,
            kind,
            keys_count,
            keys_indices,
            split_values,
            ..
        } => {
            let header = header.get_mut(..keys_indices as usize).unwrap_or_default();
            read_field(memory, keys, 0, header, "dk_kind")?;
            // `DictKeysKind` (Include/internal/pycore_dict.h).
            let shape = match number_in(header, kind, 1) {
                0 => HASH_KEY_VALUE,
                1 | 2 => KEY_VALUE,
                other => return Err(nonsense("dk_kind", other)),
            };
            let log2 = number_in(header, log2_index_bytes, 1);
            // A table of 2^40 bytes does not fit a process.
            if log2 > 40 {
                return Err(nonsense("dk_log2_index_bytes", log2));
            }
            let count = number_in(header, keys_count, 8);
            (keys_indices, 1 << log2, shape, count, split_values)
        }
    };
    Ok(DictEntries {
        table: keys.plus(indices.into()).plus(index_bytes),
        shape,
        values: values.map(|values| values.plus(first_value.into())),
        next: 0,
        count: count.min(max),
        read: Vec::new(),
        values_read: Vec::new(),
    })
}

/// The size of an entry, and the offsets of its key and its value, in bytes.
#[derive(Clone, Copy, Debug)]
struct Shape {
    size: u32,
    key: u32,
    value: u32,
}

const HASH_KEY_VALUE: Shape = Shape {
    size: 3 * POINTER,
    key: POINTER,
    value: 2 * POINTER,
};

const KEY_VALUE: Shape = Shape {
    size: 2 * POINTER,
    key: 0,
    value: POINTER,
};

/// The entries of a dict, as addresses of key and value.
#[derive(Debug)]
pub struct DictEntries {
    table: Addr,
    shape: Shape,
    /// The first value of a split table, which keeps its values apart from its keys.
    values: Option<Addr>,
    /// The place in the table that comes next.
    next: u64,
    count: u64,
    /// What was read ahead, from the last multiple of `AT_ONCE` on: entries of the table, and values
    /// that are kept apart.
    read: Vec<u8>,
    values_read: Vec<u8>,
}

impl DictEntries {
    /// The next entry that is in use.
    pub fn next<M: Memory>(&mut self, memory: &mut M) -> Option<Result<(Addr, Addr), ObjectError>> {
        loop {
            let entry = self.next_place(memory)?;
            match entry {
                Ok((_, key, value)) if key.is_null() || value.is_null() => {}
                Ok((_, key, value)) => return Some(Ok((key, value))),
                Err(error) => return Some(Err(error)),
            }
        }
    }

    /// The next place of the table: its number, the key, and the value; either may be null. After
    /// an error there is nothing more.
    pub(super) fn next_place<M: Memory>(
        &mut self,
        memory: &mut M,
    ) -> Option<Result<(u64, Addr, Addr), ObjectError>> {
        if self.next >= self.count {
            return None;
        }
        let place = self.next;
        let entry = self.entry(memory, place);
        self.next = if entry.is_ok() { place + 1 } else { self.count };
        Some(entry)
    }

    /// The key and the value at one place of the table, by themselves; `None` if it has no such place.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn at<M: Memory>(
        &self,
        memory: &mut M,
        place: u64,
    ) -> Result<Option<(Addr, Addr)>, ObjectError> {
        if place >= self.count {
            return Ok(None);
        }
        let mut bytes = [0; HASH_KEY_VALUE.size as usize];
        let entry = bytes
            .get_mut(..self.shape.size as usize)
            .unwrap_or_default();
        // Where a dict claims more entries than memory has, the place is nonsense, and not readable.
        let offset = |size: u32| place.wrapping_mul(u64::from(size));
        let at = self.table.plus(offset(self.shape.size));
        read_field(memory, at, 0, entry, "dk_entries")?;
        let key = Addr(number_in(entry, self.shape.key, 8));
        let value = match self.values {
            None => Addr(number_in(entry, self.shape.value, 8)),
            Some(values) => Addr(field(memory, values.plus(offset(POINTER)), 0, "values")?),
        };
        Ok(Some((key, value)))
    }

    fn entry<M: Memory>(
        &mut self,
        memory: &mut M,
        place: u64,
    ) -> Result<(u64, Addr, Addr), ObjectError> {
        let size = u64::from(self.shape.size);
        let within = place % AT_ONCE;
        if within == 0 {
            let entries = AT_ONCE.min(self.count - place);
            self.read.resize((entries * size) as usize, 0);
            let first = self.table.plus(place * size);
            read_field(memory, first, 0, &mut self.read, "dk_entries")?;
            if let Some(values) = self.values {
                self.values_read
                    .resize((entries * u64::from(POINTER)) as usize, 0);
                let first = values.plus(place * u64::from(POINTER));
                read_field(memory, first, 0, &mut self.values_read, "values")?;
            }
        }
        let start = (within * size) as u32;
        let key = Addr(number_in(&self.read, start + self.shape.key, 8));
        let value = match self.values {
            None => number_in(&self.read, start + self.shape.value, 8),
            Some(_) => number_in(&self.values_read, within as u32 * POINTER, 8),
        };
        Ok((place, key, Addr(value)))
    }
}
