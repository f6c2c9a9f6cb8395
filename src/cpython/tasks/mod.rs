//! What waits without a thread: asyncio's tasks and suspended greenlets, with their stacks.
//!
//! All of it is objects that are read one after the other, so it is of one moment only if the threads that
//! change them stand still meanwhile, or if they are known to have slept. That is for the caller to tell.

pub mod asyncio;
mod collector;
mod coroutine;
pub mod greenlets;
mod kinds;
mod locks;
mod reader;
mod waits;

use super::frames::RawFrame;

/// The most frames of one task or greenlet that are kept; a longer stack is cut at its outer end.
const MAX_FRAMES: usize = 1000;

/// A stack of what is suspended, outermost first.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct SuspendedStack {
    pub frames: Vec<RawFrame>,
    /// There are more frames than were read.
    pub is_cut: bool,
}
