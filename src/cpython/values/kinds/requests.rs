//! Requests of web frameworks: method and path.

use super::Kind;
use crate::cpython::objects;
use crate::cpython::values::class::Class;
use crate::cpython::values::writer::Writer;
use crate::model::Addr;

pub const KINDS: &[Kind] = &[
    Kind {
        is: |class| {
            // Django; Werkzeug, and so Flask; Tornado; requests.
            class.is("django.http.request", "HttpRequest")
                || class.is_within("werkzeug", "Request")
                || class.is("tornado.httputil", "HTTPServerRequest")
                || class.is("requests.models", "PreparedRequest")
        },
        write: |writer, object, class| {
            let method = writer.attribute(object, class, "method");
            let path = writer.attribute(object, class, "path");
            let path = path.or_else(|| writer.attribute(object, class, "url"));
            request(writer, object, class, method, path);
            Ok(())
        },
    },
    Kind {
        is: |class| class.is("rest_framework.request", "Request"),
        write: |writer, object, class| {
            match writer.attribute(object, class, "_request") {
                Some(within) => writer.value(within),
                None => writer.opaque(object, class),
            }
            Ok(())
        },
    },
    Kind {
        // Starlette, and so FastAPI.
        is: |class| class.is("starlette.requests", "HTTPConnection"),
        write: |writer, object, class| {
            let scope = writer.attribute(object, class, "scope");
            let mut get = |name| {
                let layout = &writer.layout.object;
                let found = objects::dict_get(writer.memory, layout, scope?, name);
                found.ok().flatten()
            };
            let (method, path) = (get("method"), get("path"));
            request(writer, object, class, method, path);
            Ok(())
        },
    },
    Kind {
        is: |class| class.is("aiohttp.web_request", "BaseRequest"),
        write: |writer, object, class| {
            let method = writer.attribute(object, class, "_method");
            let message = writer.attribute(object, class, "_message");
            // A named tuple in C or Python: method, path, and more.
            let path = message.and_then(|message| writer.attribute_of(message, "path"));
            request(writer, object, class, method, path);
            Ok(())
        },
    },
];

/// `<WSGIRequest GET '/recipes/'>`
fn request(
    writer: &mut Writer<'_, '_>,
    object: Addr,
    class: &Class,
    method: Option<Addr>,
    path: Option<Addr>,
) {
    let method = method.and_then(|method| writer.name_text(method));
    let (Some(method), Some(path)) = (method, path) else {
        return writer.opaque(object, class);
    };
    writer.push(&format!("<{} {method} ", class.short_name()));
    writer.value(path);
    writer.push(">");
}
