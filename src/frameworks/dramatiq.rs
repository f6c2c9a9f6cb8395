//! dramatiq. Looked up in 1.17.

use super::watch::{Shape, attribute, part, read};
use super::{Framework, Watch, WorkFrame};

const WATCHES: &[Watch] = &[Watch::of(
    "dramatiq/worker.py",
    &["process_message"],
    "task",
    &[read(&[part(
        "message",
        &[attribute("_message"), attribute("actor_name")],
        Shape::Plain,
    )])],
)];

pub(super) const DRAMATIQ: Framework = Framework {
    work_frames: &[WorkFrame::new("dramatiq/worker.py", "process_message")],
    watches: WATCHES,
    ..Framework::NOTHING
};
