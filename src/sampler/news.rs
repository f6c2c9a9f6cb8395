//! What a recording finds out about its processes while it goes on.

use super::OpenFailure;
use crate::engine::cpython;
use crate::model::{Nanos, Pid};
use crate::target::Halted;

/// Something about a process that the user should know.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum News<'a> {
    /// Our own engine does not know its Python, so py-spy reads it.
    FellBack {
        pid: Pid,
        why: &'a cpython::OpenError,
    },
    /// It has loaded several Pythons, of these versions; each is recorded.
    SeveralPythons { pid: Pid, pythons: &'a str },
    /// It is a process below the roots, and is left out for good.
    NotRecorded { pid: Pid, why: &'a OpenFailure },
    /// It is an autoreloader: whenever a file changes it starts a new child, and these children are
    /// recorded in its place. `role` is the name of its role, if its stack showed one.
    Reloads {
        pid: Pid,
        role: Option<&'static str>,
    },
    /// It is a master: the processes that it starts do the work, and are recorded, too.
    Leads { pid: Pid, role: &'static str },
    /// One of its threads was to be paused, but that is not permitted. Told once per process.
    PauseRefused { pid: Pid },
    /// It could be read before, but not since that moment of the recording.
    Unreadable {
        pid: Pid,
        since: Nanos,
        why: &'a str,
    },
    /// It is kept from running.
    Halted { pid: Pid, how: Halted },
    /// Nothing could be recorded yet. `starts_others`: its children are to be recorded in its place,
    /// since it is an autoreloader for example, but none has been yet.
    NothingYet { pid: Pid, starts_others: bool },
}

impl News<'_> {
    /// The process that it is about.
    #[must_use]
    pub fn pid(&self) -> Pid {
        match self {
            News::FellBack { pid, .. }
            | News::SeveralPythons { pid, .. }
            | News::NotRecorded { pid, .. }
            | News::Reloads { pid, .. }
            | News::Leads { pid, .. }
            | News::PauseRefused { pid }
            | News::Unreadable { pid, .. }
            | News::Halted { pid, .. }
            | News::NothingYet { pid, .. } => *pid,
        }
    }

    /// A text that is the same for news that say the same of different processes: they are told once,
    /// not for each of a thousand workers.
    pub(super) fn topic(&self) -> String {
        match self {
            News::FellBack { why, .. } => format!("fell back: {why}"),
            News::NotRecorded { why, .. } => format!("not recorded: {why}"),
            News::Reloads { role, .. } => format!("reloads: {role:?}"),
            News::Leads { role, .. } => format!("leads: {role}"),
            other => format!("{other:?}"),
        }
    }
}
