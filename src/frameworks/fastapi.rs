//! FastAPI and Starlette, on which it is built.

use super::watch::{Shape, attribute, item, part, read};
use super::{Framework, Watch};

const WATCHES: &[Watch] = &[
    Watch::of(
        "starlette/routing.py",
        &["Route.handle"],
        "route",
        &[read(&[part("self", &[attribute("path")], Shape::Plain)])],
    ),
    Watch::of(
        "starlette/routing.py",
        &["Route.handle", "Router.__call__", "Router.app"],
        "method",
        &[read(&[part("scope", &[item("method")], Shape::Plain)])],
    ),
    Watch::of(
        "starlette/routing.py",
        &["Route.handle"],
        "view",
        &[read(&[part("self", &[attribute("name")], Shape::Plain)])],
    ),
    Watch::of(
        "fastapi/routing.py",
        &["APIRoute.handle"],
        "route",
        &[read(&[part("self", &[attribute("path")], Shape::Plain)])],
    ),
];

pub(super) const FASTAPI: Framework = Framework {
    packages: &["fastapi", "starlette"],
    watches: WATCHES,
    ..Framework::NOTHING
};
