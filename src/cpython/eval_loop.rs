//! The newest eval loop of a thread of 3.11 and 3.12, and whether it has begun.
//!
//! These versions link a loop's `_PyCFrame` to the thread state before they write into it
//! (`_PyEval_EvalFrameDefault` in Python/ceval.c, as compilers order it). For a moment it holds what
//! an earlier loop left at the same place of the C stack: a frame that has ended, or whose memory has
//! become another's, and the loop that called it. A target may stand at that moment for as long as
//! it is read, so that it must show by itself.

use super::layout::{CFrameLayout, Layout, ThreadLayout};
use crate::memory::{Fault, Memory};
use crate::model::Addr;

/// The frame of a thread whose newest cframe cannot be filled in yet: nothing can be read there.
const HALF_LINKED: Addr = Addr(1);

/// Where no Python runs, the cframe is the one within the thread state itself (`root_cframe`).
const ROOT_CFRAME_WITHIN: u64 = 4096;

/// Where the size of a data stack chunk is in its header (`struct _PyStackChunk`).
const CHUNK_SIZE: u64 = 8;

/// Where `previous_item` is in `_PyErr_StackItem`; 3.11.
const EXC_PREVIOUS: u64 = 8;

/// What is true of a thread's frames if its newest loop has begun.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EvalLoop {
    /// The frame that the calling loop runs: the caller of the one with which this loop was
    /// entered. Null if no loop called it.
    pub entered_from: Addr,
    /// Where the used part of the newest data stack chunk ends.
    pub datastack_top: Option<Addr>,
    /// `exc_info` and the `previous_item` there: while a generator runs, its state and that of
    /// the one that resumed it. 3.11.
    pub exc_states: Option<[Addr; 2]>,
}

/// The leaf of the thread state at `address`, and its loop if one runs.
pub(super) fn newest<M: Memory>(
    memory: &mut M,
    thread: &ThreadLayout,
    layout: CFrameLayout,
    address: Addr,
) -> Result<(Addr, Option<EvalLoop>), Fault> {
    let mut field = |offset: u32| memory.read_addr(address.plus(offset.into()));
    let cframe = field(layout.newest)?;
    let datastack_top = thread.datastack_top.map(&mut field).transpose()?;
    let exc_info = thread.exc_info.map(&mut field).transpose()?;
    if cframe.is_null() {
        return Ok((Addr::NULL, None));
    }
    // A thread that is being made or unmade: as good as one without frames.
    let leaf = memory
        .read_addr(cframe.plus(layout.current_frame.into()))
        .unwrap_or(Addr::NULL);
    if cframe.0.wrapping_sub(address.0) < ROOT_CFRAME_WITHIN {
        return Ok((leaf, None));
    }
    let caller = memory.read_addr(cframe.plus(layout.previous.into()));
    let entered_from =
        caller.and_then(|caller| memory.read_addr(caller.plus(layout.current_frame.into())));
    let (Ok(entered_from), false) = (entered_from, leaf.is_null()) else {
        return Ok((HALF_LINKED, None));
    };
    let eval_loop = EvalLoop {
        entered_from,
        datastack_top,
        exc_states: match exc_info {
            Some(exc_info) => Some([exc_info, memory.read_addr(exc_info.plus(EXC_PREVIOUS))?]),
            None => None,
        },
    };
    Ok((leaf, Some(eval_loop)))
}

/// Holds the frames of a thread, leaf first, against its newest loop.
#[derive(Debug)]
pub(super) struct LoopCheck {
    eval_loop: EvalLoop,
    /// Start and end of the newest data stack chunk.
    chunk: (Addr, Addr),
    exc_state_before: Option<u32>,
    is_first: bool,
    entry_met: bool,
}

/// A frame as far as [`LoopCheck`] needs it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Link {
    pub(super) address: Addr,
    pub(super) previous: Addr,
    /// A loop was entered with it: 3.12's own frames that are no functions, or marked in 3.11.
    pub(super) is_entry: bool,
    pub(super) is_generator: bool,
}

impl LoopCheck {
    /// `chunk` is the newest of the thread's data stack.
    pub(super) fn new<M: Memory>(
        memory: &mut M,
        layout: &Layout,
        eval_loop: EvalLoop,
        chunk: Addr,
    ) -> Result<LoopCheck, Fault> {
        let size = match chunk.is_null() {
            true => 0,
            false => memory.read_u64(chunk.plus(CHUNK_SIZE))?,
        };
        Ok(LoopCheck {
            eval_loop,
            chunk: (chunk, chunk.plus(size)),
            exc_state_before: layout.frame.exc_state_before,
            is_first: true,
            entry_met: false,
        })
    }

    /// Whether the next frame can be one of this thread's now.
    pub(super) fn allows(&mut self, frame: Link) -> bool {
        let is_first = std::mem::replace(&mut self.is_first, false);
        if frame.is_entry && !self.entry_met {
            self.entry_met = true;
            if frame.previous != self.eval_loop.entered_from {
                return false;
            }
        }
        // A function's frame is given back a moment before its caller is the leaf again, unless the
        // loop ends with it (`pop_frame` in Python/ceval.c).
        let may_be_given_back = is_first && !frame.is_entry;
        if !may_be_given_back && self.is_beyond_top(frame.address) {
            return false;
        }
        // A generator that runs is the innermost, or resumes that one or was resumed by it a moment
        // ago; one that an earlier loop left behind is not.
        let (Some(states), Some(before)) = (self.eval_loop.exc_states, self.exc_state_before)
        else {
            return true;
        };
        let own = Addr(frame.address.0.wrapping_sub(before.into()));
        !(is_first && frame.is_entry && frame.is_generator) || states.contains(&own)
    }

    /// Whether an address is in the unused part of the newest chunk.
    fn is_beyond_top(&self, address: Addr) -> bool {
        let top = self.eval_loop.datastack_top;
        top.is_some_and(|top| {
            let (start, end) = self.chunk;
            start <= top && top <= address && address < end
        })
    }
}
