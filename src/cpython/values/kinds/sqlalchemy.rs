//! SQLAlchemy's mapped instances: the columns that are loaded.

use super::Kind;
use crate::cpython::values::class::Class;
use crate::cpython::values::writer::{Writer, Written};
use crate::model::Addr;

pub const KINDS: &[Kind] = &[Kind {
    // Set on the class when it is mapped (`ClassManager` in sqlalchemy/orm/instrumentation.py).
    is: |class| class.has("_sa_class_manager"),
    write: mapped,
}];

/// `<User id=1, name='x'>`
fn mapped(writer: &mut Writer<'_, '_>, object: Addr, class: &Class) -> Written {
    let mut attributes = writer.attributes(object, class)?;
    attributes.retain(|(name, _)| name != "_sa_instance_state");
    // They come in the order in which they were loaded, or another.
    attributes.sort_by(|(one, _), (other, _)| one.cmp(other));
    writer.named_values((&format!("<{} ", class.short_name()), ">"), &attributes);
    Ok(())
}
