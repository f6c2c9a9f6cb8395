//! Django's models and querysets, and the serializers of Django REST framework.

use super::Kind;
use super::collections::in_order;
use super::containers::entries;
use crate::cpython::values::class::{Builtin, Class};
use crate::cpython::values::writer::{Writer, Written};
use crate::model::Addr;

pub const KINDS: &[Kind] = &[
    Kind {
        is: |class| class.is("django.db.models.base", "Model"),
        write: model,
    },
    Kind {
        is: |class| class.is("django.db.models.query", "QuerySet"),
        write: queryset,
    },
    Kind {
        is: |class| class.is("rest_framework.serializers", "ListSerializer"),
        write: |writer, object, class| {
            writer.push(&format!("<{} of ", class.short_name()));
            match writer.attribute(object, class, "child") {
                Some(child) => writer.value(child),
                None => writer.push("?"),
            }
            writer.push(">");
            Ok(())
        },
    },
    Kind {
        is: |class| class.is("rest_framework.serializers", "BaseSerializer"),
        write: serializer,
    },
];

/// `<Recipe pk=1: name='soup', minutes=10>`: the fields that are loaded.
fn model(writer: &mut Writer<'_, '_>, object: Addr, class: &Class) -> Written {
    let attributes = writer.attributes(object, class)?;
    let key = key_name(writer, class).unwrap_or_else(|| "id".to_owned());
    let mut fields = Vec::new();
    let mut pk = None;
    for (name, value) in attributes {
        if name == key {
            pk = Some(value);
        } else if !name.starts_with('_') {
            fields.push((name, value));
        }
    }
    writer.push(&format!("<{} pk=", class.short_name()));
    match pk {
        Some(pk) => writer.value(pk),
        None => writer.push("?"),
    }
    match writer.is_deep() {
        true => writer.push(">"),
        false => writer.with_attributes("", &fields),
    }
    Ok(())
}

/// What the attribute is called that holds the primary key: `_meta.pk.attname`.
fn key_name(writer: &mut Writer<'_, '_>, class: &Class) -> Option<String> {
    let options = writer.class_attribute(class, "_meta")?;
    let key = writer.attribute_of(options, "pk")?;
    let name = writer.attribute_of(key, "attname")?;
    writer.name_text(name)
}

/// `<QuerySet of Recipe: [...]>`, once it was fetched.
fn queryset(writer: &mut Writer<'_, '_>, object: Addr, class: &Class) -> Written {
    let of = writer.attribute(object, class, "model");
    let of = of.and_then(|model| writer.class_at(model).ok());
    let of = of.map_or_else(|| "?".to_owned(), |of| of.short_name().to_owned());
    writer.push(&format!("<{} of {of}", class.short_name()));
    let cache = writer.attribute(object, class, "_result_cache");
    let fetched = cache.filter(|cache| {
        let class = writer.class_of(*cache);
        class.is_ok_and(|class| class.derives(Builtin::List))
    });
    match fetched {
        Some(fetched) => {
            writer.push(": ");
            writer.value(fetched);
        }
        None => writer.push(", not fetched"),
    }
    writer.push(">");
    Ok(())
}

/// `<RecipeSerializer with fields id, name>`: those that it has made, or else those that its class
/// declares; and what it serializes.
fn serializer(writer: &mut Writer<'_, '_>, object: Addr, class: &Class) -> Written {
    // Since 3.10 a cached property; before, an attribute behind a property.
    let made = ["fields", "_fields"].into_iter();
    let made = made
        .filter_map(|name| writer.attribute(object, class, name))
        .collect::<Vec<_>>();
    let made = made
        .first()
        .and_then(|made| writer.attribute_of(*made, "fields"));
    let declared = writer.class_attribute(class, "_declared_fields");
    let (fields, what) = match (made, declared) {
        (Some(made), _) => (made, "with fields"),
        (None, Some(declared)) => (declared, "with declared fields"),
        (None, None) => {
            writer.opaque(object, class);
            return Ok(());
        }
    };
    let max = writer.limits.items;
    let class_of_fields = writer.class_of(fields)?;
    let found = match class_of_fields.is("collections", "OrderedDict") {
        true => in_order(writer, fields, &class_of_fields, max)?,
        false => entries(writer, fields, max)?,
    };
    let names: Vec<String> = found
        .into_iter()
        .filter_map(|(name, _)| writer.name_text(name))
        .collect();
    writer.push(&format!("<{} {what} ", class.short_name()));
    writer.push(&names.join(", "));
    if let Some(instance) = writer.attribute(object, class, "instance")
        && writer.has_room()
    {
        writer.push("; instance=");
        writer.value(instance);
    }
    writer.push(">");
    Ok(())
}
