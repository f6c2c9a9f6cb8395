//! `str`, and the text types of 2.7.

use super::{
    ObjectError, bytes_places, field, number_in, read_field, read_int, read_long, size_field,
};
use crate::cpython::layout::{Layout, ObjectLayout, TextLayout};
use crate::memory::Memory;
use crate::model::{Addr, TargetStr};

/// The character at the end of a text that was cut.
const CUT: char = '…';

/// Bits of `tp_flags`: `Py_TPFLAGS_STRING_SUBCLASS` of 2.7 (`Include/object.h`).
const BYTES_FLAG: u64 = 1 << 27;

/// Reads a `str` (in 2.7 `str` or `unicode`). A text longer than `max_chars` is cut, and ends in an
/// ellipsis.
///
/// # Errors
/// When it cannot be read or is no text.
pub fn read_text<M: Memory>(
    memory: &mut M,
    layout: &ObjectLayout,
    object: Addr,
    max_chars: usize,
) -> Result<TargetStr, ObjectError> {
    match layout.text {
        TextLayout::Compact { .. } => {
            let text = Text::find(memory, layout, object)?;
            let (len, cut) = bounded(text.len, max_chars);
            let bytes = read_long(memory, text.data, len.saturating_mul(text.unit))?;
            Ok(finish(decode(&bytes, text.unit), cut))
        }
        TextLayout::Legacy {
            length,
            pointer,
            unit,
        } => {
            let class = Addr(field(memory, object, layout.ob_type, "ob_type")?);
            if field(memory, class, layout.type_flags, "tp_flags")? & BYTES_FLAG != 0 {
                return read_bytes_text(memory, layout, object, max_chars);
            }
            let found = size_field(memory, object, length, "length")?;
            let (len, cut) = bounded(found, max_chars);
            let unit = if unit == 2 { 2 } else { 4 };
            let data = Addr(field(memory, object, pointer, "str")?);
            let bytes = read_long(memory, data, len.saturating_mul(unit))?;
            Ok(finish(decode_legacy(&bytes, unit), cut))
        }
    }
}

/// The beginning of a `str` (in 2.7 of a `unicode`): code points, surrogates among them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Beginning {
    pub points: Vec<u32>,
    /// How many the whole text has.
    pub len: u64,
}

/// Reads the first `max` characters of a `str` (in 2.7 of a `unicode`).
///
/// # Errors
/// When it cannot be read or is no text.
pub fn read_beginning<M: Memory>(
    memory: &mut M,
    layout: &ObjectLayout,
    object: Addr,
    max: usize,
) -> Result<Beginning, ObjectError> {
    match layout.text {
        TextLayout::Compact { .. } => {
            let text = Text::find(memory, layout, object)?;
            let (len, _) = bounded(text.len, max);
            let bytes = read_long(memory, text.data, len.saturating_mul(text.unit))?;
            Ok(Beginning {
                points: decode(&bytes, text.unit),
                len: text.len,
            })
        }
        TextLayout::Legacy {
            length,
            pointer,
            unit,
        } => {
            let found = size_field(memory, object, length, "length")?;
            let (len, _) = bounded(found, max);
            let unit = if unit == 2 { 2 } else { 4 };
            let data = Addr(field(memory, object, pointer, "str")?);
            let bytes = read_long(memory, data, len.saturating_mul(unit))?;
            Ok(Beginning {
                points: decode_legacy(&bytes, unit),
                len: found,
            })
        }
    }
}

/// Where the length and the characters of a `str` (in 2.7 of a `str`, not a `unicode`) lie: addresses and
/// lengths in bytes.
///
/// # Errors
/// When it cannot be read or is no text.
pub fn text_places<M: Memory>(
    memory: &mut M,
    layout: &ObjectLayout,
    object: Addr,
) -> Result<[(Addr, u64); 2], ObjectError> {
    let TextLayout::Compact { length, .. } = layout.text else {
        return bytes_places(memory, layout, object);
    };
    let text = Text::find(memory, layout, object)?;
    let len = text.len.saturating_mul(text.unit as u64);
    Ok([(object.plus(length.into()), 8), (text.data, len)])
}

/// Whether a dict's key is the text `wanted`, an ASCII identifier. Takes one read.
pub fn text_equals<M: Memory>(
    memory: &mut M,
    layout: &ObjectLayout,
    object: Addr,
    wanted: &str,
) -> bool {
    let data = match layout.text {
        TextLayout::Compact { ascii_data, .. } => ascii_data,
        TextLayout::Legacy { .. } => layout.bytes.data,
    };
    let mut bytes = [0; 256];
    let Some(bytes) = bytes.get_mut(..(data as usize).saturating_add(wanted.len())) else {
        return false;
    };
    // A text of this length has all these bytes; if they cannot be read, the key is a shorter text.
    if memory.read(object, bytes).is_err() {
        return false;
    }
    let (size, is_plain) = match layout.text {
        TextLayout::Compact {
            length,
            state,
            compact_bit,
            ascii_bit,
            ..
        } => {
            let state = number_in(bytes, state, 4);
            let plain = 1 << compact_bit | 1 << ascii_bit;
            (length, state & plain == plain)
        }
        TextLayout::Legacy { .. } => (layout.bytes.size, true),
    };
    is_plain
        && number_in(bytes, size, 8) == wanted.len() as u64
        && bytes.get(data as usize..) == Some(wanted.as_bytes())
}

/// The layout of objects, completed for 2.7 by the width of a `unicode` character, which was chosen when
/// that Python was built. Its `sys.maxunicode` tells. Other layouts are returned as they are.
///
/// # Errors
/// When it cannot be read.
pub fn with_unicode_unit<M: Memory>(
    memory: &mut M,
    layout: &Layout,
    interpreter: Addr,
) -> Result<ObjectLayout, ObjectError> {
    let mut objects = layout.object.clone();
    if let TextLayout::Legacy { unit, .. } = &mut objects.text {
        let sys = memory.read_addr(interpreter.plus(layout.interpreter.sysdict.into()))?;
        let largest = super::dict_get(memory, &layout.object, sys, "maxunicode")?;
        if let Some(largest) = largest {
            let largest = read_int(memory, &layout.object, largest)?;
            *unit = if largest == 0xffff { 2 } else { 4 };
        }
    }
    Ok(objects)
}

/// Where the characters of a PEP 393 text are.
struct Text {
    /// In characters.
    len: u64,
    data: Addr,
    /// Bytes per character: 1, 2 or 4.
    unit: usize,
}

impl Text {
    fn find<M: Memory>(
        memory: &mut M,
        layout: &ObjectLayout,
        object: Addr,
    ) -> Result<Text, ObjectError> {
        let TextLayout::Compact {
            length,
            state,
            kind_shift,
            compact_bit,
            ascii_bit,
            ascii_data,
            other_data,
            pointer,
            ..
        } = layout.text
        else {
            return Err(ObjectError::Nonsense {
                field: "state",
                object,
                value: 0,
            });
        };
        // Not more than the shortest text has.
        let mut header = [0; 64];
        let header = header.get_mut(..ascii_data as usize).unwrap_or_default();
        read_field(memory, object, 0, header, "state")?;
        let len = number_in(header, length, 8);
        if len.cast_signed() < 0 {
            return Err(ObjectError::Nonsense {
                field: "length",
                object,
                value: len,
            });
        }
        let bits = number_in(header, state, 4);
        let is = |bit: u8| bits.checked_shr(bit.into()).unwrap_or(0) & 1 != 0;
        // 0 is PyUnicode_WCHAR_KIND, a text of the old C API that nothing has looked at yet (until
        // 3.11).
        let unit = match bits.checked_shr(kind_shift.into()).unwrap_or(0) & 7 {
            kind @ (1 | 2 | 4) => kind as usize,
            _ => {
                return Err(ObjectError::Nonsense {
                    field: "state",
                    object,
                    value: bits,
                });
            }
        };
        let data = match (is(compact_bit), is(ascii_bit)) {
            (true, true) => object.plus(ascii_data.into()),
            (true, false) => object.plus(other_data.into()),
            (false, _) => Addr(field(memory, object, pointer, "data")?),
        };
        Ok(Text { len, data, unit })
    }
}

fn read_bytes_text<M: Memory>(
    memory: &mut M,
    layout: &ObjectLayout,
    object: Addr,
    max: usize,
) -> Result<TargetStr, ObjectError> {
    let found = size_field(memory, object, layout.bytes.size, "ob_size")?;
    let (len, cut) = bounded(found, max);
    let mut bytes = read_long(memory, object.plus(layout.bytes.data.into()), len)?;
    if cut {
        // The text must not be cut in the middle of a character.
        let surplus = bytes.utf8_chunks().last().map_or(0, |last| {
            let incomplete = last.invalid();
            if incomplete.len() < 4 {
                incomplete.len()
            } else {
                0
            }
        });
        bytes.truncate(bytes.len().saturating_sub(surplus));
        bytes.extend(CUT.encode_utf8(&mut [0; 4]).bytes());
    }
    Ok(TargetStr::from_bytes(&bytes))
}

/// How much of a text of `found` characters is read, and whether that cuts it.
fn bounded(found: u64, max: usize) -> (usize, bool) {
    match usize::try_from(found) {
        Ok(len) if len <= max => (len, false),
        _ => (max, true),
    }
}

fn finish(mut text: Vec<u32>, cut: bool) -> TargetStr {
    if cut {
        text.push(CUT.into());
    }
    TargetStr::from_code_points(text)
}

/// Decodes code points of 1, 2 or 4 bytes each.
fn decode(bytes: &[u8], unit: usize) -> Vec<u32> {
    let points = bytes.chunks_exact(unit);
    points
        .map(|point| u32::try_from(number_in(point, 0, unit)).unwrap_or(u32::MAX))
        .collect()
}

/// Decodes a `unicode` of 2.7: UTF-16 in narrow builds, code points in wide ones.
fn decode_legacy(bytes: &[u8], unit: usize) -> Vec<u32> {
    if unit == 4 {
        return decode(bytes, unit);
    }
    let units = bytes
        .chunks_exact(2)
        .map(|unit| number_in(unit, 0, 2) as u16);
    char::decode_utf16(units)
        .map(|point| match point {
            Ok(char) => char.into(),
            Err(lone) => lone.unpaired_surrogate().into(),
        })
        .collect()
}
