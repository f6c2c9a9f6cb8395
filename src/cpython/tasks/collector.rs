//! The objects that the garbage collector knows, by its own lists.

use super::super::chain::Ring;
use super::super::layout::{GcSource, Layout};
use super::super::locate::RuntimeAddress;
use crate::memory::{Memory, Paged};
use crate::model::Addr;

/// As many objects are looked at.
const MAX_OBJECTS: usize = 2_000_000;

/// `PyGC_Head` (Include/internal/pycore_gc.h, from 3.8 on): next and previous.
const HEAD: u64 = 16;

/// Three generations, each of `struct gc_generation`: a head, and two ints. The permanent one comes behind
/// them, in most versions after `generation0`, which is a pointer to the first.
const GENERATIONS: u64 = 3;
const GENERATION: u64 = 24;

/// The low bits of `_gc_next` are flags (`_PyGC_NEXT_MASK...`).
const FLAGS: u64 = 7;

/// Calls `judge` with the address of each object, the young before the old. `false` if there are more than
/// were looked at, or a list could not be followed to its end.
pub fn for_each<M: Memory>(
    memory: &mut Paged<'_, M>,
    layout: &Layout,
    runtime: &RuntimeAddress,
    interpreter: Addr,
    mut judge: impl FnMut(&mut Paged<'_, M>, Addr),
) -> bool {
    let source = layout.tasks.as_ref().and_then(|tasks| tasks.gc);
    let first = match (source, runtime) {
        (Some(GcSource::Interpreter(offset)), _) => interpreter.plus(offset.into()),
        (Some(GcSource::Runtime(offset)), RuntimeAddress::Runtime(runtime)) => {
            runtime.plus(offset.into())
        }
        _ => return false,
    };
    let behind = first.plus(GENERATIONS * GENERATION);
    let permanent = match memory.read_addr(behind) {
        Ok(generation) if generation == first => behind.plus(8),
        _ => behind,
    };
    let generations = (0..GENERATIONS).map(|number| first.plus(number * GENERATION));
    let mut left = MAX_OBJECTS;
    let mut is_whole = true;
    for head in generations.chain([permanent]) {
        let mut ring = Ring::default();
        let mut at = head;
        loop {
            at = match memory.read_u64(at) {
                Ok(next) => Addr(next & !FLAGS),
                Err(_) => {
                    is_whole = false;
                    break;
                }
            };
            if at == head {
                break;
            }
            let Some(fewer) = left.checked_sub(1).filter(|_| !ring.closes_at(at)) else {
                is_whole = false;
                break;
            };
            left = fewer;
            judge(memory, at.plus(HEAD));
        }
    }
    is_whole
}
