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
use super::layout::Layout;
use super::objects::{ObjectError, dict_get};
use crate::memory::{Memory, Paged};
use crate::model::Addr;

/// How often memory is read to find out which modules there are.
const READS_OF_MODULES: u32 = 10_000;

/// The most frames of one task or greenlet that are kept; a longer stack is cut at its outer end.
const MAX_FRAMES: usize = 1000;

/// A stack of what is suspended, outermost first.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct SuspendedStack {
    pub frames: Vec<RawFrame>,
    /// There are more frames than were read.
    pub is_cut: bool,
}

/// Whether an interpreter may have anything suspended that can be read: from 3.8 on, where it has imported
/// what makes tasks or greenlets, or its modules cannot be told.
pub fn may_be_there<M: Memory>(memory: &mut M, layout: &Layout, interpreter: Addr) -> bool {
    let memory = &mut Paged::new(memory, READS_OF_MODULES);
    let mut has = |name| !matches!(module(memory, layout, interpreter, name), Ok(None));
    layout.tasks.is_some() && (has("asyncio.tasks") || has("greenlet"))
}

/// A module that was imported.
fn module<M: Memory>(
    memory: &mut M,
    layout: &Layout,
    interpreter: Addr,
    name: &str,
) -> Result<Option<Addr>, ObjectError> {
    let modules = memory.read_addr(interpreter.plus(layout.interpreter.modules.into()))?;
    match modules.is_null() {
        true => Ok(None),
        false => dict_get(memory, &layout.object, modules, name),
    }
}
