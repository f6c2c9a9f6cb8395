//! Walking a thread's chain of frames, from the innermost to the one in which the thread began.

use super::chain::Ring;
use super::eval_loop::{Link, LoopCheck};
use super::layout::{InstructionSource, Layout};
use super::threads::ThreadState;
use super::words::{half_word, word};
use crate::memory::{Fault, Memory};
use crate::model::{Addr, CodeAddr};

/// The most frames of one stack that are kept; a longer one is cut at its root end and marked.
pub const MAX_FRAMES: usize = 65_536;

/// The longest head of a frame that any layout has.
const MAX_HEAD: usize = 256;

/// One frame, by address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RawFrame {
    /// Of the frame itself: a `_PyInterpreterFrame`, up to 3.10 a `PyFrameObject`.
    pub address: Addr,
    pub kind: FrameKind,
    /// Of a shim, what its slot for a code object holds.
    pub code: CodeAddr,
    /// Bytes from the code object's first instruction; negative before the first one has run, and
    /// for a shim.
    pub instruction: i32,
    /// The frame is being made as long as its instruction is before the code object's first
    /// traceable one ([`Code::hides`](super::code::Code::hides)). Not so for a generator's.
    pub may_be_incomplete: bool,
}

impl RawFrame {
    /// Whether it runs a function, as all but shims do.
    #[must_use]
    pub fn is_function(&self) -> bool {
        self.kind != FrameKind::Shim
    }
}

/// What a frame has to do with the C frames of the eval loops that run it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FrameKind {
    /// It runs a function, in the eval loop of its caller unless that is a shim.
    Function,
    /// It runs a function, and an eval loop was entered with it: each frame up to 3.10, those that
    /// are marked so in 3.11.
    Entry,
    /// It runs no function: from 3.12 on it lies between the first function of an eval loop and
    /// whoever called that loop.
    Shim,
}

/// The frames of one thread, leaf first.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct RawStack {
    /// Shims and frames that are still being made among them.
    pub frames: Vec<RawFrame>,
    /// Frames at the root end are missing, since there were more than were asked for.
    pub cut: bool,
}

impl RawStack {
    /// The frames that run functions, leaf first.
    pub fn functions(&self) -> impl DoubleEndedIterator<Item = &RawFrame> + Clone {
        self.frames.iter().filter(|frame| frame.is_function())
    }
}

/// Whether a chain ended where the thread's chains end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Anchor {
    /// It reached the thread's first frame.
    Reached,
    /// It ended elsewhere: what was read is of no one instant, or of an instant at which the
    /// interpreter itself had not finished linking its frames (3.11 and 3.12 do so for a moment).
    Missed,
}

/// A word that names the stack, as it was read: `previous`, code, and callers' instructions. While
/// the target runs on, a stack is of one instant only if they all are the same afterwards.
pub type Witness = (Addr, u64);

/// Walks the chain of `thread` into `stack`, for at most `limit` functions (and [`MAX_FRAMES`]), and
/// at most one more than as many shims; `witnesses`, where wanted, receives the words that the
/// result stands on.
///
/// # Errors
/// When a frame cannot be read; `stack` then holds the frames before it.
pub fn walk<M: Memory>(
    memory: &mut M,
    layout: &Layout,
    thread: &ThreadState,
    limit: usize,
    stack: &mut RawStack,
    mut witnesses: Option<&mut Vec<Witness>>,
) -> Result<Anchor, Fault> {
    stack.frames.clear();
    stack.cut = false;
    let mut head = [0; MAX_HEAD];
    let len = (layout.frame.head_size as usize).min(MAX_HEAD);
    let head = head.get_mut(..len).unwrap_or_default();
    let mut address = thread.leaf;
    let mut outermost_owned = None;
    let mut loop_check = match (thread.eval_loop, thread.datastack_chunk) {
        (Some(newest), Some(chunk)) => Some(LoopCheck::new(memory, layout, newest, chunk)?),
        _ => None,
    };
    let limit = limit.min(MAX_FRAMES);
    let mut ring = Ring::default();
    let mut functions = 0;
    // Shims do not count as frames, yet a chain of nothing else must end too.
    for _ in 0..=2 * limit {
        if address.is_null() || Some(address) == thread.base_frame {
            break;
        }
        if ring.closes_at(address) {
            return Ok(Anchor::Missed);
        }
        if functions >= limit {
            stack.cut = true;
            return Ok(Anchor::Reached);
        }
        memory.read(address, head)?;
        let frame = FrameHead::parse(layout, head);
        if let Some(check) = &mut loop_check
            && !check.allows(frame.link(address))
        {
            return Ok(Anchor::Missed);
        }
        if let Some(witnesses) = witnesses.as_deref_mut() {
            let is_leaf = functions == 0;
            frame.witness(layout, address, is_leaf, witnesses);
        }
        if frame.kind == FrameKind::Shim {
            stack.frames.push(frame.shim(address));
        } else {
            if !frame.is_generator {
                outermost_owned = Some(address);
            }
            let running = frame.running(memory, layout, address)?;
            stack.frames.push(running);
            functions += 1;
        }
        address = frame.previous;
    }
    if !address.is_null() && Some(address) != thread.base_frame {
        return Ok(Anchor::Missed);
    }
    // A chunk is made for a frame that finds no room, and freed with the last frame in it
    // (push_chunk and _PyThreadState_PopFrame in Python/pystate.c). The newest frame may not be linked yet.
    let most_chunks = stack.frames.len() + 2;
    anchor(memory, layout, thread, outermost_owned, most_chunks)
}

/// One frame by itself, and the address of the one that `previous` names: for frames of what is suspended,
/// which no thread's chain leads to.
///
/// # Errors
/// When it cannot be read.
pub fn read_one<M: Memory>(
    memory: &mut M,
    layout: &Layout,
    address: Addr,
) -> Result<(RawFrame, Addr), Fault> {
    let mut head = [0; MAX_HEAD];
    let len = (layout.frame.head_size as usize).min(MAX_HEAD);
    let head = head.get_mut(..len).unwrap_or_default();
    memory.read(address, head)?;
    let frame = FrameHead::parse(layout, head);
    let raw = match frame.kind {
        FrameKind::Shim => frame.shim(address),
        FrameKind::Function | FrameKind::Entry => frame.running(memory, layout, address)?,
    };
    Ok((raw, frame.previous))
}

/// From 3.11 on a thread's frames lie in chunks of its data stack, and its first one lies at the
/// start of the first chunk.
fn anchor<M: Memory>(
    memory: &mut M,
    layout: &Layout,
    thread: &ThreadState,
    outermost_owned: Option<Addr>,
    most_chunks: usize,
) -> Result<Anchor, Fault> {
    let (Some(header), Some(newest)) = (layout.frame.chunk_header, thread.datastack_chunk) else {
        return Ok(Anchor::Reached);
    };
    let Some(outermost) = outermost_owned else {
        // Nothing but generators: caught while one was being linked to who drives it.
        return Ok(if thread.has_frames() {
            Anchor::Missed
        } else {
            Anchor::Reached
        });
    };
    let mut chunk = newest;
    let mut is_first = false;
    for _ in 0..most_chunks {
        if chunk.is_null() {
            return Ok(Anchor::Missed);
        }
        let previous = memory.read_addr(chunk)?;
        is_first = previous.is_null();
        if is_first {
            break;
        }
        chunk = previous;
    }
    if !is_first {
        return Ok(Anchor::Missed);
    }
    // The first slot of the first chunk is left free (push_chunk in Python/pystate.c).
    Ok(if outermost == chunk.plus(u64::from(header) + 8) {
        Anchor::Reached
    } else {
        Anchor::Missed
    })
}

struct FrameHead {
    previous: Addr,
    code: Addr,
    code_word: u64,
    instruction: u64,
    kind: FrameKind,
    is_generator: bool,
    bytecode_index: u32,
}

impl FrameHead {
    fn parse(layout: &Layout, head: &[u8]) -> FrameHead {
        let frame = &layout.frame;
        let code_word = word(head, frame.code);
        let owner = frame.owner.map(|owner| {
            let value = head.get(owner.offset as usize).copied().unwrap_or(0);
            (value >= owner.first_shim, value == owner.generator)
        });
        let (is_shim, is_generator) = owner.unwrap_or((false, false));
        let is_entry = match frame.entry {
            Some(offset) => head.get(offset as usize) == Some(&1),
            None => frame.owner.is_none(),
        };
        let kind = match (is_shim, is_entry) {
            (true, _) => FrameKind::Shim,
            (false, true) => FrameKind::Entry,
            (false, false) => FrameKind::Function,
        };
        FrameHead {
            previous: Addr(word(head, frame.previous)),
            code: frame.untagged(code_word),
            code_word,
            instruction: match frame.instruction {
                InstructionSource::LastIndex { offset, .. } => half_word(head, offset).into(),
                InstructionSource::Pointer { offset } => word(head, offset),
            },
            kind,
            is_generator,
            bytecode_index: frame
                .bytecode_index
                .map_or(0, |offset| half_word(head, offset)),
        }
    }

    fn link(&self, address: Addr) -> Link {
        Link {
            address,
            previous: self.previous,
            is_entry: self.kind != FrameKind::Function,
            is_generator: self.is_generator,
        }
    }

    fn shim(&self, address: Addr) -> RawFrame {
        RawFrame {
            address,
            kind: FrameKind::Shim,
            code: CodeAddr(self.code),
            instruction: -1,
            may_be_incomplete: false,
        }
    }

    /// The function that this frame runs.
    fn running<M: Memory>(
        &self,
        memory: &mut M,
        layout: &Layout,
        address: Addr,
    ) -> Result<RawFrame, Fault> {
        let code = CodeAddr(self.code);
        let instruction = match layout.frame.instruction {
            InstructionSource::LastIndex { unit, .. } => {
                let index = (self.instruction as u32).cast_signed();
                if index < 0 {
                    -1
                } else {
                    index.saturating_mul(unit.cast_signed())
                }
            }
            InstructionSource::Pointer { .. } => {
                let start = self.first_instruction(memory, layout)?;
                let distance = self.instruction.wrapping_sub(start.0).cast_signed();
                // A bytecode is no longer than an int can say (co_code's size check).
                i32::try_from(distance).unwrap_or(-1)
            }
        };
        Ok(RawFrame {
            address,
            kind: self.kind,
            code,
            instruction,
            may_be_incomplete: layout.code.first_traceable.is_some() && !self.is_generator,
        })
    }

    /// Free-threaded builds from 3.14 on run per-thread copies of the bytecode; index 0 is the
    /// code object's own (`_PyCode_GetTLBC` in Objects/codeobject.c).
    fn first_instruction<M: Memory>(&self, memory: &mut M, layout: &Layout) -> Result<Addr, Fault> {
        let own = self.code.plus(layout.code.bytecode.unwrap_or(0).into());
        let Some(copies) = layout.code.bytecode_copies else {
            return Ok(own);
        };
        if self.bytecode_index == 0 {
            return Ok(own);
        }
        let copies = memory.read_addr(self.code.plus(copies.into()))?;
        let count = memory.read_u64(copies)?;
        if u64::from(self.bytecode_index) >= count {
            return Ok(own);
        }
        memory.read_addr(copies.plus(8 + 8 * u64::from(self.bytecode_index)))
    }

    fn witness(&self, layout: &Layout, at: Addr, is_leaf: bool, witnesses: &mut Vec<Witness>) {
        let frame = &layout.frame;
        witnesses.push((at.plus(frame.previous.into()), self.previous.0));
        witnesses.push((at.plus(frame.code.into()), self.code_word));
        if let (InstructionSource::Pointer { offset }, false) = (frame.instruction, is_leaf) {
            witnesses.push((at.plus(offset.into()), self.instruction));
        }
    }
}
