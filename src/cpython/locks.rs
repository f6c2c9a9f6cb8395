//! Locks of `threading` that know who has them.

use super::frames::RawFrame;
use super::layout::Layout;
use super::objects::read_c_string;
use crate::memory::Memory;
use crate::model::Addr;

/// The most words of a frame that are looked at.
const WORDS: u64 = 48;

/// How far from a semaphore's beginning the word may be that the kernel is asked to wait on: `sem_t` of
/// glibc and musl has it in its first 16 bytes.
const SEMAPHORE: u64 = 16;

/// The thread that has the `RLock` which a thread waits for, by its Python id, where that can be told.
///
/// `frames` are those of the waiting thread that may hold the lock, and `futex` is the word that it waits on. Up to 3.13
/// that word lies in the lock's own semaphore, so that no other lock is taken for it (`rlockobject` in
/// Modules/_threadmodule.c: a pointer to the semaphore, the owner, a count). Later a thread waits on a word of its
/// own. A plain `Lock` does not know who has it.
pub fn owner_of_awaited<M: Memory>(
    memory: &mut M,
    layout: &Layout,
    frames: &[RawFrame],
    futex: Addr,
) -> Option<u64> {
    let header = u64::from(layout.object.ob_type) + 8;
    let mut places = Vec::new();
    for frame in frames.iter().filter(|frame| frame.is_function()) {
        let first = frame.address.plus(layout.frame.locals.into());
        places.extend((0..WORDS).map(|index| first.plus(8 * index)));
    }
    let mut words = Vec::new();
    memory.read_words(&places, &mut words);
    for word in words {
        let object = layout.frame.untagged(word);
        if !object.0.is_multiple_of(8) || object.0 < 0x1000 {
            continue;
        }
        // `with` keeps the lock's method, which has the lock.
        let lock = match class_name(memory, layout, object).as_deref() {
            Some(b"_thread.RLock") => object,
            Some(b"builtin_function_or_method") => {
                let at = object.plus(layout.value.builtin_self.into());
                memory.read_addr(at).unwrap_or(Addr::NULL)
            }
            _ => continue,
        };
        if class_name(memory, layout, lock).as_deref() != Some(b"_thread.RLock") {
            continue;
        }
        let semaphore = memory.read_u64(lock.plus(header)).ok()?;
        let owner = memory.read_u64(lock.plus(header + 8)).ok()?;
        let is_awaited = futex.0.wrapping_sub(semaphore) < SEMAPHORE;
        if is_awaited && owner != 0 {
            return Some(owner);
        }
    }
    None
}

fn class_name<M: Memory>(memory: &mut M, layout: &Layout, object: Addr) -> Option<Vec<u8>> {
    let class = memory
        .read_addr(object.plus(layout.object.ob_type.into()))
        .ok()?;
    let name = memory
        .read_addr(class.plus(layout.object.type_name.into()))
        .ok()?;
    read_c_string(memory, name, 32).ok()
}
