//! Libraries of which only the packages are known.

use super::Framework;

pub(super) const LIBRARIES: Framework = Framework {
    packages: &[
        "aiohttp", "gevent", "jinja2", "numpy", "pandas", "pydantic", "redis", "requests",
        "sqlparse", "tornado", "twisted", "urllib3",
    ],
    ..Framework::NOTHING
};
