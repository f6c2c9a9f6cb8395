//! Python's objects, read from outside: texts, bytes, ints, dicts, attributes.
//!
//! Whatever the target claims, nothing here allocates more than the caller's bound, reads without
//! end or panics: lengths are checked before they are used, and a value that makes no sense is an
//! [`ObjectError`] that names the field.

mod attribute;
mod dict;
mod text;

pub use attribute::{AttributeReader, KnownAttribute, attribute, attributes};
#[cfg(any(test, feature = "internals"))]
pub use dict::DictEntries;
pub use dict::{dict_entries, dict_get};
pub use text::{read_beginning, read_text, text_equals, text_places, with_unicode_unit};

use super::layout::{BytesLayout, IntLayout, ObjectLayout};
use super::words::word;
use crate::memory::{Fault, Memory};
use crate::model::Addr;
#[cfg(any(test, feature = "internals"))]
use crate::model::TargetStr;

/// Why an object could not be read.
#[derive(thiserror::Error, Clone, Copy, PartialEq, Eq, Debug)]
pub enum ObjectError {
    #[error(transparent)]
    Unreadable(#[from] Fault),
    #[error("{field} of the object at {object}: {fault}")]
    UnreadableField {
        field: &'static str,
        object: Addr,
        fault: Fault,
    },
    #[error("{field} of the object at {object} is {value:#x}, which cannot be")]
    Nonsense {
        field: &'static str,
        object: Addr,
        value: u64,
    },
    #[error("the object at {object} has {len} bytes, more than the {max} that are read")]
    TooLong { object: Addr, len: u64, max: usize },
}

/// Long contents are read in pieces of this many bytes, so that a length that the target made up does
/// not cost more memory than one piece beyond what can be read.
const PIECE: usize = 1 << 16;

/// The contents of a `bytes` (in 2.7 a `str`) of at most `max` bytes.
///
/// # Errors
/// When it cannot be read or is longer.
pub fn read_bytes<M: Memory>(
    memory: &mut M,
    layout: &ObjectLayout,
    object: Addr,
    max: usize,
) -> Result<Vec<u8>, ObjectError> {
    let size = size_field(memory, object, layout.bytes.size, "ob_size")?;
    match usize::try_from(size) {
        Ok(len) if len <= max => Ok(read_long(
            memory,
            object.plus(layout.bytes.data.into()),
            len,
        )?),
        _ => Err(ObjectError::TooLong {
            object,
            len: size,
            max,
        }),
    }
}

/// The first `max` bytes of a `bytes` (in 2.7 a `str`), and how many it has.
///
/// # Errors
/// When it cannot be read.
pub fn read_bytes_beginning<M: Memory>(
    memory: &mut M,
    layout: &ObjectLayout,
    object: Addr,
    max: usize,
) -> Result<(Vec<u8>, u64), ObjectError> {
    let size = size_field(memory, object, layout.bytes.size, "ob_size")?;
    let len = usize::try_from(size).unwrap_or(usize::MAX).min(max);
    let data = object.plus(layout.bytes.data.into());
    Ok((read_long(memory, data, len)?, size))
}

/// Where the size and the contents of a `bytes` (in 2.7 a `str`) lie: addresses and lengths in bytes.
///
/// # Errors
/// When its size cannot be read.
pub fn bytes_places<M: Memory>(
    memory: &mut M,
    layout: &ObjectLayout,
    object: Addr,
) -> Result<[(Addr, u64); 2], ObjectError> {
    let BytesLayout { size, data } = layout.bytes;
    let len = size_field(memory, object, size, "ob_size")?;
    Ok([
        (object.plus(size.into()), 8),
        (object.plus(data.into()), len),
    ])
}

/// The value of an `int` that fits an i64.
///
/// # Errors
/// When it cannot be read or does not fit.
pub fn read_int<M: Memory>(
    memory: &mut M,
    layout: &ObjectLayout,
    object: Addr,
) -> Result<i64, ObjectError> {
    if let IntLayout::Long { value } = layout.int {
        return Ok(field(memory, object, value, "ob_ival")?.cast_signed());
    }
    // An i64 has at most three digits.
    let int = read_digits(memory, layout, object, 3)?;
    let value = int.digits.iter().rev();
    let value = value.fold(0_i128, |high, digit| high << 30 | i128::from(*digit));
    let value = if int.is_negative { -value } else { value };
    i64::try_from(value).map_err(|_| ObjectError::Nonsense {
        field: "ob_digit",
        object,
        value: int.digits.len() as u64,
    })
}

/// An `int` (in 2.7 a `long`) as CPython has it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Digits {
    pub is_negative: bool,
    /// Of 30 bits each (`PYLONG_BITS_IN_DIGIT` of 64-bit builds), the lowest first.
    pub digits: Vec<u32>,
}

/// The digits of an `int` (in 2.7 of a `long`) that has no more than `max`.
///
/// # Errors
/// When it cannot be read; [`ObjectError::TooLong`] when it has more.
pub fn read_digits<M: Memory>(
    memory: &mut M,
    layout: &ObjectLayout,
    object: Addr,
    max: usize,
) -> Result<Digits, ObjectError> {
    let (count, is_negative, digits) = match layout.int {
        IntLayout::Tagged { tag, digits } => {
            let tag = field(memory, object, tag, "lv_tag")?;
            let sign = tag & 3;
            (if sign == 1 { 0 } else { tag >> 3 }, sign == 2, digits)
        }
        IntLayout::Signed { .. } | IntLayout::Long { .. } => {
            // A `long` of 2.7 has the fields that an `int` has until 3.11.
            let (count, digits) = match layout.int {
                IntLayout::Signed { count, digits } => (count, digits),
                _ => (layout.bytes.size, layout.bytes.size + 8),
            };
            let size = field(memory, object, count, "ob_size")?.cast_signed();
            (size.unsigned_abs(), size < 0, digits)
        }
    };
    let used = usize::try_from(count).ok().filter(|used| *used <= max);
    let Some(used) = used else {
        return Err(ObjectError::TooLong {
            object,
            len: count.saturating_mul(4),
            max: max.saturating_mul(4),
        });
    };
    let bytes = read_long(memory, object.plus(digits.into()), used.saturating_mul(4))?;
    let digits = bytes.chunks_exact(4);
    Ok(Digits {
        is_negative,
        digits: digits.map(|digit| number_in(digit, 0, 4) as u32).collect(),
    })
}

#[cfg(any(test, feature = "internals"))]
/// The name of an object's type, as `tp_name` has it: with the module's name in front for types
/// that are written in C.
///
/// # Errors
/// When it cannot be read.
pub fn type_name<M: Memory>(
    memory: &mut M,
    layout: &ObjectLayout,
    object: Addr,
) -> Result<TargetStr, ObjectError> {
    /// The most that is read of a name, in bytes.
    const MAX: usize = 256;
    let class = Addr(field(memory, object, layout.ob_type, "ob_type")?);
    let name = Addr(field(memory, class, layout.type_name, "tp_name")?);
    Ok(TargetStr::from_bytes(&read_c_string(memory, name, MAX)?))
}

/// The bytes before a zero, or the first `max`. Reads in pieces that do not cross the end of a page,
/// since the page after the text may not be mapped.
///
/// # Errors
/// When they cannot be read.
pub fn read_c_string<M: Memory>(memory: &mut M, at: Addr, max: usize) -> Result<Vec<u8>, Fault> {
    const AT_ONCE: u64 = 64;
    let mut text = Vec::new();
    while text.len() < max {
        let from = at.plus(text.len() as u64);
        let piece = AT_ONCE - from.0 % AT_ONCE;
        let mut bytes = [0; AT_ONCE as usize];
        let bytes = bytes.get_mut(..piece as usize).unwrap_or_default();
        memory.read(from, bytes)?;
        let end = bytes.iter().position(|byte| *byte == 0);
        text.extend(bytes.iter().take(end.unwrap_or(bytes.len())));
        if end.is_some() {
            break;
        }
    }
    text.truncate(max);
    Ok(text)
}

/// Reads `len` bytes, piece by piece. The caller has to make sure that `len` is not too large to keep.
fn read_long<M: Memory>(memory: &mut M, at: Addr, len: usize) -> Result<Vec<u8>, Fault> {
    let mut bytes = Vec::new();
    while bytes.len() < len {
        let done = bytes.len();
        bytes.resize(len.min(done.saturating_add(PIECE)), 0);
        let piece = bytes.get_mut(done..).unwrap_or_default();
        memory.read(at.plus(done as u64), piece)?;
    }
    Ok(bytes)
}

/// A 64-bit word of an object.
fn field<M: Memory>(
    memory: &mut M,
    object: Addr,
    offset: u32,
    field: &'static str,
) -> Result<u64, ObjectError> {
    let mut bytes = [0; 8];
    read_field(memory, object, offset, &mut bytes, field)?;
    Ok(word(&bytes, 0))
}

/// A size in an object; if it is negative, the object is not what it was taken for.
fn size_field<M: Memory>(
    memory: &mut M,
    object: Addr,
    offset: u32,
    name: &'static str,
) -> Result<u64, ObjectError> {
    let value = field(memory, object, offset, name)?;
    if value.cast_signed() < 0 {
        return Err(ObjectError::Nonsense {
            field: name,
            object,
            value,
        });
    }
    Ok(value)
}

/// Some bytes of an object.
fn read_field<M: Memory>(
    memory: &mut M,
    object: Addr,
    offset: u32,
    into: &mut [u8],
    field: &'static str,
) -> Result<(), ObjectError> {
    memory
        .read(object.plus(offset.into()), into)
        .map_err(|fault| ObjectError::UnreadableField {
            field,
            object,
            fault,
        })
}

/// The little-endian number in the first bytes of `bytes` from `at` on; 0 beyond their end.
fn number_in(bytes: &[u8], at: u32, width: usize) -> u64 {
    bytes
        .get(at as usize..)
        .unwrap_or_default()
        .iter()
        .take(width)
        .rev()
        .fold(0, |high, byte| high << 8 | u64::from(*byte))
}
