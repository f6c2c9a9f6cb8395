//! Whether the thread that runs Python is still where the last tick found it: told by what the kernel
//! keeps in the thread's own memory, since to ask the kernel is dear.

use super::CpythonEngine;
use crate::model::{Addr, Tid};
use crate::sys::linux::stand;

/// No kernel has more CPUs (`NR_CPUS`); what stands for none is far beyond.
const LAST_CPU: u32 = 1 << 16;

/// The thread that was displaced in the last tick, if it can be presumed to be again.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct MayStay(Option<Displaced>);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Displaced {
    tid: Tid,
    /// Where it has the number of its CPU.
    cpu_id: Addr,
}

impl MayStay {
    pub(super) fn tid(self) -> Option<Tid> {
        self.0.map(|displaced| displaced.tid)
    }
}

impl CpythonEngine {
    /// At the end of a tick: whom the next one may presume to be where it is now. Only where one
    /// thread runs Python at a time.
    pub(super) fn expect_to_stay(&mut self) {
        self.may_stay = MayStay(self.displaced());
        self.memory
            .end_with(self.may_stay.0.map(|displaced| displaced.cpu_id));
    }

    fn displaced(&self) -> Option<Displaced> {
        let offset = self.located.cpu_id.filter(|_| self.may_stand)?;
        let [(_, Some(gil))] = self.scratch.gils[..] else {
            return None;
        };
        let holder = gil.latest_holder()?;
        let mut read = self.scratch.read.iter();
        let thread = read.find(|thread| thread.state.address == holder)?;
        let tid = thread.tid?;
        let here = stand::cpu();
        let is_here = |cpu: usize| here == Some(cpu);
        self.tasks.known(tid).filter(|task| is_here(task.cpu()))?;
        let cpu_id = Addr(thread.state.thread_id.wrapping_add(offset));
        cpu_id
            .0
            .is_multiple_of(4)
            .then_some(Displaced { tid, cpu_id })
    }

    /// After a look: whether the thread was where it had been presumed to be.
    ///
    /// Its word for it is read behind all else. If it is our CPU still, the thread did not run in
    /// user mode on another since we stand here: a thread that comes back to user mode elsewhere
    /// has it renewed before (`rseq_handle_notify_resume` in the kernel's kernel/rseq.c), and on
    /// ours it would have been scheduled, which is asked at the end.
    pub(super) fn has_stayed(&mut self) -> bool {
        let Some(displaced) = self.may_stay.0 else {
            return true;
        };
        let Some(cpu) = self.tasks.presumed(displaced.tid) else {
            return true;
        };
        match self.memory.last_word() {
            Ok(cpu_id) if cpu_id <= LAST_CPU => cpu_id as usize == cpu && stand::cpu() == Some(cpu),
            // Not registered, or no such memory: it is not to be asked again.
            Ok(_) | Err(_) => {
                self.located.cpu_id = None;
                false
            }
        }
    }
}
