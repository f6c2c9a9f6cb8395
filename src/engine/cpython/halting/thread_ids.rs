//! Finds the kernel thread that runs a Python thread.

use rustc_hash::FxHashMap;

use super::tasks::Tasks;
use crate::cpython::threads::ThreadState;
use crate::engine::cpython::reading::KernelThread;
use crate::memory::Memory;
use crate::model::little_endian::u32_at;
use crate::model::{Addr, Pid, Tid};
use crate::sys::linux::status::Stat;
use crate::sys::linux::tasks::{has_thread, thread_ids, tid_in_own_namespace};

/// The number of bytes of the C library's `struct pthread` that are searched for the kernel's thread id.
const PTHREAD_SPAN: usize = 1024;

/// The usual offsets of the kernel's thread id in `struct pthread`: in glibc on x86-64 and aarch64 (`tid` in nptl/descr.h), and in musl with and
/// without the pointers that some architectures keep before it (src/internal/pthread_impl.h).
pub const USUAL_TID_OFFSETS: [usize; 4] = [720, 208, 48, 56];

/// The most searches for the offset in one look. A search may ask the kernel about every word of a
/// `struct pthread`.
const MAX_SEARCHES: u32 = 64;

/// Finds the kernel threads of one process.
#[derive(Debug)]
pub struct ThreadIds {
    pid: Pid,
    /// Our thread ids by those in the target's namespace, if these differ.
    by_inner_tid: FxHashMap<u64, Tid>,
    /// Whether the target sees the same thread ids as we do.
    same_namespace: bool,
    /// The offset of the thread id in `struct pthread`, once found.
    tid_in_pthread: Option<u64>,
    /// Whether some thread was found by the id in its thread state, so that these ids can be trusted.
    native_ids_hold: bool,
    /// Searches left until the next look.
    searches_left: u32,
    listing_left: bool,
    /// Whether the main thread has ended before the others. The kernel lists it as long as they run, and
    /// its thread state does not change.
    main_has_ended: bool,
}

impl ThreadIds {
    pub fn new(pid: Pid) -> ThreadIds {
        ThreadIds {
            pid,
            by_inner_tid: FxHashMap::default(),
            same_namespace: tid_in_own_namespace(pid, Tid(pid.0))
                .is_none_or(|id| Ok(id) == u64::try_from(pid.0)),
            tid_in_pthread: None,
            native_ids_hold: false,
            searches_left: MAX_SEARCHES,
            listing_left: true,
            main_has_ended: false,
        }
    }

    /// Called at the start of a look.
    pub fn allow_searches(&mut self) {
        self.searches_left = MAX_SEARCHES;
        self.listing_left = true;
    }

    /// The kernel thread of a Python thread: from the thread state if the id is there (3.11 on), or else
    /// from the C library's record of the thread.
    pub fn kernel_thread<M: Memory>(
        &mut self,
        tasks: &Tasks,
        memory: &mut M,
        thread: &ThreadState,
    ) -> KernelThread {
        let kernel = self.listed_thread(tasks, memory, thread);
        match kernel.tid() {
            Some(tid) if self.has_ended(tasks, tid) => KernelThread::Gone,
            // The thread that forked is the main thread of the child, and no other has its record. It is
            // found by the record if its thread state still has the id that it had in the parent.
            Some(tid) if tid == Tid(self.pid.0) => KernelThread::Is(tid),
            _ => kernel,
        }
    }

    /// Whether a thread that the kernel still lists has ended. That is only possible for the main thread.
    fn has_ended(&mut self, tasks: &Tasks, tid: Tid) -> bool {
        if tid != Tid(self.pid.0) || tasks.known(tid).is_some() {
            return false;
        }
        self.main_has_ended = self.main_has_ended
            || Stat::of_thread(self.pid, tid).is_none_or(|stat| stat.has_ended());
        self.main_has_ended
    }

    /// The same, without checking whether the main thread has ended.
    fn listed_thread<M: Memory>(
        &mut self,
        tasks: &Tasks,
        memory: &mut M,
        thread: &ThreadState,
    ) -> KernelThread {
        // It is 0 until the thread has started.
        let native = thread.native_thread_id.filter(|inner| *inner != 0);
        if let Some(tid) = native.and_then(|inner| self.host_tid(tasks, inner)) {
            self.native_ids_hold = true;
            return KernelThread::Is(tid);
        }
        let pthread = Addr(thread.thread_id);
        if let Some(offset) = self.tid_in_pthread {
            return match memory.read_u32(pthread.plus(offset)) {
                Ok(inner) => self
                    .host_tid(tasks, inner.into())
                    .map_or(KernelThread::Gone, KernelThread::Recorded),
                // The record exists as long as the thread does.
                Err(_) => KernelThread::Gone,
            };
        }
        if self.searches_left == 0 {
            return KernelThread::Unknown;
        }
        self.searches_left -= 1;
        // The id in the thread state is not one of this process's threads. Either the thread has ended,
        // or the program forked without telling Python and the id is the parent's (uWSGI). The C
        // library's record then has the right id. But what is left of an ended thread's record may hold
        // any number, so only the usual offsets are tried.
        let only_usual = native.is_some() && self.native_ids_hold;
        match self.search_pthread(tasks, memory, pthread, only_usual) {
            Some((offset, tid)) => {
                self.tid_in_pthread = Some(offset);
                KernelThread::Recorded(tid)
            }
            None if only_usual => KernelThread::Gone,
            None => KernelThread::Unknown,
        }
    }

    /// The first word of `struct pthread` that is the id of one of the process's threads.
    fn search_pthread<M: Memory>(
        &mut self,
        tasks: &Tasks,
        memory: &mut M,
        pthread: Addr,
        only_usual: bool,
    ) -> Option<(u64, Tid)> {
        let bytes = memory.read_vec(pthread, PTHREAD_SPAN).ok()?;
        // The usual offsets come first, since other words may be small numbers, as thread ids in a
        // container are.
        let anywhere = (0..PTHREAD_SPAN).step_by(4).filter(|_| !only_usual);
        USUAL_TID_OFFSETS
            .into_iter()
            .chain(anywhere)
            .find_map(|offset| {
                let word = u32_at(&bytes, offset)?;
                let tid = (word > 0)
                    .then(|| self.host_tid(tasks, word.into()))
                    .flatten()?;
                Some((offset as u64, tid))
            })
    }

    /// Our id of the thread whose id in the target is `inner`; `None` if there is no such thread.
    fn host_tid(&mut self, tasks: &Tasks, inner: u64) -> Option<Tid> {
        if self.same_namespace {
            let tid = Tid(i32::try_from(inner).ok()?);
            let known = tasks.known(tid).is_some() || has_thread(self.pid, tid);
            return known.then_some(tid);
        }
        if let Some(&tid) = self.by_inner_tid.get(&inner)
            && (!self.listing_left || tasks.known(tid).is_some())
        {
            return Some(tid);
        }
        if !std::mem::take(&mut self.listing_left) {
            return None;
        }
        self.by_inner_tid = thread_ids(self.pid)
            .into_iter()
            .filter_map(|tid| Some((tid_in_own_namespace(self.pid, tid)?, tid)))
            .collect();
        self.by_inner_tid.get(&inner).copied()
    }
}
