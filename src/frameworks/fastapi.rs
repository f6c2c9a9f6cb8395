//! FastAPI and Starlette, on which it is built.

use super::Framework;

pub(super) const FASTAPI: Framework = Framework {
    packages: &["fastapi", "starlette"],
    ..Framework::NOTHING
};
