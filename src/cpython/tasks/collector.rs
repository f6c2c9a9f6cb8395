//! The objects that the garbage collector knows, by its own lists.

use super::super::chain::Ring;
use super::super::layout::{GcOwner, Layout};
use super::super::locate::RuntimeAddress;
use crate::memory::{Memory, Paged};
use crate::model::Addr;

/// As many objects are looked at.
const MAX_OBJECTS: usize = 2_000_000;

/// `PyGC_Head` (Include/internal/pycore_gc.h, from 3.8 on): next and previous.
const HEAD: u64 = 16;

/// Each is a `struct gc_generation`: a head, and two ints.
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
    let Some(gc) = layout.tasks.as_ref().and_then(|tasks| tasks.gc) else {
        return false;
    };
    let owner = match (gc.within, runtime) {
        (GcOwner::Interpreter, _) => interpreter,
        (GcOwner::Runtime, RuntimeAddress::Runtime(runtime)) => *runtime,
        (GcOwner::Runtime, RuntimeAddress::Variables { .. }) => return false,
    };
    let generations = (0..GENERATIONS).map(|it| u64::from(gc.generations) + it * GENERATION);
    let lists = generations.chain([gc.permanent.into()]);
    let mut left = MAX_OBJECTS;
    let mut is_whole = true;
    for list in lists {
        let head = owner.plus(list);
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
