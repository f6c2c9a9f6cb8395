//! `Decimal`: in C (3.3 on) and in Python (2.7).

use super::Kind;
use crate::cpython::objects::{self, ObjectError};
use crate::cpython::values::class::Class;
use crate::cpython::values::writer::{Writer, Written};
use crate::memory::Memory;
use crate::model::Addr;

pub const KINDS: &[Kind] = &[Kind {
    is: |class| class.is("decimal", "Decimal"),
    write: decimal,
}];

/// Where the parts of an `mpd_t` lie behind an object's head and hash (`PyDecObject` in
/// Modules/_decimal/_decimal.c, `mpd_t` in Modules/_decimal/libmpdec/mpdecimal.h).
const FLAGS: u32 = 8;
const EXPONENT: u32 = 16;
const WORDS: u32 = 32;
const DATA: u32 = 48;

/// Bits of its flags.
const NEGATIVE: u8 = 1;
const INFINITE: u8 = 2;
const NAN: u8 = 4;
const SIGNALING_NAN: u8 = 8;

/// Decimal digits of a word (`MPD_RDIGITS`).
const DIGITS_A_WORD: usize = 19;

/// A number of more words is not written out.
const MAX_WORDS: u64 = 64;

fn decimal(writer: &mut Writer<'_, '_>, object: Addr, class: &Class) -> Written {
    let shown = match class.slots.iter().any(|(name, _)| name == "_int") {
        true => in_python(writer, object, class)?,
        false => in_c(writer, object)?,
    };
    writer.push(&format!("{}('{shown}')", class.short_name()));
    Ok(())
}

fn in_c(writer: &mut Writer<'_, '_>, object: Addr) -> Result<String, ObjectError> {
    let head = writer.head();
    let [flags] = writer
        .memory
        .read_array::<1>(object.plus((head + FLAGS).into()))?;
    let sign = if flags & NEGATIVE != 0 { "-" } else { "" };
    for (bit, name) in [
        (INFINITE, "Infinity"),
        (NAN, "NaN"),
        (SIGNALING_NAN, "sNaN"),
    ] {
        if flags & bit != 0 {
            return Ok(format!("{sign}{name}"));
        }
    }
    let exponent = writer.word(object, head + EXPONENT)?.cast_signed();
    let words = writer.length(object, head + WORDS)?;
    if words > MAX_WORDS {
        return Err(ObjectError::Nonsense {
            field: "len",
            object,
            value: words,
        });
    }
    let data = writer.pointer(object, head + DATA)?;
    let mut digits = String::new();
    for index in (0..words).rev() {
        let word = writer.memory.read_u64(data.plus(8 * index))?;
        match digits.is_empty() {
            true => digits = word.to_string(),
            false => digits.push_str(&format!("{word:0DIGITS_A_WORD$}")),
        }
    }
    Ok(format!("{sign}{}", with_point(&digits, exponent)))
}

/// Slots: sign, digits as a text, exponent (an int, or a letter that tells an infinity or a NaN).
fn in_python(
    writer: &mut Writer<'_, '_>,
    object: Addr,
    class: &Class,
) -> Result<String, ObjectError> {
    let nonsense = ObjectError::Nonsense {
        field: "_int",
        object,
        value: 0,
    };
    let layout = &writer.layout.object;
    let sign = writer.attribute(object, class, "_sign").ok_or(nonsense)?;
    let sign = match objects::read_int(writer.memory, layout, sign)? {
        0 => "",
        _ => "-",
    };
    let digits = writer.attribute(object, class, "_int").ok_or(nonsense)?;
    let digits = writer.text(digits).ok_or(nonsense)?;
    let exponent = writer.attribute(object, class, "_exp").ok_or(nonsense)?;
    let letter = writer.name_text(exponent);
    Ok(match letter.as_deref() {
        Some("F") => format!("{sign}Infinity"),
        Some("n") => format!("{sign}NaN{digits}"),
        Some("N") => format!("{sign}sNaN{digits}"),
        _ => {
            let exponent = objects::read_int(writer.memory, layout, exponent)?;
            format!("{sign}{}", with_point(&digits, exponent))
        }
    })
}

/// Scientific notation where that is needed ("to-scientific-string" of the General Decimal Arithmetic
/// Specification, which `str` follows).
fn with_point(digits: &str, exponent: i64) -> String {
    let len = digits.len() as i64;
    let left = exponent.saturating_add(len);
    let point = if exponent <= 0 && left > -6 { left } else { 1 };
    let mut shown = match usize::try_from(point) {
        Err(_) | Ok(0) => {
            let zeros = "0".repeat(point.unsigned_abs() as usize);
            format!("0.{zeros}{digits}")
        }
        Ok(point) => match digits.split_at_checked(point) {
            Some((whole, "")) => whole.to_owned(),
            Some((whole, part)) => format!("{whole}.{part}"),
            None => digits.to_owned(),
        },
    };
    if left != point {
        shown.push_str(&format!("E{:+}", left.saturating_sub(point)));
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::with_point;

    #[test]
    fn the_point_is_where_python_puts_it() {
        for (digits, exponent, expected) in [
            ("12345", -2, "123.45"),
            ("1", 0, "1"),
            ("1", 3, "1E+3"),
            ("123", 2, "1.23E+4"),
            ("1", -6, "0.000001"),
            ("1", -7, "1E-7"),
            ("123", -10, "1.23E-8"),
            ("0", -2, "0.00"),
        ] {
            assert_eq!(with_point(digits, exponent), expected);
        }
    }
}
