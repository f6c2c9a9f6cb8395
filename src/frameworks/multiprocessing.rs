//! multiprocessing and concurrent.futures of the standard library. Looked up in CPython 2.7 to 3.15.

use super::{CommandMark, Framework, Role, RoleMark};

const RESOURCE_TRACKER: Role = Role::helper("resource tracker");
const FORK_SERVER: Role = Role::master("fork server");
const WORKER: Role = Role::worker("multiprocessing worker");

pub(super) const MULTIPROCESSING: Framework = Framework {
    role_marks: &[
        RoleMark::function(
            "multiprocessing/resource_tracker.py",
            "main",
            RESOURCE_TRACKER,
        ),
        RoleMark::function(
            "multiprocessing/semaphore_tracker.py",
            "main",
            RESOURCE_TRACKER,
        ),
        RoleMark::function("multiprocessing/forkserver.py", "main", FORK_SERVER),
        RoleMark::function("multiprocessing/process.py", "_bootstrap", WORKER),
        RoleMark::function(
            "concurrent/futures/process.py",
            "_process_worker",
            Role::worker("process pool worker"),
        ),
    ],
    command_marks: &[
        CommandMark::new(&["multiprocessing.resource_tracker"], RESOURCE_TRACKER),
        CommandMark::new(&["multiprocessing.semaphore_tracker"], RESOURCE_TRACKER),
        CommandMark::new(&["multiprocessing.forkserver"], FORK_SERVER),
        CommandMark::new(&["multiprocessing.spawn"], WORKER),
    ],
    ..Framework::NOTHING
};
