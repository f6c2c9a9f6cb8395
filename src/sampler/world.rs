//! What a sampler needs to know about processes, as a trait so that tests can make up their own.

use super::Refusal;
use crate::engine::Engine;
use crate::model::{Interner, Pid, ProcessId};
use crate::survey::RoleKind;
use crate::target::{Halted, Identity};

/// A process below the one that is recorded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Descendant {
    pub who: Identity,
    pub parent: Pid,
}

/// What is known of the processes below the roots.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Descendants {
    /// All that exist now.
    All(Vec<Descendant>),
    /// Some that were started since the last call.
    Born(Vec<Descendant>),
}

/// Which processes are recorded.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Follow {
    /// Only those that were named.
    #[default]
    Roots,
    /// The one that was started or, as long as that is no Python itself (`uv run`, `sh -c`), the
    /// first Python below it.
    FirstPython,
    /// Those that were named and those that they started, but none further below: a master and its
    /// workers, an autoreloader's successive children.
    Children,
    /// All of them (`--subprocesses`).
    All,
}

/// The processes that there are to record.
pub trait World {
    /// Opens a process and enters it into `interner`, as a child of `parent` if that is given.
    ///
    /// # Errors
    /// A [`Refusal`] that says whether it is worth another try.
    fn open(
        &mut self,
        who: Identity,
        parent: Option<ProcessId>,
        interner: &mut Interner,
    ) -> Result<Box<dyn Engine>, Refusal>;

    /// The kind of role that a process turns out to have; `None` until it has children, or where its
    /// role cannot be told.
    fn role_kind(&mut self, who: Identity) -> Option<RoleKind>;

    /// A number for the program that the process runs, which changes with an exec; `None` when the
    /// process has ended.
    fn program(&mut self, who: Identity) -> Option<u64>;

    /// What keeps a process from running, if anything does.
    fn halted(&mut self, who: Identity) -> Option<Halted>;

    /// The processes below the roots; `None` when there is nothing new.
    fn descendants(&mut self) -> Option<Descendants>;
}
