//! Interpreters and their thread states, and who holds the GIL. Knows nothing of kernel threads.

use std::ops::Range;

use super::chain::Ring;
use super::eval_loop::{self, EvalLoop};
use super::layout::{GilLayout, GilSource, Layout, LeafFrame};
use super::locate::RuntimeAddress;
use super::words::{half_word, word};
use crate::memory::{Fault, Memory};
use crate::model::Addr;

/// More than any process has; the chain of a process that lies may have no end.
const MAX_INTERPRETERS: usize = 1024;

/// More threads, of all interpreters together, than Linux allows a process by default.
const MAX_THREADS: usize = 65_536;

/// A `PyThreadState`, as far as unwinding needs it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ThreadState {
    pub address: Addr,
    pub interpreter: Addr,
    /// The innermost frame; null where no Python runs.
    pub leaf: Addr,
    /// The pthread id.
    pub thread_id: u64,
    /// The kernel's thread id in the target's own pid namespace; 3.11 on.
    pub native_thread_id: Option<u64>,
    /// The newest chunk of the data stack; 3.11 on.
    pub datastack_chunk: Option<Addr>,
    /// What shows whether the leaf is the leaf; 3.11 and 3.12, where an eval loop runs.
    pub eval_loop: Option<EvalLoop>,
    /// The sentinel at which a whole chain ends; 3.15.
    pub base_frame: Option<Addr>,
}

impl ThreadState {
    /// Whether it has frames: one of a thread that is being made, or that waits in C code for work, has
    /// none.
    #[must_use]
    pub fn has_frames(&self) -> bool {
        !self.leaf.is_null() && Some(self.leaf) != self.base_frame
    }
}

/// The words of one GIL.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Gil {
    /// The thread state that has it.
    pub holder: Option<Addr>,
    /// The thread state that had it last, or has it; null before the first, and it may have been
    /// freed since. `None` where the version does not keep it (2.7). Nobody else takes the GIL
    /// without changing this, but that one can, and give it back, with all words the same
    /// afterwards (take_gil in Python/ceval_gil.c).
    pub last_holder: Option<Addr>,
    /// Rises with each change of hands, where the version counts them.
    pub switch_number: u64,
}

impl Gil {
    /// Who could run Python now without another first being seen to take the GIL: the one that
    /// has it, or had it last where the version tells.
    #[must_use]
    pub fn latest_holder(&self) -> Option<Addr> {
        self.last_holder.or(self.holder)
    }
}

/// The addresses of all interpreter states, newest first.
///
/// # Errors
/// When one cannot be read, or the chain has no end.
pub fn interpreters<M: Memory>(
    memory: &mut M,
    layout: &Layout,
    runtime: &RuntimeAddress,
    found: &mut Vec<Addr>,
) -> Result<(), Fault> {
    found.clear();
    let head = match *runtime {
        RuntimeAddress::Runtime(runtime) => runtime.plus(layout.runtime.interpreters_head.into()),
        RuntimeAddress::Variables { interp_head, .. } => interp_head,
    };
    let mut interpreter = memory.read_addr(head)?;
    let mut ring = Ring::default();
    while !interpreter.is_null() && found.len() < MAX_INTERPRETERS {
        if ring.closes_at(interpreter) {
            return Err(endless(interpreter));
        }
        found.push(interpreter);
        interpreter = memory.read_addr(interpreter.plus(layout.interpreter.next.into()))?;
    }
    Ok(())
}

/// A chain that comes back to this address.
fn endless(at: Addr) -> Fault {
    Fault { at, len: 0 }
}

/// Appends the thread states of one interpreter, newest first, up to a bound for all interpreters
/// together.
///
/// # Errors
/// When a state cannot be read, or the chain has no end; those before it stay in `found`.
pub fn thread_states<M: Memory>(
    memory: &mut M,
    layout: &Layout,
    interpreter: Addr,
    found: &mut Vec<ThreadState>,
) -> Result<(), Fault> {
    let thread = &layout.thread;
    let mut address = memory.read_addr(interpreter.plus(layout.interpreter.threads_head.into()))?;
    let mut ring = Ring::default();
    while !address.is_null() && found.len() < MAX_THREADS {
        if ring.closes_at(address) {
            return Err(endless(address));
        }
        found.push(thread_state(memory, layout, interpreter, address)?);
        address = memory.read_addr(address.plus(thread.next.into()))?;
    }
    Ok(())
}

/// One thread state of an interpreter.
///
/// # Errors
/// When it cannot be read.
pub fn thread_state<M: Memory>(
    memory: &mut M,
    layout: &Layout,
    interpreter: Addr,
    address: Addr,
) -> Result<ThreadState, Fault> {
    let thread = &layout.thread;
    let field = |offset: u32| address.plus(offset.into());
    let (leaf, eval_loop) = match thread.leaf {
        LeafFrame::Direct { offset } => (memory.read_addr(field(offset))?, None),
        LeafFrame::ThroughCFrame(cframe) => eval_loop::newest(memory, thread, cframe, address)?,
    };
    let native_thread_id = thread.native_thread_id;
    let (chunk, base) = (thread.datastack_chunk, thread.base_frame);
    Ok(ThreadState {
        address,
        interpreter,
        leaf,
        thread_id: memory.read_u64(field(thread.thread_id))?,
        native_thread_id: native_thread_id
            .map(|offset| memory.read_u64(field(offset)))
            .transpose()?,
        datastack_chunk: chunk
            .map(|offset| memory.read_addr(field(offset)))
            .transpose()?,
        eval_loop,
        base_frame: base
            .map(|offset| memory.read_addr(field(offset)))
            .transpose()?,
    })
}

/// The GIL that governs an interpreter; `None` where there is none, or it is switched off.
///
/// # Errors
/// When its words cannot be read.
pub fn gil<M: Memory>(
    memory: &mut M,
    layout: &Layout,
    runtime: &RuntimeAddress,
    interpreter: Addr,
) -> Result<Option<Gil>, Fault> {
    match (layout.runtime.gil, runtime) {
        (
            GilSource::CurrentThreadVariable,
            RuntimeAddress::Variables {
                current_thread: Some(variable),
                ..
            },
        ) => {
            let holder = memory.read_addr(*variable)?;
            Ok(Some(Gil {
                holder: (!holder.is_null()).then_some(holder),
                last_holder: None,
                switch_number: 0,
            }))
        }
        _ => match gil_place(memory, layout, runtime, interpreter)? {
            Some((address, gil)) => gil_words(memory, &gil, address).map(Some),
            None => Ok(None),
        },
    }
}

/// The memory of the GIL that governs an interpreter, with the condition variables and mutexes that a
/// thread waits for it by, which follow its words (`struct _gil_runtime_state` in CPython's
/// Include/internal/pycore_gil.h). `None` where there is none, and before 3.7, where these are variables of
/// their own.
///
/// # Errors
/// When a word on the way to it cannot be read.
pub fn gil_memory<M: Memory>(
    memory: &mut M,
    layout: &Layout,
    runtime: &RuntimeAddress,
    interpreter: Addr,
) -> Result<Option<Range<u64>>, Fault> {
    /// Two `pthread_cond_t` and two `pthread_mutex_t` of the GNU C library, which has the largest.
    const LOCKS: u64 = 2 * (48 + 40);
    Ok(
        gil_place(memory, layout, runtime, interpreter)?.map(|(address, gil)| {
            let start = address.plus(gil.switch_number.into());
            start.0..start.plus(8 + LOCKS).0
        }),
    )
}

/// Where the words of a GIL are counted from, and their layout.
fn gil_place<M: Memory>(
    memory: &mut M,
    layout: &Layout,
    runtime: &RuntimeAddress,
    interpreter: Addr,
) -> Result<Option<(Addr, GilLayout)>, Fault> {
    match (layout.runtime.gil, runtime) {
        (GilSource::Runtime(gil), RuntimeAddress::Runtime(runtime)) => Ok(Some((*runtime, gil))),
        (GilSource::Interpreter { pointer, gil }, _) => {
            let address = memory.read_addr(interpreter.plus(pointer.into()))?;
            if address.is_null() {
                return Ok(None);
            }
            let is_on = match gil.enabled {
                Some(enabled) => memory.read_u32(address.plus(enabled.into()))? != 0,
                None => true,
            };
            Ok(is_on.then_some((address, gil)))
        }
        _ => Ok(None),
    }
}

/// All words in one read: outside a snapshot each read is a system call.
fn gil_words<M: Memory>(memory: &mut M, gil: &GilLayout, base: Addr) -> Result<Gil, Fault> {
    let offsets = [gil.last_holder, gil.locked, gil.switch_number];
    let start = offsets.into_iter().min().unwrap_or(0);
    let mut bytes = [0; 64];
    let len = (offsets.into_iter().max().unwrap_or(0) - start) as usize + 8;
    let bytes = bytes.get_mut(..len).ok_or(Fault { at: base, len })?;
    memory.read(base.plus(start.into()), bytes)?;
    let last_holder = Addr(word(bytes, gil.last_holder - start));
    // -1 before the first use, 0 free, 1 taken (Python/ceval_gil.c).
    let locked = half_word(bytes, gil.locked - start) == 1;
    Ok(Gil {
        holder: (locked && !last_holder.is_null()).then_some(last_holder),
        last_holder: Some(last_holder),
        switch_number: word(bytes, gil.switch_number - start),
    })
}
