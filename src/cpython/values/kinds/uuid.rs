//! `UUID`, whose number is its one attribute that counts (Lib/uuid.py).

use super::Kind;
use crate::cpython::objects;
use crate::cpython::values::class::Class;
use crate::cpython::values::writer::{Writer, Written};
use crate::model::Addr;

pub const KINDS: &[Kind] = &[Kind {
    is: |class| class.is("uuid", "UUID"),
    write: uuid,
}];

/// 128 bits are five digits of 30.
const MAX_DIGITS: usize = 5;

fn uuid(writer: &mut Writer<'_, '_>, object: Addr, class: &Class) -> Written {
    let Some(int) = writer.attribute(object, class, "int") else {
        writer.opaque(object, class);
        return Ok(());
    };
    let int = objects::read_digits(writer.memory, &writer.layout.object, int, MAX_DIGITS)?;
    let digits = int.digits.iter().rev();
    let number = digits.fold(0_u128, |high, digit| high << 30 | u128::from(*digit));
    let hex = format!("{number:032x}");
    let mut parts = Vec::new();
    let mut rest = hex.as_str();
    for len in [8, 4, 4, 4, 12] {
        let (part, after) = rest.split_at_checked(len).unwrap_or((rest, ""));
        parts.push(part);
        rest = after;
    }
    writer.push(&format!("{}('{}')", class.short_name(), parts.join("-")));
    Ok(())
}
