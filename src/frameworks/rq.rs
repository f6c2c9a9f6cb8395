//! RQ. Looked up in 2.

use super::watch::{Shape, attribute, part, read};
use super::{Framework, Watch, WorkFrame};

const WATCHES: &[Watch] = &[Watch::of(
    "rq/job.py",
    &["Job.perform"],
    "task",
    &[read(&[part(
        "self",
        &[attribute("_func_name")],
        Shape::Plain,
    )])],
)];

pub(super) const RQ: Framework = Framework {
    work_frames: &[WorkFrame::new("rq/job.py", "perform")],
    watches: WATCHES,
    ..Framework::NOTHING
};
