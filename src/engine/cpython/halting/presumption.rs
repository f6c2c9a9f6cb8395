//! Whether the thread that runs Python is still on the CPU where the last tick found it. The kernel keeps
//! the CPU's number in the thread's own memory. Asking the kernel itself costs much more.

use super::{Halter, LiveReader, Look};
use crate::model::{Addr, Tid};
use crate::sys::linux::stand;

/// No kernel supports more CPUs (`NR_CPUS`). The value for "no CPU" is far larger.
const LAST_CPU: u32 = 1 << 16;

/// The thread that the last tick preempted by standing on its CPU, if the next tick may presume that it
/// is there again.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Presumption(Option<Preempted>);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Preempted {
    tid: Tid,
    /// Address of its CPU number.
    cpu_id: Addr,
}

impl Presumption {
    pub(super) fn tid(self) -> Option<Tid> {
        self.0.map(|preempted| preempted.tid)
    }
}

impl Halter {
    /// Called at the end of a tick. Notes the thread that the next tick may presume to be where it is
    /// now. This is only possible if one thread at a time runs Python.
    pub fn presume_for_next_tick(&mut self, reader: &mut LiveReader) {
        self.presumption = Presumption(self.preempted(reader.last_look()));
        let cpu_id = self.presumption.0.map(|preempted| preempted.cpu_id);
        reader.memory().end_with(cpu_id);
    }

    fn preempted(&self, look: &Look) -> Option<Preempted> {
        let offset = self.cpu_id_offset.filter(|_| self.may_stand)?;
        let [(_, Some(gil))] = look.gils[..] else {
            return None;
        };
        let holder = gil.latest_holder()?;
        let thread = look.thread_at(holder)?;
        let tid = thread.tid?;
        let here = stand::cpu();
        let is_here = |cpu: usize| here == Some(cpu);
        self.tasks.known(tid).filter(|task| is_here(task.cpu()))?;
        let cpu_id = Addr(thread.state.thread_id.wrapping_add(offset));
        cpu_id
            .0
            .is_multiple_of(4)
            .then_some(Preempted { tid, cpu_id })
    }

    /// Called after a look. Tells whether the thread was where it was presumed to be.
    ///
    /// The thread's CPU number is read last. If it is still our CPU's, the thread did not run in user
    /// mode on another CPU since we stand here: a thread that returns to user mode on another CPU gets
    /// the number updated before (`rseq_handle_notify_resume` in the kernel's kernel/rseq.c). If it ran
    /// on our CPU, it was scheduled, which is checked at the end.
    pub fn presumption_held(&mut self, reader: &mut LiveReader) -> bool {
        let Some(preempted) = self.presumption.0 else {
            return true;
        };
        let Some(cpu) = self.tasks.presumed(preempted.tid) else {
            return true;
        };
        match reader.memory().last_word() {
            Ok(cpu_id) if cpu_id <= LAST_CPU => cpu_id as usize == cpu && stand::cpu() == Some(cpu),
            // Either rseq is not registered or there is no such memory, so this is not tried again.
            Ok(_) | Err(_) => {
                self.cpu_id_offset = None;
                false
            }
        }
    }
}
