//! Whether what was read is valid: did each thread stand still while it was read?

use super::{Halted, Halter, LiveReader, Look, Scope};
use crate::engine::cpython::reading::{Patience, RawThread, ReadStack};
use crate::model::{Proof, Tid};

/// The result of a look at all threads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// Each chain of frames was whole, and its thread stood still while it was read. Threads that get no
    /// further try are not considered.
    Proven,
    /// All threads stood still, but a chain was not whole, as while a frame is being linked.
    Unlinked,
    /// A thread did not stand still.
    Moved,
}

/// For how long threads had to stand still.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stretch {
    /// For the microseconds in which stacks are read.
    Stacks,
    /// For the milliseconds in which values are read, too. A thread that slept when it began may have been
    /// woken meanwhile, have taken a GIL that was free and have run.
    Values,
}

impl Halter {
    /// Whether everything that must be proven in this tick is. Marks the threads that are not proven.
    pub fn prove(
        &mut self,
        halted: &Halted,
        stretch: Stretch,
        reader: &mut LiveReader,
        scope: &Scope,
    ) -> Verdict {
        if halted.is_nothing() {
            reader.read_witnesses_again();
        }
        let gils_unchanged = self.gils_are_unchanged(halted, stretch, reader);
        let look = reader.last_look_mut();
        let mut verdict = Verdict::Proven;
        for index in 0..look.threads.len() {
            let Some(thread) = look.threads.get(index) else {
                break;
            };
            let needs_no_proof = matches!(
                thread.stack,
                ReadStack::Unchanged | ReadStack::Joined | ReadStack::Gone
            );
            let stood =
                needs_no_proof || self.stood_still(thread, look, halted, gils_unchanged, scope);
            if thread.patience != Patience::Full {
                // It gets no further try, whatever the result is.
            } else if !stood {
                verdict = Verdict::Moved;
            } else if thread.proof == Proof::Unproven && verdict == Verdict::Proven {
                verdict = Verdict::Unlinked;
            }
            if let Some(thread) = look.threads.get_mut(index)
                && !stood
            {
                thread.proof = Proof::Unproven;
            }
        }
        verdict
    }

    fn stood_still(
        &self,
        thread: &RawThread,
        look: &Look,
        halted: &Halted,
        gils_unchanged: bool,
        scope: &Scope,
    ) -> bool {
        let stood = |tid: Option<Tid>| {
            tid.is_some_and(|tid| halted.has_paused(tid) || self.tasks.is_still_off_cpu(tid))
        };
        if stood(thread.tid) {
            return true;
        }
        if halted.is_nothing() {
            return !thread.ran_on;
        }
        // A thread without the GIL cannot have changed its stack if the latest holder stood still: no
        // other could take the GIL unnoticed.
        if !gils_unchanged {
            return false;
        }
        let Some(gil) = look.gil_of(thread.state.interpreter) else {
            return false;
        };
        let Some(holder) = gil.latest_holder() else {
            return false;
        };
        match look.thread_at(holder) {
            Some(holder) => stood(holder.tid),
            // No thread has the GIL, and the last holder has ended.
            None => gil.holder.is_none() && !scope.is_partial(),
        }
    }

    /// Whether the GILs are still as in the snapshot. This is only asked where it matters: a thread that
    /// takes the GIL becomes visible as its holder shortly after it may run (take_gil in
    /// Python/ceval_gil.c), so a running thread that is not paused may be about to.
    fn gils_are_unchanged(
        &self,
        halted: &Halted,
        stretch: Stretch,
        reader: &mut LiveReader,
    ) -> bool {
        let mut tids = reader
            .last_look()
            .threads
            .iter()
            .filter_map(|thread| thread.tid);
        let any_may_run = tids.any(|tid| !halted.has_paused(tid) && self.tasks.may_be_running(tid));
        if stretch == Stretch::Stacks && !any_may_run {
            return true;
        }
        reader.gils_are_unchanged()
    }
}
