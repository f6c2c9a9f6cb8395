//! RQ. Looked up in 2.

use super::{Framework, WorkFrame};

pub(super) const RQ: Framework = Framework {
    work_frames: &[WorkFrame::new("rq/job.py", "perform")],
    ..Framework::NOTHING
};
