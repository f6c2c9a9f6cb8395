//! Who holds the `asyncio.Lock` that a task waits for.
//!
//! A lock does not know its holder. Yet a task that is within `async with lock` has the lock's `__aexit__`
//! on a frame's stack, and one that waits for it is in `Lock.acquire`, called from a frame that has it
//! already.

use rustc_hash::FxHashMap;

use super::super::frames::RawFrame;
use super::super::layout::{CoroutineLayout, Layout};
use super::super::objects::{read_text, text_equals};
use super::coroutine::values;
use super::kinds::Kind;
use super::reader::{Task, TaskReader};
use crate::memory::Memory;
use crate::model::Addr;

/// Tasks of which the innermost frames are looked at for a lock.
const MAX_WAITING: usize = 10_000;

/// Values of one frame that are looked at.
const MAX_VALUES: u64 = 256;

/// Sets `lock_holder` where it can be told.
pub(super) fn find_holders<M: Memory>(reader: &mut TaskReader<'_, '_, M>, tasks: &mut [Task]) {
    let mut names = Names::default();
    let mut waiting: Vec<(usize, Addr)> = Vec::new();
    for (place, task) in tasks.iter().enumerate().take(MAX_WAITING) {
        // A future that is written in Python has a frame of its own.
        let mut innermost = task.stack.frames.iter().rev().take(2);
        if let Some(lock) = innermost.find_map(|frame| lock_of(reader, &mut names, frame)) {
            waiting.push((place, lock));
        }
    }
    if waiting.is_empty() {
        return;
    }
    let wanted: FxHashMap<usize, Addr> = waiting.iter().copied().collect();
    let mut holders: FxHashMap<Addr, Vec<usize>> = FxHashMap::default();
    for (place, task) in tasks.iter().enumerate() {
        let wanted = wanted.get(&place).copied();
        for frame in &task.stack.frames {
            for lock in within(reader, &mut names, frame) {
                let holders = holders.entry(lock).or_default();
                if Some(lock) != wanted && holders.last() != Some(&place) {
                    holders.push(place);
                }
            }
        }
    }
    for (place, lock) in waiting {
        if let (Some([holder]), Some(task)) =
            (holders.get(&lock).map(Vec::as_slice), tasks.get_mut(place))
        {
            task.lock_holder = Some(*holder);
        }
    }
}

/// What the functions are that code objects belong to, as far as it matters here.
#[derive(Default)]
struct Names {
    /// By code object: whether it is `Lock.acquire`.
    is_acquire: FxHashMap<Addr, bool>,
    /// By function: whether it is called `__aexit__`.
    is_exit: FxHashMap<Addr, bool>,
}

impl Names {
    fn is_exit<M: Memory>(&mut self, reader: &mut TaskReader<'_, '_, M>, function: Addr) -> bool {
        if let Some(known) = self.is_exit.get(&function) {
            return *known;
        }
        let name = function.plus(reader.tasks.function_name.into());
        let is_exit = reader
            .memory
            .read_addr(name)
            .is_ok_and(|name| text_equals(reader.memory, &reader.layout.object, name, "__aexit__"));
        self.is_exit.insert(function, is_exit);
        is_exit
    }
}

/// The lock that a frame of `Lock.acquire` (Lib/asyncio/locks.py) waits for.
fn lock_of<M: Memory>(
    reader: &mut TaskReader<'_, '_, M>,
    names: &mut Names,
    frame: &RawFrame,
) -> Option<Addr> {
    let code = frame.code.0;
    let is_acquire = match names.is_acquire.get(&code) {
        Some(known) => *known,
        None => {
            let fields = &reader.layout.code;
            let mut ends = |offset: u32, end: &str| {
                let text = reader.memory.read_addr(code.plus(offset.into())).ok()?;
                let text = read_text(reader.memory, &reader.layout.object, text, 4096).ok()?;
                text.untrusted().ends_with(end).then_some(())
            };
            let found = ends(fields.name, "acquire")
                .and_then(|()| ends(fields.filename, "asyncio/locks.py"))
                .is_some();
            names.is_acquire.insert(code, found);
            found
        }
    };
    if !is_acquire {
        return None;
    }
    let first = frame.address.plus(reader.layout.frame.locals.into());
    let lock = reader
        .layout
        .frame
        .untagged(reader.memory.read_u64(first).ok()?);
    // `Lock` has this, semaphores do not.
    reader.attribute(lock, "_locked").map(|_| lock)
}

/// The objects within whose `async with` a suspended frame is: those of the methods `__aexit__` on its
/// stack.
fn within<M: Memory>(
    reader: &mut TaskReader<'_, '_, M>,
    names: &mut Names,
    frame: &RawFrame,
) -> Vec<Addr> {
    let (layout, coroutine): (&Layout, &CoroutineLayout) = (reader.layout, &reader.tasks.coroutine);
    let Ok(Some((first, end))) = values(reader.memory, layout, coroutine, frame.address) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    let count = (end.0.wrapping_sub(first.0) / 8).min(MAX_VALUES);
    for place in (0..count).map(|place| first.plus(8 * place)) {
        let Ok(value) = reader.memory.read_u64(place) else {
            break;
        };
        let value = layout.frame.untagged(value);
        if value.is_null() {
            continue;
        }
        match reader.kinds.of_any(reader.memory, value) {
            Kind::Method => {
                if let (Ok(function), Ok(object)) = (reader.word(value, 0), reader.word(value, 8))
                    && names.is_exit(reader, function)
                {
                    found.push(object);
                }
            }
            // 3.14 on: the function, and then the object itself (LOAD_SPECIAL in Python/bytecodes.c).
            Kind::Function if names.is_exit(reader, value) => {
                let next = reader.memory.read_u64(place.plus(8));
                found.extend(next.ok().map(|next| layout.frame.untagged(next)));
            }
            _ => {}
        }
    }
    found
}
