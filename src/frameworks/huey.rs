//! huey. Looked up in 2.5.

use super::watch::{Shape, attribute, part, read};
use super::{Framework, Watch, WorkFrame};

const WATCHES: &[Watch] = &[Watch::of(
    "huey/api.py",
    &["Huey._execute", "Huey.execute"],
    "task",
    &[read(&[part("task", &[attribute("name")], Shape::Plain)])],
)];

pub(super) const HUEY: Framework = Framework {
    work_frames: &[WorkFrame::new("huey/api.py", "_execute")],
    watches: WATCHES,
    ..Framework::NOTHING
};
