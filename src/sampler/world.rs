//! What a sampler needs to know of the processes outside, as a trait so that tests can make up
//! theirs.

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

/// What there is to tell of the processes below the roots.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Descendants {
    /// All that are there.
    All(Vec<Descendant>),
    /// Some that have begun since.
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

/// The processes outside.
pub trait World {
    /// Opens a process and enters it into `interner`, as a child of `parent` where that is
    /// recorded too.
    ///
    /// # Errors
    /// A [`Refusal`] that says whether it is worth another try.
    fn open(
        &mut self,
        who: Identity,
        parent: Option<ProcessId>,
        interner: &mut Interner,
    ) -> Result<Box<dyn Engine>, Refusal>;

    /// What a process that we started turns out to be for, once it has started others itself.
    fn role_kind(&mut self, who: Identity) -> Option<RoleKind>;

    /// What the process runs, as a number that changes with an exec; `None` when it has ended.
    fn program(&mut self, who: Identity) -> Option<u64>;

    /// What keeps a process from running, if anything does.
    fn halted(&mut self, who: Identity) -> Option<Halted>;

    /// The processes below the roots; `None` when there is nothing new.
    fn descendants(&mut self) -> Option<Descendants>;
}
