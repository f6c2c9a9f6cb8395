//! asgiref, with which Django mixes synchronous and asynchronous code. Looked up in 3.10.

use super::{Framework, WorkFrame};

pub(super) const ASGIREF: Framework = Framework {
    packages: &["asgiref"],
    // A synchronous view of an asynchronous Django, in a thread of its own.
    work_frames: &[WorkFrame::new("asgiref/sync.py", "thread_handler")],
    ..Framework::NOTHING
};
