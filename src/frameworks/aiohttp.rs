//! aiohttp's server. Looked up in 3.13.

use super::watch::{Shape, attribute, part, read};
use super::{Framework, Watch};

const WATCHES: &[Watch] = &[
    Watch::of(
        "aiohttp/web_app.py",
        &["Application._handle"],
        "route",
        &[
            read(&[part(
                "match_info",
                &[
                    attribute("_route"),
                    attribute("_resource"),
                    attribute("_formatter"),
                ],
                Shape::Plain,
            )]),
            read(&[part(
                "match_info",
                &[
                    attribute("_route"),
                    attribute("_resource"),
                    attribute("_path"),
                ],
                Shape::Plain,
            )]),
        ],
    ),
    Watch::of(
        "aiohttp/web_app.py",
        &["Application._handle"],
        "method",
        &[read(&[part(
            "request",
            &[attribute("_method")],
            Shape::Plain,
        )])],
    ),
];

pub(super) const AIOHTTP: Framework = Framework {
    packages: &["aiohttp"],
    watches: WATCHES,
    ..Framework::NOTHING
};
