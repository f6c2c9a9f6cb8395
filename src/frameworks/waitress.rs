//! waitress. Looked up in 3.

use super::{Framework, WorkFrame};

pub(super) const WAITRESS: Framework = Framework {
    work_frames: &[WorkFrame::new("waitress/task.py", "execute")],
    ..Framework::NOTHING
};
