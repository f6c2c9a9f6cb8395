//! Greenlets that are suspended, as gevent and eventlet have them by the thousand.
//!
//! A greenlet keeps the frame at which it was suspended in its own C structure, which is in no header and
//! differs between releases of the `greenlet` package. Up to 1.1 it is `PyGreenlet` itself
//! (src/greenlet/greenlet.h). From 2.0 on, that has a pointer to a C++ object (`pimpl`), in which
//! `_top_frame` is the first pointer to a frame, and `_main_greenlet` the next one to a greenlet, with
//! `_run_callable` and `_parent` behind it (TGreenlet.hpp). That object is no longer than the block that it
//! lies in, and behind it there may be others of its kind: of all first pointers to frames, the one with the
//! smallest offset is the greenlet's own.

use super::super::chain::Ring;
use super::super::frames::read_one;
use super::super::layout::Layout;
use super::super::locate::RuntimeAddress;
use super::super::objects::ObjectError;
use super::super::words::word;
use super::collector;
use super::kinds::{Kind, Kinds};
use super::{MAX_FRAMES, SuspendedStack, module};
use crate::memory::{Memory, Paged};
use crate::model::Addr;
use crate::model::little_endian::u64_at;

/// As many greenlets are read.
const MAX_GREENLETS: usize = 100_000;

/// How often memory is read: a page or some at a time, some 100 ms's worth.
const MAX_READS: u32 = 40_000;

/// Within which `_top_frame` and what follows it lie, in bytes.
const MAX_OBJECT: usize = 320;

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Greenlet {
    pub address: Addr,
    /// The greenlet that it goes on in when it ends; a thread's first has none.
    pub parent: Option<Addr>,
    pub stack: SuspendedStack,
}

/// The greenlets of one interpreter that are suspended.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Greenlets {
    pub greenlets: Vec<Greenlet>,
    /// Not all objects of the process were looked at.
    pub is_cut: bool,
}

/// Reads the greenlets of an interpreter that are suspended; none where the program does not use them, or
/// before 3.8.
///
/// # Errors
/// When its modules cannot be read.
pub fn read<M: Memory>(
    memory: &mut M,
    layout: &Layout,
    runtime: &RuntimeAddress,
    interpreter: Addr,
) -> Result<Greenlets, ObjectError> {
    let mut found = Greenlets::default();
    if layout.tasks.is_none() {
        return Ok(found);
    }
    let memory = &mut Paged::new(memory, MAX_READS);
    if module(memory, layout, interpreter, "greenlet")?.is_none() {
        return Ok(found);
    }
    let mut kinds = Kinds::new(layout);
    let mut objects = Vec::new();
    let is_whole = collector::for_each(memory, layout, runtime, interpreter, |memory, object| {
        if objects.len() < MAX_GREENLETS && kinds.of_any(memory, object) == Kind::Greenlet {
            objects.push(object);
        }
    });
    found.is_cut = !is_whole || objects.len() >= MAX_GREENLETS || memory.is_exhausted();
    let bodies: Vec<Body> = objects
        .iter()
        .filter_map(|object| Body::find(memory, layout, &mut kinds, *object))
        .collect();
    let offset = bodies.iter().filter_map(|it| it.first_frame).min();
    for body in &bodies {
        let frame = body.first_frame.filter(|it| Some(*it) == offset);
        let Some(frame) = frame.and_then(|at| body.word(at)) else {
            continue;
        };
        let Ok(stack) = stack(memory, layout, frame) else {
            continue;
        };
        found.greenlets.push(Greenlet {
            address: body.greenlet,
            parent: body.parent(memory, &mut kinds, offset.unwrap_or(0)),
            stack,
        });
    }
    Ok(found)
}

/// The part of a greenlet in which its frame stands.
struct Body {
    greenlet: Addr,
    bytes: Vec<u8>,
    /// The offset of the first pointer to a frame.
    first_frame: Option<usize>,
    /// Whether it is `PyGreenlet` itself.
    is_object: bool,
}

/// Of `PyGreenlet` up to 1.1, behind the object's head: after five words of the stack's copy.
const PARENT_IN_OBJECT: usize = 40;

impl Body {
    fn find<M: Memory>(
        memory: &mut Paged<'_, M>,
        layout: &Layout,
        kinds: &mut Kinds<'_>,
        greenlet: Addr,
    ) -> Option<Body> {
        let head = greenlet.plus(u64::from(layout.object.ob_type) + 8);
        // From 2.0 on: weak references, the dict, and `pimpl`. Before, `stack_copy` is the third word,
        // NULL or a copy of a stack, and `parent` a greenlet or NULL.
        let words = memory.read_vec(head, 80).ok()?;
        let at_parent = Addr(word(&words, PARENT_IN_OBJECT as u32));
        let top = Addr(word(&words, PARENT_IN_OBJECT as u32 + 16));
        let is_object = is_kind(memory, kinds, at_parent, Kind::Greenlet)
            && (top.is_null() || is_kind(memory, kinds, top, Kind::Frame));
        let start = match is_object {
            true => head,
            false => Addr(word(&words, 16)),
        };
        let bytes = read_most(memory, start)?;
        let mut body = Body {
            greenlet,
            bytes,
            first_frame: None,
            is_object,
        };
        body.first_frame = (0..body.bytes.len()).step_by(8).find(|at| {
            body.word(*at)
                .is_some_and(|word| is_kind(memory, kinds, word, Kind::Frame))
        });
        Some(body)
    }

    fn word(&self, at: usize) -> Option<Addr> {
        u64_at(&self.bytes, at).map(Addr)
    }

    fn parent<M: Memory>(
        &self,
        memory: &mut Paged<'_, M>,
        kinds: &mut Kinds<'_>,
        frame: usize,
    ) -> Option<Addr> {
        let at = match self.is_object {
            true => PARENT_IN_OBJECT,
            false => {
                let main = (frame..self.bytes.len()).step_by(8).find(|at| {
                    self.word(*at)
                        .is_some_and(|word| is_kind(memory, kinds, word, Kind::Greenlet))
                })?;
                // A main greenlet has itself there.
                if self.word(main) == Some(self.greenlet) {
                    return None;
                }
                main + 16
            }
        };
        self.word(at)
            .filter(|parent| is_kind(memory, kinds, *parent, Kind::Greenlet))
    }
}

/// As much as can be read of the longest that a greenlet is.
fn read_most<M: Memory>(memory: &mut Paged<'_, M>, start: Addr) -> Option<Vec<u8>> {
    [MAX_OBJECT, MAX_OBJECT / 2]
        .into_iter()
        .find_map(|len| memory.read_vec(start, len).ok())
}

fn is_kind<M: Memory>(
    memory: &mut Paged<'_, M>,
    kinds: &mut Kinds<'_>,
    object: Addr,
    kind: Kind,
) -> bool {
    // An object's address is a multiple of 8, and none is in the first page.
    object.0.is_multiple_of(8) && object.0 >= 4096 && kinds.of_any(memory, object) == kind
}

/// The stack from a frame object on.
fn stack<M: Memory>(
    memory: &mut Paged<'_, M>,
    layout: &Layout,
    frame: Addr,
) -> Result<SuspendedStack, ObjectError> {
    let mut stack = SuspendedStack::default();
    let mut at = match layout.frame.owner {
        // Up to 3.10 they are frame objects.
        None => frame,
        // From 3.11 on: `f_back`, which is only for frames that have ended, and `f_frame`
        // (`struct _frame` in Include/internal/pycore_frame.h).
        Some(_) => memory.read_addr(frame.plus(u64::from(layout.object.ob_type) + 16))?,
    };
    let mut ring = Ring::default();
    while !at.is_null() {
        if ring.closes_at(at) || stack.frames.len() >= MAX_FRAMES {
            stack.is_cut = true;
            break;
        }
        let Ok((frame, previous)) = read_one(memory, layout, at) else {
            // From 3.12 on the frames that lead to C lie on the C stack, which is not there now.
            break;
        };
        if frame.is_function() {
            stack.frames.push(frame);
        }
        at = previous;
    }
    stack.frames.reverse();
    Ok(stack)
}
