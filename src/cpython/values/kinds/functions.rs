//! Functions, methods, classes and modules: by name.

use super::Kind;
use crate::cpython::objects::{self, ObjectError};
use crate::cpython::values::class::{Builtin, Class};
use crate::cpython::values::writer::{Writer, Written};
use crate::memory::Memory;
use crate::model::{Addr, TargetStr, visible};

pub const KINDS: &[Kind] = &[
    Kind {
        is: |class| class.is_exactly("", "function"),
        write: |writer, object, _| {
            let name = function_name(writer, object)?;
            writer.push(&format!("<function {name} at {object}>"));
            Ok(())
        },
    },
    Kind {
        is: |class| class.is_exactly("", "method") || class.is_exactly("", "instancemethod"),
        write: method,
    },
    Kind {
        is: |class| class.is_exactly("", "builtin_function_or_method"),
        write: builtin,
    },
    Kind {
        is: |class| class.derives(Builtin::Type),
        write: |writer, object, _| {
            let name = writer.class_at(object)?.full_name();
            writer.push(&format!("<class '{name}'>"));
            Ok(())
        },
    },
    Kind {
        is: |class| class.is_exactly("", "classobj"),
        write: |writer, object, _| {
            let name = old_class_name(writer, object)?;
            writer.push(&format!("<class {name}>"));
            Ok(())
        },
    },
    Kind {
        is: |class| class.is("", "module"),
        write: |writer, object, class| {
            let name = writer.attribute(object, class, "__name__");
            match name.and_then(|name| writer.name_text(name)) {
                Some(name) => writer.push(&format!("<module '{name}'>")),
                None => writer.opaque(object, class),
            }
            Ok(())
        },
    },
];

/// The longest name of a function in C, in bytes.
const MAX_C_NAME: usize = 200;

fn function_name(writer: &mut Writer<'_, '_>, object: Addr) -> Result<String, ObjectError> {
    let name = writer.pointer(object, writer.layout.value.function_name)?;
    writer.text(name).ok_or(ObjectError::Nonsense {
        field: "func_name",
        object,
        value: name.0,
    })
}

fn method(writer: &mut Writer<'_, '_>, object: Addr, class: &Class) -> Written {
    let layout = &writer.layout.value;
    let function = writer.pointer(object, layout.method_function)?;
    let of = writer.pointer(object, layout.method_self)?;
    // Any callable may be bound.
    let function_class = writer.class_of(function)?;
    let name = match function_class.is_exactly("", "function") {
        true => function_name(writer, function)?,
        false => function_class.full_name(),
    };
    let name = match class.is_of_2() && !of.is_null() {
        // Its functions do not know of which class they are.
        true => format!("{}.{name}", writer.class_of(of)?.short_name()),
        false => name,
    };
    if of.is_null() {
        writer.push(&format!("<unbound method {name}>"));
        return Ok(());
    }
    writer.push(&format!("<bound method {name} of "));
    short(writer, of);
    writer.push(">");
    Ok(())
}

/// What a method belongs to, without what that holds.
fn short(writer: &mut Writer<'_, '_>, object: Addr) {
    match writer.class_of(object) {
        Ok(class) if class.derives(Builtin::Type) => writer.value(object),
        Ok(class) => writer.opaque(object, &class),
        Err(_) => writer.push("an unreadable object"),
    }
}

fn builtin(writer: &mut Writer<'_, '_>, object: Addr, _: &Class) -> Written {
    let layout = &writer.layout.value;
    let definition = writer.pointer(object, layout.builtin_definition)?;
    let of = writer.pointer(object, layout.builtin_self)?;
    let name = writer.pointer(definition, 0)?;
    let name = objects::read_c_string(writer.memory, name, MAX_C_NAME)?;
    let name = visible(&TargetStr::from_bytes(&name)).into_owned();
    let of_module = of.is_null()
        || writer
            .class_of(of)
            .is_ok_and(|class| class.is("", "module"));
    if of_module {
        writer.push(&format!("<built-in function {name}>"));
    } else {
        writer.push(&format!("<built-in method {name} of "));
        short(writer, of);
        writer.push(">");
    }
    Ok(())
}

/// `module.Name` of a class without `object` as a base (2.7).
pub fn old_class_name(writer: &mut Writer<'_, '_>, class: Addr) -> Result<String, ObjectError> {
    let nonsense = ObjectError::Nonsense {
        field: "cl_name",
        object: class,
        value: 0,
    };
    let layout = writer.layout.value.old_style.ok_or(nonsense)?;
    let name = writer
        .memory
        .read_addr(class.plus(layout.class_name.into()))?;
    let name = writer.text(name).ok_or(nonsense)?;
    let dict = writer.pointer(class, layout.class_dict)?;
    let module = objects::dict_get(writer.memory, &writer.layout.object, dict, "__module__")?;
    let module = module.and_then(|module| writer.name_text(module));
    Ok(match module {
        Some(module) => format!("{module}.{name}"),
        None => name,
    })
}
