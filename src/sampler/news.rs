//! What a recording finds out about its processes while it goes on.

use super::OpenFailure;
use crate::engine::cpython;
use crate::model::{Nanos, Pid};
use crate::target::Halted;

/// Something that whoever waits for the recording should know.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum News<'a> {
    /// Our own engine does not know its Python; py-spy's reads it.
    FellBack {
        pid: Pid,
        why: &'a cpython::OpenError,
    },
    /// Several Pythons are loaded in it, of these versions: each is recorded.
    SeveralPythons { pid: Pid, pythons: &'a str },
    /// A process below those that are meant is left out for good.
    NotRecorded { pid: Pid, why: &'a OpenFailure },
    /// It starts another anew whenever a file changes: it is recorded by these. `role` is what it was
    /// seen to be, where that was seen.
    Reloads {
        pid: Pid,
        role: Option<&'static str>,
    },
    /// Others that it starts do the work: they are recorded, too.
    Leads { pid: Pid, role: &'static str },
    /// A thread of it was to be paused, and may not be. Told once a process.
    PauseRefused { pid: Pid },
    /// It could be read, and can no longer be, since that moment of the recording.
    Unreadable {
        pid: Pid,
        since: Nanos,
        why: &'a str,
    },
    /// Somebody keeps it from running.
    Halted { pid: Pid, how: Halted },
    /// Nothing could be recorded yet. `starts_others`: it is an autoreloader, or another that is recorded
    /// by its children, and has none yet.
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

    /// The same for all processes of which the same is to be said: it is said once for a thousand
    /// workers.
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
