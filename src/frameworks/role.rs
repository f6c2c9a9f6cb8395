//! What a process is for.

/// What a process is for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Role {
    /// Its name for the user, such as `gunicorn worker`.
    pub name: &'static str,
    pub kind: RoleKind,
}

/// What a role means for finding out where time goes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum RoleKind {
    /// It starts a child again whenever a file changes, and that child does the work.
    Reloader,
    /// The processes that it starts do the work.
    Master,
    /// It does the work.
    Worker,
    /// It only helps the processes that do the work.
    Helper,
}

impl Role {
    pub(super) const fn reloader(name: &'static str) -> Role {
        let kind = RoleKind::Reloader;
        Role { name, kind }
    }

    pub(super) const fn master(name: &'static str) -> Role {
        let kind = RoleKind::Master;
        Role { name, kind }
    }

    pub(super) const fn worker(name: &'static str) -> Role {
        let kind = RoleKind::Worker;
        Role { name, kind }
    }

    pub(super) const fn helper(name: &'static str) -> Role {
        let kind = RoleKind::Helper;
        Role { name, kind }
    }
}
