//! Celery, with billiard, its fork of multiprocessing. Looked up in Celery 5.7, billiard 4.3.

use super::watch::{Shape, attribute, part, read};
use super::{CommandMark, Framework, Role, RoleMark, Watch, WorkFrame};

const MAIN: Role = Role::master("Celery main");
const WORKER: Role = Role::worker("Celery pool worker");

const WATCHES: &[Watch] = &[Watch::of(
    "celery/app/trace.py",
    &["trace_task"],
    "task",
    &[
        read(&[part("name", &[], Shape::Plain)]),
        read(&[part("task", &[attribute("name")], Shape::Plain)]),
    ],
)];

pub(super) const CELERY: Framework = Framework {
    packages: &["celery", "kombu"],
    role_marks: &[
        RoleMark::function("celery/worker/worker.py", "start", MAIN),
        RoleMark::function("billiard/pool.py", "workloop", WORKER),
        RoleMark::function("celery/beat.py", "start", Role::worker("Celery beat")),
    ],
    command_marks: &[
        CommandMark::new(&["[celeryd: ", ":MainProcess]"], MAIN),
        CommandMark::new(&["[celeryd: ", "PoolWorker"], WORKER),
    ],
    work_frames: &[WorkFrame::new("celery/app/trace.py", "trace_task")],
    watches: WATCHES,
    ..Framework::NOTHING
};
