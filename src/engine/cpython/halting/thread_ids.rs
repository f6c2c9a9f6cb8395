//! Which kernel thread runs a Python thread.

use rustc_hash::FxHashMap;

use super::tasks::Tasks;
use crate::cpython::threads::ThreadState;
use crate::engine::cpython::reading::KernelThread;
use crate::memory::Memory;
use crate::model::little_endian::u32_at;
use crate::model::{Addr, Pid, Tid};
use crate::sys::linux::status::Stat;
use crate::sys::linux::tasks::{has_thread, thread_ids, tid_in_own_namespace};

/// How far into the C library's `struct pthread` to look for the kernel's thread id.
const PTHREAD_SPAN: usize = 1024;

/// Where it usually is: glibc on x86-64 and aarch64 (`tid` in nptl/descr.h), musl with and without
/// the pointers that some architectures keep before it (src/internal/pthread_impl.h).
const USUAL_TID_OFFSETS: [usize; 4] = [720, 208, 48, 56];

/// How many times one look searches for the place of the kernel's thread id. A search may ask the
/// kernel about every word of a `struct pthread`.
const MAX_SEARCHES: u32 = 64;

/// Finds the kernel threads of one process.
#[derive(Debug)]
pub struct ThreadIds {
    pid: Pid,
    /// Host thread ids by the ids that the target sees, where these differ.
    by_inner_tid: FxHashMap<u64, Tid>,
    /// Whether the target sees the same thread ids as we do.
    same_namespace: bool,
    /// Where in `struct pthread` the thread id is, once found.
    tid_in_pthread: Option<u64>,
    /// Some thread was found by the id in its thread state, so that these can be relied on.
    native_ids_hold: bool,
    /// What may still be tried until the next look.
    searches_left: u32,
    listing_left: bool,
    /// The main thread has ended before the others. The kernel lists it for as long as they run, and
    /// its thread state stays as it was.
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

    /// At the start of a look.
    pub fn allow_searches(&mut self) {
        self.searches_left = MAX_SEARCHES;
        self.listing_left = true;
    }

    /// The kernel thread of a Python thread: from the thread state where it is kept there (3.11
    /// on), else from the C library's own record of the thread.
    pub fn kernel_thread<M: Memory>(
        &mut self,
        tasks: &Tasks,
        memory: &mut M,
        thread: &ThreadState,
    ) -> KernelThread {
        let kernel = self.listed_thread(tasks, memory, thread);
        match kernel.tid() {
            Some(tid) if self.has_ended(tasks, tid) => KernelThread::Gone,
            // Whoever forked is the main thread of the child, and no other has its record: it is found by
            // that where its thread state still has the id that it had in the parent.
            Some(tid) if tid == Tid(self.pid.0) => KernelThread::Is(tid),
            _ => kernel,
        }
    }

    /// Whether a thread that the kernel lists has ended: the main thread alone can have.
    fn has_ended(&mut self, tasks: &Tasks, tid: Tid) -> bool {
        if tid != Tid(self.pid.0) || tasks.known(tid).is_some() {
            return false;
        }
        self.main_has_ended = self.main_has_ended
            || Stat::of_thread(self.pid, tid).is_none_or(|stat| stat.has_ended());
        self.main_has_ended
    }

    /// The same, of a main thread that has ended before others as well.
    fn listed_thread<M: Memory>(
        &mut self,
        tasks: &Tasks,
        memory: &mut M,
        thread: &ThreadState,
    ) -> KernelThread {
        // 0 until the thread has begun.
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
                // A thread's record is there for as long as the thread is.
                Err(_) => KernelThread::Gone,
            };
        }
        if self.searches_left == 0 {
            return KernelThread::Unknown;
        }
        self.searches_left -= 1;
        // An id that is no thread's here is that of a thread which has ended; or a program forked
        // without telling Python, and the id is its parent's (uWSGI). The C library knows better;
        // yet what is left of a thread that has ended may hold any number, so only the places that
        // are known for the id count there.
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
        // The usual places first: other words are small numbers too, as thread ids in a container.
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

    /// Our id of the thread that the target knows by `inner`; `None` when it has no such thread.
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
