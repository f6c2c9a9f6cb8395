//! Werkzeug, whose server Flask uses. Looked up in 3.1.

use super::{Framework, Role, RoleMark, WorkFrame};

pub(super) const RELOADER: Role = Role::reloader("Werkzeug reloader");
pub(super) const SERVER: Role = Role::worker("Werkzeug server");

pub(super) const WERKZEUG: Framework = Framework {
    packages: &["werkzeug"],
    role_marks: &[
        RoleMark::function("werkzeug/_reloader.py", "restart_with_reloader", RELOADER),
        RoleMark::function("werkzeug/_reloader.py", "run_with_reloader", SERVER),
        RoleMark::function("werkzeug/serving.py", "serve_forever", SERVER).weak(),
    ],
    work_frames: &[WorkFrame::new("werkzeug/serving.py", "execute")],
    reload_variables: &["WERKZEUG_RUN_MAIN"],
    ..Framework::NOTHING
};
