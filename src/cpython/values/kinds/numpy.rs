//! numpy's arrays and scalars: type, shape and first values.
//!
//! The structures are part of numpy's ABI (`PyArrayObject_fields`, `PyArray_Descr` and `NPY_TYPES` in
//! numpy/core/include/numpy/ndarraytypes.h), and the same in numpy 1 and 2 but for a type's size.

use super::Kind;
use crate::cpython::objects::ObjectError;
use crate::cpython::values::class::{Builtin, Class};
use crate::cpython::values::notation;
use crate::cpython::values::writer::{Writer, Written};
use crate::memory::Memory;
use crate::model::Addr;

pub const KINDS: &[Kind] = &[
    Kind {
        is: |class| class.is("numpy", "ndarray"),
        write: array,
    },
    Kind {
        is: |class| {
            class.is("numpy", "generic")
                && !class.derives(Builtin::Text)
                && !class.derives(Builtin::Bytes)
        },
        write: scalar,
    },
    Kind {
        is: |class| class.is("numpy", "dtype"),
        write: |writer, object, _| {
            let kind = ElementType::read(writer, object)?;
            writer.push(&format!("dtype('{}')", kind.name()));
            Ok(())
        },
    },
];

/// More dimensions no array has (`NPY_MAXDIMS` of numpy 2).
const MAX_DIMENSIONS: u32 = 64;

/// Behind the head of an array: data, number of dimensions, their lengths, their strides, type.
const DATA: u32 = 0;
const DIMENSIONS: u32 = 8;
const LENGTHS: u32 = 16;
const STRIDES: u32 = 24;
const TYPE: u32 = 40;

/// The longest text of an element that is read, in bytes.
const MAX_TEXT: u64 = 4096;

/// The type of an array's elements.
#[derive(Clone, Copy)]
struct ElementType {
    /// One of `NPY_TYPES`.
    number: u32,
    is_swapped: bool,
    /// In bytes.
    size: u64,
}

/// How an element is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Bool,
    Signed(usize),
    Unsigned(usize),
    Half,
    Float,
    Double,
    LongDouble,
    ComplexFloats,
    ComplexDoubles,
    Object,
    Bytes,
    Text,
    /// Times and records, of which no values are shown.
    Other,
}

/// Of the x87 on x86-64 alone.
const LONG_DOUBLE: Form = match cfg!(target_arch = "x86_64") {
    true => Form::LongDouble,
    false => Form::Other,
};

/// Names and forms by number.
const TYPES: [(&str, Form); 24] = [
    ("bool", Form::Bool),
    ("int8", Form::Signed(1)),
    ("uint8", Form::Unsigned(1)),
    ("int16", Form::Signed(2)),
    ("uint16", Form::Unsigned(2)),
    ("int32", Form::Signed(4)),
    ("uint32", Form::Unsigned(4)),
    ("int64", Form::Signed(8)),
    ("uint64", Form::Unsigned(8)),
    ("longlong", Form::Signed(8)),
    ("ulonglong", Form::Unsigned(8)),
    ("float32", Form::Float),
    ("float64", Form::Double),
    ("longdouble", LONG_DOUBLE),
    ("complex64", Form::ComplexFloats),
    ("complex128", Form::ComplexDoubles),
    ("clongdouble", Form::Other),
    ("object", Form::Object),
    ("bytes", Form::Bytes),
    ("str", Form::Text),
    ("void", Form::Other),
    ("datetime64", Form::Other),
    ("timedelta64", Form::Other),
    ("float16", Form::Half),
];

impl ElementType {
    fn read(writer: &mut Writer<'_, '_>, descr: Addr) -> Result<ElementType, ObjectError> {
        // `typeobj`, `kind`, `type`, `byteorder`, one more byte, `type_num`.
        let head = writer.head();
        let word = writer.word(descr, head + 8)?;
        let order = (word >> 16) as u8;
        // In numpy 1 size and alignment follow, an int each; in numpy 2 flags, which fit an int, then the size.
        let next = writer.word(descr, head + 16)?;
        let size = match next >> 32 {
            0 => writer.word(descr, head + 24)?,
            _ => next & 0xffff_ffff,
        };
        Ok(ElementType {
            number: (word >> 32) as u32,
            is_swapped: order == b'>',
            size,
        })
    }

    fn known(self) -> Option<&'static (&'static str, Form)> {
        TYPES.get(self.number as usize)
    }

    fn name(self) -> &'static str {
        self.known().map_or("void", |(name, _)| name)
    }

    fn form(self) -> Form {
        self.known().map_or(Form::Other, |(_, form)| *form)
    }
}

/// `<numpy.ndarray int32 (2, 3): [0, 1, 2, 3, 4, 5]>`; the values in the order of C.
fn array(writer: &mut Writer<'_, '_>, object: Addr, class: &Class) -> Written {
    let head = writer.head();
    let dimensions = writer.word(object, head + DIMENSIONS)? as u32;
    if dimensions > MAX_DIMENSIONS {
        return Err(ObjectError::Nonsense {
            field: "nd",
            object,
            value: dimensions.into(),
        });
    }
    let descr = writer.pointer(object, head + TYPE)?;
    let element = ElementType::read(writer, descr)?;
    let lengths = words(writer, object, head + LENGTHS, dimensions)?;
    let strides = words(writer, object, head + STRIDES, dimensions)?;
    let count = lengths
        .iter()
        .fold(1, |all: u64, len| all.saturating_mul(*len));
    let shape: Vec<String> = lengths.iter().map(u64::to_string).collect();
    let comma = if dimensions == 1 { "," } else { "" };
    let shape = format!("({}{comma})", shape.join(", "));
    writer.push(&format!(
        "<{} {} {shape}",
        class.full_name(),
        element.name()
    ));
    if element.form() != Form::Other {
        writer.push(": ");
        let data = writer.pointer(object, head + DATA)?;
        let shown = writer.shown(count);
        let places: Vec<Addr> = (0..shown as u64)
            .map(|index| data.plus(offset_of(index, &lengths, &strides)))
            .collect();
        writer.enclosed(("[", "]"), count, "values", &places, |writer, at| {
            let read = element_at(writer, *at, element);
            if read.is_err() {
                writer.push("?");
            }
        });
    }
    writer.push(">");
    Ok(())
}

fn words(
    writer: &mut Writer<'_, '_>,
    object: Addr,
    pointer: u32,
    count: u32,
) -> Result<Vec<u64>, ObjectError> {
    if count == 0 {
        return Ok(Vec::new());
    }
    let at = writer.pointer(object, pointer)?;
    let bytes = writer.memory.read_vec(at, count as usize * 8)?;
    Ok(bytes.chunks_exact(8).map(number).collect())
}

/// Where the element of this number is, in bytes from the first; strides may be negative.
fn offset_of(index: u64, lengths: &[u64], strides: &[u64]) -> u64 {
    let mut rest = index;
    let mut offset = 0_u64;
    for (len, stride) in lengths.iter().zip(strides).rev() {
        let len = (*len).max(1);
        offset = offset.wrapping_add((rest % len).wrapping_mul(*stride));
        rest /= len;
    }
    offset
}

fn element_at(writer: &mut Writer<'_, '_>, at: Addr, element: ElementType) -> Written {
    let form = element.form();
    match form {
        Form::Object => {
            let object = writer.memory.read_addr(at)?;
            writer.value(object);
        }
        Form::Bytes => {
            let bytes = padded(writer, at, element)?;
            let end = bytes.iter().rposition(|byte| *byte != 0);
            let bytes = bytes.get(..end.map_or(0, |end| end + 1)).unwrap_or(&bytes);
            let max = writer.room_for_text();
            let (quoted, _) = notation::quoted_bytes("b", bytes, bytes.len() as u64, max);
            writer.push(&quoted);
        }
        Form::Text => {
            let bytes = padded(writer, at, element)?;
            let points = bytes.chunks_exact(4).map(|point| number(point) as u32);
            let mut points: Vec<u32> = points.collect();
            while points.last() == Some(&0) {
                points.pop();
            }
            let max = writer.room_for_text();
            let (quoted, _) = notation::quoted("", &points, points.len() as u64, max);
            writer.push(&quoted);
        }
        _ => {
            let mut bytes = writer.memory.read_vec(at, form.width())?;
            if element.is_swapped {
                for part in bytes.chunks_mut(form.part()) {
                    part.reverse();
                }
            }
            writer.push(&form.show(&bytes));
        }
    }
    Ok(())
}

/// The bytes of a text of fixed length.
fn padded(
    writer: &mut Writer<'_, '_>,
    at: Addr,
    element: ElementType,
) -> Result<Vec<u8>, ObjectError> {
    let len = element.size.min(MAX_TEXT) as usize;
    Ok(writer.memory.read_vec(at, len)?)
}

impl Form {
    /// In bytes.
    fn width(self) -> usize {
        match self {
            Form::Bool => 1,
            Form::Signed(width) | Form::Unsigned(width) => width,
            Form::Half => 2,
            Form::Float => 4,
            Form::Double | Form::ComplexFloats | Form::Object => 8,
            Form::LongDouble | Form::ComplexDoubles => 16,
            Form::Bytes | Form::Text | Form::Other => 0,
        }
    }

    /// The width of each number that it consists of.
    fn part(self) -> usize {
        match self {
            Form::ComplexFloats | Form::ComplexDoubles => self.width() / 2,
            _ => self.width().max(1),
        }
    }

    fn show(self, bytes: &[u8]) -> String {
        let first = number(bytes);
        match self {
            Form::Bool if first == 0 => "False".to_owned(),
            Form::Bool => "True".to_owned(),
            Form::Signed(width) => {
                let unused = 64 - 8 * width.clamp(1, 8);
                ((first << unused).cast_signed() >> unused).to_string()
            }
            Form::Unsigned(_) => first.to_string(),
            Form::Half => short_half(first as u16),
            Form::Float => notation::float32(f32::from_bits(first as u32)),
            Form::Double => notation::float(f64::from_bits(first)),
            Form::LongDouble => {
                let rest = bytes.get(8..).map_or(0, number);
                notation::float(extended(first, rest as u16))
            }
            Form::ComplexFloats => {
                let real = f32::from_bits(first as u32);
                let imaginary = f32::from_bits((first >> 32) as u32);
                let (real_text, imaginary) =
                    (notation::float32(real), notation::float32(imaginary));
                notation::complex(real.into(), &real_text, &imaginary)
            }
            Form::ComplexDoubles => {
                let real = f64::from_bits(first);
                let imaginary = f64::from_bits(bytes.get(8..).map_or(0, number));
                let (real_text, imaginary) = (notation::float(real), notation::float(imaginary));
                notation::complex(real, &real_text, &imaginary)
            }
            Form::Object | Form::Bytes | Form::Text | Form::Other => "?".to_owned(),
        }
    }
}

/// The first eight bytes as a number, little endian.
fn number(bytes: &[u8]) -> u64 {
    let first = bytes.iter().take(8).rev();
    first.fold(0, |high, byte| high << 8 | u64::from(*byte))
}

/// IEEE 754 binary16.
fn half(bits: u16) -> f32 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 0x1f), f32::from(bits & 0x3ff));
    match exponent {
        0x1f if fraction == 0.0 => sign * f32::INFINITY,
        0x1f => f32::NAN,
        0 => sign * fraction * 2_f32.powi(-24),
        _ => sign * (1.0 + fraction / 1024.0) * 2_f32.powi(exponent - 15),
    }
}

/// The fewest digits that mean a half and no other.
fn short_half(bits: u16) -> String {
    let value = half(bits);
    if !value.is_finite() {
        return notation::float32(value);
    }
    // How far off its nearest neighbour is; beyond the largest there is none.
    let neighbours = [bits.wrapping_sub(1), bits.wrapping_add(1)].map(half);
    let distances = neighbours.iter().map(|other| (other - value).abs());
    let nearest = distances
        .filter(|it| it.is_finite())
        .fold(f32::MAX, f32::min);
    let means_it = |candidate: f32| 2.0 * (candidate - value).abs() < nearest;
    let candidates = (0..5).filter_map(|digits| format!("{value:.digits$e}").parse().ok());
    let shortest = candidates
        .into_iter()
        .find(|candidate| means_it(*candidate));
    notation::float32(shortest.unwrap_or(value))
}

/// The x87's 80 bits, as near as a double comes.
fn extended(fraction: u64, sign_and_exponent: u16) -> f64 {
    let sign = if sign_and_exponent >> 15 == 1 {
        -1.0
    } else {
        1.0
    };
    let exponent = i32::from(sign_and_exponent & 0x7fff);
    match exponent {
        0x7fff if fraction << 1 == 0 => sign * f64::INFINITY,
        0x7fff => f64::NAN,
        _ => {
            // In two steps, since one power alone may be beyond a double's range.
            let scale = exponent - 16383 - 63;
            sign * fraction as f64 * 2_f64.powi(scale / 2) * 2_f64.powi(scale - scale / 2)
        }
    }
}

/// A scalar has its value right behind the head (`PyXxxScalarObject` in numpy/arrayscalars.h).
fn scalar(writer: &mut Writer<'_, '_>, object: Addr, class: &Class) -> Written {
    let name = class.name().trim_end_matches('_');
    let name = match name {
        "intc" => "int32",
        "uintc" => "uint32",
        "float128" => "longdouble",
        name => name,
    };
    let form = TYPES.iter().find(|(known, _)| *known == name);
    let form = form.map_or(Form::Other, |(_, form)| *form);
    if form.width() == 0 || form == Form::Object {
        writer.opaque(object, class);
        return Ok(());
    }
    let at = object.plus(writer.head().into());
    let bytes = writer.memory.read_vec(at, form.width())?;
    writer.push(&form.show(&bytes));
    Ok(())
}

/// The length of the first dimension of an array, and its elements where they are objects.
pub fn first_dimension(
    writer: &mut Writer<'_, '_>,
    array: Addr,
) -> Result<(u64, Vec<Addr>), ObjectError> {
    let head = writer.head();
    let dimensions = writer.word(array, head + DIMENSIONS)? as u32;
    let lengths = words(writer, array, head + LENGTHS, dimensions.min(1))?;
    let len = lengths.first().copied().unwrap_or(0);
    let descr = writer.pointer(array, head + TYPE)?;
    let element = ElementType::read(writer, descr)?;
    if element.form() != Form::Object || dimensions != 1 {
        return Ok((len, Vec::new()));
    }
    let strides = words(writer, array, head + STRIDES, 1)?;
    let data = writer.pointer(array, head + DATA)?;
    let mut items = Vec::new();
    for index in 0..writer.shown(len) as u64 {
        let at = data.plus(offset_of(index, &lengths, &strides));
        items.push(writer.memory.read_addr(at)?);
    }
    Ok((len, items))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_odd_widths_are_read() {
        assert_eq!(half(0x3c00), 1.0);
        assert_eq!(half(0xc000), -2.0);
        assert_eq!(half(0x0001), 2_f32.powi(-24));
        assert_eq!(half(0x7c00), f32::INFINITY);
        // 0.3 is 0.30004883 as a half.
        assert_eq!(short_half(0x34cd), "0.3");
        assert_eq!(short_half(0x3c00), "1.0");
        assert_eq!(short_half(0), "0.0");
        assert_eq!(short_half(0x7bff), "65500.0");
        assert_eq!(extended(1 << 63, 0x3fff), 1.0);
        assert_eq!(extended(0xe666_6666_6666_6800, 0x3ffe), 0.9);
        assert_eq!(Form::Signed(1).show(&[0xff]), "-1");
        assert_eq!(Form::Signed(8).show(&[0xff; 8]), "-1");
        assert_eq!(Form::Unsigned(2).show(&[1, 2]), "513");
    }

    #[test]
    fn elements_lie_where_their_strides_lead() {
        // The transposed of an array of 2 by 3 ints.
        let offsets: Vec<u64> = (0..6)
            .map(|index| offset_of(index, &[3, 2], &[4, 12]))
            .collect();
        assert_eq!(offsets, [0, 12, 4, 16, 8, 20]);
    }
}
