//! Django. Looked up in 1.11 to 5.2.

use super::{Framework, ReloadCommand, Role, RoleMark, WorkFrame};

const RELOADER: Role = Role::reloader("Django autoreloader");
const SERVER: Role = Role::worker("Django server");

pub(super) const DJANGO: Framework = Framework {
    packages: &["django"],
    database_paths: &[
        "django/contrib/gis/db/",
        "django/contrib/postgres/",
        "django/db/",
    ],
    role_marks: &[
        RoleMark::function(
            "django/utils/autoreload.py",
            "restart_with_reloader",
            RELOADER,
        ),
        RoleMark::function("django/utils/autoreload.py", "start_django", SERVER),
        // 1.11.
        RoleMark::function("django/utils/autoreload.py", "reloader_thread", SERVER),
        RoleMark::function("django/core/servers/basehttp.py", "run", SERVER).weak(),
    ],
    work_frames: &[
        WorkFrame::new("django/core/handlers/wsgi.py", "__call__"),
        WorkFrame::new("django/core/handlers/base.py", "get_response"),
        WorkFrame::new("django/core/handlers/base.py", "_get_response"),
    ],
    reload_variables: &["RUN_MAIN"],
    reload_command: Some(ReloadCommand {
        word: "runserver",
        off: "--noreload",
        reloader: RELOADER,
        server: SERVER,
    }),
    ..Framework::NOTHING
};
