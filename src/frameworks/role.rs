//! What a process is for.

/// What a process is for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Role {
    /// For the user, such as `gunicorn worker`.
    pub name: &'static str,
    pub kind: RoleKind,
}

/// What a role means for who wants to know where time goes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum RoleKind {
    /// It starts a child again whenever a file changes, and that child does the work.
    Reloader,
    /// Processes that it started do the work.
    Master,
    /// It does work.
    Worker,
    /// It only helps those that do.
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
