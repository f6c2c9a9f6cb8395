//! Libraries of which no more is known than their packages.

use super::Framework;

pub(super) const LIBRARIES: Framework = Framework {
    packages: &[
        "aiohttp", "gevent", "jinja2", "numpy", "pandas", "pydantic", "redis", "requests",
        "sqlparse", "tornado", "twisted", "urllib3",
    ],
    ..Framework::NOTHING
};
