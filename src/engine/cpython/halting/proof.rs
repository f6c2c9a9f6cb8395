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

impl Halter {
    /// Whether everything that must be proven in this tick is. Marks the threads that are not proven.
    pub fn prove(&mut self, halted: &Halted, reader: &mut LiveReader, scope: &Scope) -> Verdict {
        if halted.is_nothing() {
            reader.read_witnesses_again();
        }
        let mut stood = std::mem::take(&mut self.stood);
        stood.clear();
        let threads = reader.last_look().threads.iter();
        stood
            .extend(threads.map(|thread| needs_no_proof(thread) || self.stood(halted, thread.tid)));
        // This is asked after the threads, and only where it matters. A thread that ran may have slept when
        // the look began: it is the GIL's holder before it changes its stack (take_gil in
        // Python/ceval_gil.c).
        let all_stood = halted.is_nothing() || stood.iter().all(|stood| *stood);
        let gils_unchanged = all_stood || reader.gils_are_unchanged();
        let look = reader.last_look_mut();
        let mut verdict = Verdict::Proven;
        for (index, stood) in stood.iter().enumerate() {
            let Some(thread) = look.threads.get(index) else {
                break;
            };
            let stood =
                *stood || self.stood_without_gil(thread, look, halted, gils_unchanged, scope);
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
        self.stood = stood;
        verdict
    }

    /// Whether a thread was paused, or slept, or could not run on the CPU that we have, all the time.
    fn stood(&self, halted: &Halted, tid: Option<Tid>) -> bool {
        tid.is_some_and(|tid| halted.has_paused(tid) || self.tasks.is_still_off_cpu(tid))
    }

    /// Whether the stack of a thread that may have run cannot have changed.
    fn stood_without_gil(
        &self,
        thread: &RawThread,
        look: &Look,
        halted: &Halted,
        gils_unchanged: bool,
        scope: &Scope,
    ) -> bool {
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
            Some(holder) => self.stood(halted, holder.tid),
            // No thread has the GIL, and the last holder has ended.
            None => gil.holder.is_none() && !scope.is_partial(),
        }
    }
}

fn needs_no_proof(thread: &RawThread) -> bool {
    matches!(
        thread.stack,
        ReadStack::Unchanged | ReadStack::Joined | ReadStack::Gone
    )
}
