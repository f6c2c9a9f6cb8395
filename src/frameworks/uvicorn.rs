//! uvicorn. Looked up in 0.54.

use super::{Framework, Role, RoleMark};

const RELOADER: Role = Role::reloader("uvicorn reloader");
const MASTER: Role = Role::master("uvicorn master");
const WORKER: Role = Role::worker("uvicorn worker");
const SERVER: Role = Role::worker("uvicorn server");

pub(super) const UVICORN: Framework = Framework {
    packages: &["uvicorn"],
    role_marks: &[
        RoleMark::any_function("uvicorn/supervisors/basereload.py", RELOADER),
        RoleMark::any_function("uvicorn/supervisors/statreload.py", RELOADER),
        RoleMark::any_function("uvicorn/supervisors/watchfilesreload.py", RELOADER),
        RoleMark::function("uvicorn/supervisors/multiprocess.py", "run", MASTER),
        RoleMark::function("uvicorn/supervisors/multiprocess.py", "target", WORKER),
        RoleMark::function("uvicorn/_subprocess.py", "subprocess_started", WORKER),
        // gunicorn's workers run it, too.
        RoleMark::function("uvicorn/server.py", "run", SERVER).weak(),
    ],
    reload_child_words: &["multiprocessing.spawn"],
    ..Framework::NOTHING
};
