//! uWSGI, a C program: its processes have no Python frame that tells them apart.

use super::{Framework, Role, ServerProgram};

pub(super) const UWSGI: Framework = Framework {
    program: Some(ServerProgram {
        names: &["uwsgi"],
        alone: Role::worker("uWSGI"),
        master: Role::master("uWSGI master"),
        worker: Role::worker("uWSGI worker"),
        calls_application: true,
    }),
    ..Framework::NOTHING
};
