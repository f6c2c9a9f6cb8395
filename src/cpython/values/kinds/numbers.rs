//! `None`, `bool`, `int` of any size, `float`, `complex`.

use super::Kind;
use crate::cpython::objects::{self, ObjectError};
use crate::cpython::values::class::{Builtin, Class};
use crate::cpython::values::notation;
use crate::cpython::values::writer::{Writer, Written};
use crate::model::Addr;

pub const KINDS: &[Kind] = &[
    Kind {
        is: |class| class.is_exactly("", "NoneType"),
        write: |writer, _, _| {
            writer.push("None");
            Ok(())
        },
    },
    Kind {
        is: |class| class.is_exactly("", "ellipsis") || class.is_exactly("", "NotImplementedType"),
        write: |writer, _, class| {
            writer.push(match class.name() {
                "ellipsis" => "Ellipsis",
                _ => "NotImplemented",
            });
            Ok(())
        },
    },
    Kind {
        is: |class| class.is_exactly("", "bool"),
        write: |writer, object, _| {
            let value = objects::read_int(writer.memory, &writer.layout.object, object)?;
            writer.push(if value == 0 { "False" } else { "True" });
            Ok(())
        },
    },
    Kind {
        is: |class| class.derives(Builtin::ShortInt),
        write: |writer, object, _| {
            let value = objects::read_int(writer.memory, &writer.layout.object, object)?;
            writer.push(&value.to_string());
            Ok(())
        },
    },
    Kind {
        is: |class| class.derives(Builtin::Int),
        write: int,
    },
    Kind {
        is: |class| class.is("", "float"),
        write: |writer, object, _| {
            let offset = writer.layout.value.float_value;
            let value = f64::from_bits(writer.word(object, offset)?);
            writer.push(&notation::float(value));
            Ok(())
        },
    },
    Kind {
        is: |class| class.is("", "complex"),
        write: |writer, object, _| {
            let offset = writer.layout.value.complex_value;
            let real = f64::from_bits(writer.word(object, offset)?);
            let imaginary = f64::from_bits(writer.word(object, offset + 8)?);
            let (real_text, imaginary) = (notation::float(real), notation::float(imaginary));
            writer.push(&notation::complex(real, &real_text, &imaginary));
            Ok(())
        },
    },
];

fn int(writer: &mut Writer<'_, '_>, object: Addr, class: &Class) -> Written {
    // A digit of 30 bits is some nine in decimal.
    let max = writer.room_for_text() / 9 + 4;
    let suffix = if class.is_of_2() { "L" } else { "" };
    match objects::read_digits(writer.memory, &writer.layout.object, object, max) {
        Ok(int) => {
            let sign = if int.is_negative { "-" } else { "" };
            let digits = notation::decimal(&int.digits);
            writer.push(&format!("{sign}{digits}{suffix}"));
            Ok(())
        }
        Err(ObjectError::TooLong { len, .. }) => {
            let bits = notation::grouped(len.saturating_mul(30) / 4);
            writer.push(&format!("<int of about {bits} bits>"));
            Ok(())
        }
        Err(error) => Err(error),
    }
}
