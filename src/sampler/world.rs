//! What a sampler needs to know of the processes outside, as a trait so that tests can make up
//! theirs.

use crate::engine::Engine;
use crate::model::{Interner, Pid, ProcessId};
use crate::survey::RoleKind;
use crate::target::Identity;

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

/// Why a process was not opened, and whether to try again.
#[derive(Debug)]
pub struct Refusal {
    pub kind: RefusalKind,
    pub error: anyhow::Error,
}

/// What a refusal means for the next try.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RefusalKind {
    /// The process has ended.
    Gone,
    /// It looks like Python, and is not ready: soon.
    NotYet,
    /// Nothing in it looks like Python: seldom, or after an exec.
    NotPython,
    /// An autoreloader, whose children are recorded in its place, or a helper of those that are recorded.
    ReplacedByChildren,
    /// No permission, a version that nobody knows: only after an exec.
    Never,
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

    /// The processes below the roots; `None` when there is nothing new.
    fn descendants(&mut self) -> Option<Descendants>;
}
