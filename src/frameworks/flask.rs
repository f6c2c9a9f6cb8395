//! Flask. Looked up in 3.1.

use super::watch::{Shape, attribute, item, part, read};
use super::{Framework, Role, RoleName, Watch, WorkFrame, werkzeug};

const WATCHES: &[Watch] = &[
    Watch::of(
        "flask/app.py",
        &["wsgi_app"],
        "route",
        &[
            read(&[part(
                "ctx",
                &[
                    attribute("request"),
                    attribute("url_rule"),
                    attribute("rule"),
                ],
                Shape::Plain,
            )]),
            // From 3.2 on.
            read(&[part(
                "ctx",
                &[
                    attribute("_request"),
                    attribute("url_rule"),
                    attribute("rule"),
                ],
                Shape::Plain,
            )]),
            read(&[part("environ", &[item("PATH_INFO")], Shape::UrlPath)]),
        ],
    ),
    Watch::of(
        "flask/app.py",
        &["wsgi_app"],
        "method",
        &[read(&[part(
            "environ",
            &[item("REQUEST_METHOD")],
            Shape::Plain,
        )])],
    ),
    Watch::of(
        "flask/app.py",
        &["wsgi_app"],
        "view",
        &[
            read(&[part(
                "ctx",
                &[
                    attribute("request"),
                    attribute("url_rule"),
                    attribute("endpoint"),
                ],
                Shape::Plain,
            )]),
            read(&[part(
                "ctx",
                &[
                    attribute("_request"),
                    attribute("url_rule"),
                    attribute("endpoint"),
                ],
                Shape::Plain,
            )]),
        ],
    ),
];

pub(super) const FLASK: Framework = Framework {
    packages: &["flask"],
    work_frames: &[WorkFrame::new("flask/app.py", "wsgi_app")],
    // Its server is Werkzeug's, but the user knows it as Flask's.
    role_names: &[
        RoleName {
            of: werkzeug::RELOADER,
            name: Role::reloader("Flask reloader"),
        },
        RoleName {
            of: werkzeug::SERVER,
            name: Role::worker("Flask server"),
        },
    ],
    watches: WATCHES,
    ..Framework::NOTHING
};
