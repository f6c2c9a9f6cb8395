//! dramatiq. Looked up in 1.17.

use super::{Framework, WorkFrame};

pub(super) const DRAMATIQ: Framework = Framework {
    work_frames: &[WorkFrame::new("dramatiq/worker.py", "process_message")],
    ..Framework::NOTHING
};
