//! mod_wsgi, a module of Apache's: a process of Apache with a Python in it is one of mod_wsgi's.

use super::{Framework, Role, ServerProgram};

pub(super) const MOD_WSGI: Framework = Framework {
    program: Some(ServerProgram {
        // As Debian, and as most others call it.
        names: &["apache2", "httpd"],
        alone: Role::worker("mod_wsgi"),
        master: Role::master("mod_wsgi master"),
        worker: Role::worker("mod_wsgi worker"),
        calls_application: true,
    }),
    ..Framework::NOTHING
};
