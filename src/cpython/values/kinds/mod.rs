//! The kinds of values that are known, a file for each family.

mod collections;
mod containers;
mod datetime;
mod decimal;
mod django;
mod enums;
mod exceptions;
mod functions;
mod generators;
mod instances;
mod numbers;
mod numpy;
mod pandas;
mod paths;
mod requests;
mod sqlalchemy;
mod texts;
mod tuples;
mod uuid;

use super::class::Class;
use super::writer::{Writer, Written};
use crate::model::Addr;

/// How values of some types are written.
pub struct Kind {
    pub is: fn(&Class) -> bool,
    pub write: fn(&mut Writer<'_, '_>, Addr, &Class) -> Written,
}

/// The first that fits is taken, so that a type stands before those that it is derived from.
static KINDS: [&[Kind]; 18] = [
    enums::KINDS,
    django::KINDS,
    requests::KINDS,
    sqlalchemy::KINDS,
    numpy::KINDS,
    pandas::KINDS,
    datetime::KINDS,
    decimal::KINDS,
    uuid::KINDS,
    paths::KINDS,
    collections::KINDS,
    exceptions::KINDS,
    functions::KINDS,
    generators::KINDS,
    numbers::KINDS,
    texts::KINDS,
    tuples::KINDS,
    containers::KINDS,
];

/// The kind of a type; what has none is an instance of a class that is known by its attributes alone.
pub fn of(class: &Class) -> Option<&'static Kind> {
    let mut kinds = KINDS.iter().copied().flatten();
    kinds.find(|kind| (kind.is)(class))
}
