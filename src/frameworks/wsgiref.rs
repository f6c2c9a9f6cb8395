//! wsgiref of the standard library, on which Django's `runserver` is built.

use super::{Framework, WorkFrame};

pub(super) const WSGIREF: Framework = Framework {
    work_frames: &[WorkFrame::new("wsgiref/handlers.py", "run")],
    ..Framework::NOTHING
};
