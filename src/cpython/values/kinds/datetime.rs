//! `date`, `time`, `datetime`, `timedelta`, `timezone`.
//!
//! In C each begins with a hash, and a byte that tells whether there is a time zone; then the parts
//! follow, a byte each, years in two and microseconds in three, the higher first (Include/datetime.h).

use super::Kind;
use crate::cpython::objects::ObjectError;
use crate::cpython::values::class::Class;
use crate::cpython::values::writer::{Writer, Written};
use crate::memory::Memory;
use crate::model::Addr;

pub const KINDS: &[Kind] = &[
    Kind {
        is: |class| class.is("datetime", "datetime"),
        write: datetime,
    },
    Kind {
        is: |class| class.is("datetime", "date"),
        write: |writer, object, class| {
            let [year, rest @ ..] = parts::<4>(writer, object)?;
            let [year_low, month, day] = rest;
            let year = u16::from(year) << 8 | u16::from(year_low);
            writer.push(&format!("{}({year}, {month}, {day})", name(class)));
            Ok(())
        },
    },
    Kind {
        is: |class| class.is("datetime", "time"),
        write: |writer, object, class| {
            let [hour, minute, second, micros @ ..] = parts::<6>(writer, object)?;
            let mut shown = format!("{}({hour}, {minute}", name(class));
            push_seconds(&mut shown, second, micros);
            writer.push(&shown);
            // After six bytes and `fold`, which 2.7 lacks.
            time_zone(writer, object, 16)
        },
    },
    Kind {
        is: |class| class.is("datetime", "timedelta"),
        write: timedelta,
    },
    Kind {
        is: |class| class.is("datetime", "timezone"),
        write: timezone,
    },
];

/// Behind the head: the hash, and the byte that tells of a time zone.
const HAS_ZONE: u32 = 8;
const PARTS: u32 = 9;

fn name(class: &Class) -> String {
    class.full_name()
}

fn parts<const N: usize>(
    writer: &mut Writer<'_, '_>,
    object: Addr,
) -> Result<[u8; N], ObjectError> {
    let at = object.plus((writer.head() + PARTS).into());
    Ok(writer.memory.read_array::<N>(at)?)
}

fn push_seconds(shown: &mut String, second: u8, micros: [u8; 3]) {
    let micros = micros
        .iter()
        .fold(0_u32, |high, byte| high << 8 | u32::from(*byte));
    match (second, micros) {
        (0, 0) => {}
        (second, 0) => shown.push_str(&format!(", {second}")),
        (second, micros) => shown.push_str(&format!(", {second}, {micros}")),
    }
}

fn datetime(writer: &mut Writer<'_, '_>, object: Addr, class: &Class) -> Written {
    let parts = parts::<10>(writer, object)?;
    let [high, low, month, day, hour, minute, second, micros @ ..] = parts;
    let year = u16::from(high) << 8 | u16::from(low);
    let mut shown = format!("{}({year}, {month}, {day}, {hour}, {minute}", name(class));
    push_seconds(&mut shown, second, micros);
    writer.push(&shown);
    time_zone(writer, object, 24)
}

/// Closes the bracket, behind the time zone if there is one.
fn time_zone(writer: &mut Writer<'_, '_>, object: Addr, zone: u32) -> Written {
    let head = writer.head();
    let has_zone = object.plus((head + HAS_ZONE).into());
    if writer.memory.read_array::<1>(has_zone)? != [0] {
        let zone = writer.pointer(object, head + zone)?;
        writer.push(", tzinfo=");
        writer.value(zone);
    }
    writer.push(")");
    Ok(())
}

/// Days, seconds and microseconds, an int each, behind the hash.
fn timedelta(writer: &mut Writer<'_, '_>, object: Addr, class: &Class) -> Written {
    let shown = delta(writer, object)?;
    writer.push(&format!("{}({shown})", name(class)));
    Ok(())
}

fn delta(writer: &mut Writer<'_, '_>, object: Addr) -> Result<String, ObjectError> {
    let at = writer.head() + 8;
    let mut parts = Vec::new();
    for (index, name) in ["days", "seconds", "microseconds"].into_iter().enumerate() {
        let part = object.plus(u64::from(at) + 4 * index as u64);
        match writer.memory.read_u32(part)?.cast_signed() {
            0 => {}
            value => parts.push(format!("{name}={value}")),
        }
    }
    Ok(match parts.is_empty() {
        true => "0".to_owned(),
        false => parts.join(", "),
    })
}

/// An offset, and a name or null.
fn timezone(writer: &mut Writer<'_, '_>, object: Addr, class: &Class) -> Written {
    let head = writer.head();
    let offset = writer.pointer(object, head)?;
    let zone_name = writer.pointer(object, head + 8)?;
    if zone_name.is_null() && delta(writer, offset)? == "0" {
        writer.push(&format!("{}.utc", name(class)));
        return Ok(());
    }
    writer.push(&format!("{}(", name(class)));
    writer.value(offset);
    if !zone_name.is_null() {
        writer.push(", ");
        writer.value(zone_name);
    }
    writer.push(")");
    Ok(())
}
