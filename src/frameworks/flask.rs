//! Flask. Looked up in 3.1.

use super::{Framework, Role, RoleName, WorkFrame, werkzeug};

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
    ..Framework::NOTHING
};
