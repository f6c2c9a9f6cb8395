//! gunicorn. Looked up in 27.

use super::{CommandMark, Framework, Role, RoleMark, WorkFrame};

const MASTER: Role = Role::master("gunicorn master");
const WORKER: Role = Role::worker("gunicorn worker");

pub(super) const GUNICORN: Framework = Framework {
    packages: &["gunicorn"],
    role_marks: &[
        RoleMark::function("gunicorn/arbiter.py", "run", MASTER),
        RoleMark::function("gunicorn/arbiter.py", "spawn_worker", WORKER),
    ],
    command_marks: &[
        CommandMark::new(&["gunicorn: master"], MASTER),
        CommandMark::new(&["gunicorn: worker"], WORKER),
    ],
    work_frames: &[
        WorkFrame::new("gunicorn/workers/sync.py", "handle_request"),
        WorkFrame::new("gunicorn/workers/gthread.py", "handle_request"),
        WorkFrame::new("gunicorn/workers/base_async.py", "handle_request"),
    ],
    ..Framework::NOTHING
};
