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

#[cfg(test)]
mod tests {
    use super::*;

    const CHUNK: Addr = Addr(0x10_0000);
    const TOP: Addr = Addr(0x10_0400);
    const CALLER: Addr = Addr(0x10_0200);
    const GENERATOR: Addr = Addr(0x50_0000);

    /// A loop that the function at `CALLER` entered, while the generator at `GENERATOR` runs.
    fn check() -> LoopCheck {
        let [running, resumer] = [GENERATOR.0 - 32, 0x70_0000];
        LoopCheck {
            eval_loop: EvalLoop {
                entered_from: CALLER,
                datastack_top: Some(TOP),
                exc_states: Some([Addr(running), Addr(resumer)]),
            },
            chunk: (CHUNK, CHUNK.plus(0x4000)),
            exc_state_before: Some(32),
            is_first: true,
            entry_met: false,
        }
    }

    fn function(address: u64, previous: Addr, is_entry: bool) -> Link {
        Link {
            address: Addr(address),
            previous,
            is_entry,
            is_generator: false,
        }
    }

    fn generator(address: Addr, previous: Addr) -> Link {
        Link {
            address,
            previous,
            is_entry: true,
            is_generator: true,
        }
    }

    #[test]
    fn the_entry_of_the_newest_loop_was_called_by_the_leaf_of_the_one_before() {
        let mut check_it = check();
        assert!(check_it.allows(function(0x10_0380, Addr(0x10_0300), false)));
        assert!(check_it.allows(function(0x10_0300, CALLER, true)));
        // An older loop's caller is its own affair.
        assert!(check_it.allows(function(CALLER.0, Addr(0x10_0100), true)));

        let mut check_it = check();
        assert!(check_it.allows(function(0x10_0380, Addr(0x10_0300), false)));
        assert!(!check_it.allows(function(0x10_0300, Addr(0x10_0100), true)));
        assert!(!check().allows(function(CALLER.0, Addr(0x10_0100), true)));
    }

    #[test]
    fn no_frame_lies_where_the_data_stack_is_unused() {
        // A leaf that returns has been given back a moment before; its callers have not.
        let mut check_it = check();
        assert!(check_it.allows(function(TOP.0, CALLER, false)));
        assert!(!check_it.allows(function(TOP.0 + 8, CALLER, false)));
        // The frame with which a loop was entered is given back when the loop has ended.
        assert!(!check().allows(function(TOP.0, CALLER, true)));
        // Beyond the chunk it is another's.
        assert!(check().allows(function(CHUNK.0 + 0x4000, CALLER, true)));
    }

    #[test]
    fn a_generator_that_runs_is_innermost_or_resumes_the_innermost() {
        assert!(check().allows(generator(GENERATOR, CALLER)));
        assert!(check().allows(generator(Addr(0x70_0000 + 32), CALLER)));
        assert!(!check().allows(generator(Addr(0x60_0000), CALLER)));
        // Not asked of those that call, nor where a version does not tell.
        let mut check_it = check();
        assert!(check_it.allows(function(0x10_0300, CALLER, true)));
        assert!(check_it.allows(generator(Addr(0x60_0000), Addr(0x10_0100))));
        let mut check_it = check();
        check_it.exc_state_before = None;
        assert!(check_it.allows(generator(Addr(0x60_0000), CALLER)));
    }
}
