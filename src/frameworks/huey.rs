//! huey. Looked up in 2.5.

use super::{Framework, WorkFrame};

pub(super) const HUEY: Framework = Framework {
    work_frames: &[WorkFrame::new("huey/api.py", "_execute")],
    ..Framework::NOTHING
};
