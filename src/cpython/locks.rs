//! Locks of `threading` that know who has them.

use rustc_hash::FxHashMap;

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

/// Finds locks, and remembers which types they have.
#[derive(Debug, Default)]
pub struct LockSearch {
    types: FxHashMap<Addr, Kind>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Lock,
    /// A method of something in C: `with` keeps the lock's method, which has the lock.
    Method,
    Other,
}

impl LockSearch {
    /// The thread that has the `RLock` which a thread waits for, by its Python id, where that can be told.
    ///
    /// `frames` are those of the waiting thread that may hold the lock, and `futex` is the word that it waits on.
    /// Up to 3.13 that word lies in the lock's own semaphore, so that no other lock is taken for it (`rlockobject`
    /// in Modules/_threadmodule.c: a pointer to the semaphore, the owner, a count). Later a thread waits on a word
    /// of its own. A plain `Lock` does not know who has it.
    pub fn owner_of_awaited<M: Memory>(
        &mut self,
        memory: &mut M,
        layout: &Layout,
        frames: &[RawFrame],
        futex: Addr,
    ) -> Option<u64> {
        let mut places = Vec::new();
        for frame in frames.iter().filter(|frame| frame.is_function()) {
            let first = frame.address.plus(layout.frame.locals.into());
            places.extend((0..WORDS).map(|index| first.plus(8 * index)));
        }
        let mut words = Vec::new();
        memory.read_words(&places, &mut words);
        let mut objects: Vec<Addr> = words
            .iter()
            .map(|word| layout.frame.untagged(*word))
            .filter(|at| at.0.is_multiple_of(8) && (0x1000..1 << 47).contains(&at.0))
            .collect();
        objects.sort_unstable();
        objects.dedup();
        places.clear();
        places.extend(
            objects
                .iter()
                .map(|at| at.plus(layout.object.ob_type.into())),
        );
        memory.read_words(&places, &mut words);
        let header = u64::from(layout.object.ob_type) + 8;
        for (object, class) in objects.into_iter().zip(words) {
            let lock = match self.kind(memory, layout, Addr(class)) {
                Kind::Lock => object,
                Kind::Method => {
                    let at = object.plus(layout.value.builtin_self.into());
                    memory.read_addr(at).unwrap_or(Addr::NULL)
                }
                Kind::Other => continue,
            };
            let class = memory.read_addr(lock.plus(layout.object.ob_type.into()));
            if self.kind(memory, layout, class.unwrap_or(Addr::NULL)) != Kind::Lock {
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

    fn kind<M: Memory>(&mut self, memory: &mut M, layout: &Layout, class: Addr) -> Kind {
        if class.is_null() {
            return Kind::Other;
        }
        *self.types.entry(class).or_insert_with(|| {
            let name = memory.read_addr(class.plus(layout.object.type_name.into()));
            let name = name.and_then(|name| read_c_string(memory, name, 32));
            match name.as_deref() {
                Ok(b"_thread.RLock") => Kind::Lock,
                Ok(b"builtin_function_or_method") => Kind::Method,
                _ => Kind::Other,
            }
        })
    }
}
