//! Whether what was read is true: did each thread stand still for as long as it was looked at?

use super::CpythonEngine;
use super::hold::Held;
use super::read::{ReadStack, ReadThread};
use crate::cpython::threads::{self, ThreadState};
use crate::memory::Memory;
use crate::model::{Proof, Tid};

/// How often the words that name a stack are read again where nothing stood still. Once is not
/// enough: a program that does the same over and over may be at the same place again each time
/// that it is asked, and not have been there in between.
const READINGS_AGAIN: u32 = 4;

/// What came of a look at all threads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Verdict {
    /// Each chain was whole, and its thread stood still for as long as it was read.
    Proven,
    /// All stood still, but one where its chain was not whole, as while a frame is being linked.
    Unlinked,
    /// One did not stand still.
    Moved,
}

impl CpythonEngine {
    /// Whether all that was read is proven. Marks what is not.
    pub(super) fn verify(&mut self, held: &Held) -> Verdict {
        if matches!(held, Held::Nobody) {
            self.read_witnesses_again();
        }
        let gils_unchanged = self.gils_unchanged(held);
        let mut verdict = Verdict::Proven;
        for index in 0..self.scratch.read.len() {
            let Some(thread) = self.scratch.read.get(index) else {
                break;
            };
            let stood = matches!(thread.stack, ReadStack::Unchanged | ReadStack::Gone)
                || self.stood_still(thread, held, gils_unchanged);
            if !stood {
                verdict = Verdict::Moved;
            } else if thread.proof == Proof::Unproven && verdict == Verdict::Proven {
                verdict = Verdict::Unlinked;
            }
            if let Some(thread) = self.scratch.read.get_mut(index)
                && !stood
            {
                thread.proof = Proof::Unproven;
            }
        }
        verdict
    }

    fn stood_still(&self, thread: &ReadThread, held: &Held, gils_unchanged: bool) -> bool {
        let stood = |tid: Option<Tid>| {
            tid.is_some_and(|tid| held.has(tid) || self.tasks.is_still_off_cpu(tid))
        };
        if stood(thread.tid) {
            return true;
        }
        if let Held::Nobody = held {
            return !thread.ran_on;
        }
        // Whoever has not got the GIL cannot have changed its stack while the one who has it, or
        // could take it unnoticed, stood.
        if !gils_unchanged {
            return false;
        }
        let gil = self
            .scratch
            .gils
            .iter()
            .find(|(at, _)| *at == thread.state.interpreter);
        let Some(gil) = gil.and_then(|(_, gil)| *gil) else {
            return false;
        };
        let Some(holder) = gil.latest_holder() else {
            return false;
        };
        let known = self
            .scratch
            .read
            .iter()
            .find(|thread| thread.state.address == holder);
        match known {
            Some(holder) => stood(holder.tid),
            // Nobody has it, and who had it last has ended.
            None => gil.holder.is_none() && !self.scratch.partial,
        }
    }

    /// Whether the GILs are as the snapshot has them. Only asked where it matters: a thread that
    /// takes the GIL is seen as its holder a moment after it may run (take_gil in
    /// Python/ceval_gil.c), so a running thread that is not held may be about to.
    fn gils_unchanged(&mut self, held: &Held) -> bool {
        let mut others = self.scratch.read.iter().filter_map(|thread| thread.tid);
        if !others.any(|tid| !held.has(tid) && self.tasks.is_on_cpu(tid)) {
            return true;
        }
        let (layout, runtime) = (&self.layout, &self.located.runtime);
        self.scratch.gils.iter().all(|(interpreter, gil)| {
            threads::gil(self.memory.source(), layout, runtime, *interpreter) == Ok(*gil)
        })
    }

    /// Reads the words again that name the stacks, several times, and marks each thread of which one
    /// has changed; its leaf too, since a frame keeps what it held after it has ended.
    fn read_witnesses_again(&mut self) {
        let (memory, scratch) = (&mut self.memory, &mut self.scratch);
        for reading in 0..READINGS_AGAIN {
            wait(reading);
            memory.refresh();
            for thread in &mut scratch.read {
                let ReadStack::Read(_) = &thread.stack else {
                    continue;
                };
                let ThreadState {
                    interpreter,
                    address,
                    leaf,
                    ..
                } = thread.state;
                let now = threads::thread_state(memory, &self.layout, interpreter, address);
                let witnesses = scratch.witnesses.get(thread.witnesses.clone());
                let mut witnesses = witnesses.unwrap_or_default().iter();
                thread.ran_on |= !now.is_ok_and(|now| now.leaf == leaf)
                    || !witnesses.all(|(at, value)| memory.read_u64(*at) == Ok(*value));
            }
        }
    }
}

/// Lets so much time pass before a reading that no two are equally far apart.
fn wait(reading: u32) {
    for _ in 0..reading * 37 {
        std::hint::spin_loop();
    }
}
