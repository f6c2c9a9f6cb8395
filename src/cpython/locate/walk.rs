//! Proof that an address is what it is taken for: it leads to an interpreter, and from there to a thread
//! state that points back at that interpreter. Also the search for such addresses where no symbol helps.

use super::image::{Image, Load, mapping_at};
use crate::cpython::layout::Layout;
use crate::memory::Memory;
use crate::model::Addr;
use crate::model::little_endian::u64_at;
use crate::target::Mapping;

/// Offsets of the few fields that lead from the runtime to a thread state and back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Walk {
    /// `_PyRuntimeState.interpreters.head`; 0 before 3.7, where `interp_head` is a variable.
    pub interpreters_head: u64,
    /// `PyInterpreterState.next`.
    next: u64,
    /// `PyInterpreterState.threads.head` (`tstate_head` to 3.10).
    threads_head: u64,
    /// `PyThreadState.interp`.
    interpreter: u64,
    /// `sys.modules` in an interpreter state; the next two lead from an object to its type's name.
    modules: u64,
    ob_type: u64,
    type_name: u64,
}

/// What following the pointers showed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Proof {
    Proven,
    /// There is no interpreter or no thread in it: not initialised yet, or finalised.
    Empty,
    /// This is something else.
    Refuted,
}

/// The highest address that a process can have on x86-64 with five-level tables and on aarch64 is
/// below this.
const USER_END: u64 = 1 << 57;
/// The most that is scanned of one image's data, in bytes.
const MAX_SCAN: u64 = 32 << 20;
const CHUNK: u64 = 64 << 10;
/// More interpreters than anybody makes; a chain may be forged into a ring.
const MAX_INTERPRETERS: usize = 4096;
/// Pointers to an interpreter state that one image may hold.
const MAX_HOLDERS: usize = 64;

impl Walk {
    pub fn new(layout: &Layout) -> Walk {
        Walk {
            interpreters_head: layout.runtime.interpreters_head.into(),
            next: layout.interpreter.next.into(),
            threads_head: layout.interpreter.threads_head.into(),
            interpreter: layout.thread.interpreter.into(),
            modules: layout.interpreter.modules.into(),
            ob_type: layout.object.ob_type.into(),
            type_name: layout.object.type_name.into(),
        }
    }

    /// Follows the pointers from `holder`, the address of the pointer to the first interpreter.
    pub fn prove<M: Memory>(&self, memory: &mut M, holder: Addr) -> Proof {
        // A thread that starts or ends between two reads makes it look wrong for a moment.
        let mut proof = Proof::Refuted;
        for _ in 0..4 {
            proof = self.prove_once(memory, holder).unwrap_or(Proof::Refuted);
            if proof == Proof::Proven {
                break;
            }
        }
        proof
    }

    fn prove_once<M: Memory>(&self, memory: &mut M, holder: Addr) -> Option<Proof> {
        let interpreter = memory.read_addr(holder).ok()?;
        if interpreter.is_null() {
            return Some(Proof::Empty);
        }
        if !is_pointer(interpreter) {
            return None;
        }
        let thread = memory.read_addr(interpreter.plus(self.threads_head)).ok()?;
        if thread.is_null() {
            return Some(Proof::Empty);
        }
        let back = memory.read_addr(thread.plus(self.interpreter)).ok()?;
        (is_pointer(thread) && back == interpreter).then_some(Proof::Proven)
    }

    /// Whether `variable` holds a thread state of one of the interpreters from `holder` on; it is empty
    /// while no thread has the GIL.
    pub fn prove_current<M: Memory>(&self, memory: &mut M, holder: Addr, variable: Addr) -> Proof {
        let interpreters = self.interpreters(memory, holder);
        let mut proof = Proof::Refuted;
        // The GIL may be free only for a moment, so the variable is read several times.
        for _ in 0..16 {
            proof = match memory.read_addr(variable) {
                Ok(Addr::NULL) => Proof::Empty,
                Ok(thread) if is_pointer(thread) => {
                    match memory.read_addr(thread.plus(self.interpreter)) {
                        Ok(back) if interpreters.contains(&back) => return Proof::Proven,
                        _ => Proof::Refuted,
                    }
                }
                _ => Proof::Refuted,
            };
        }
        proof
    }

    /// The interpreters from the one that `holder` points at to the oldest; a pointer to the newest
    /// leads to all of them.
    pub fn interpreters<M: Memory>(&self, memory: &mut M, holder: Addr) -> Vec<Addr> {
        let mut chain = Vec::new();
        let mut at = memory.read_addr(holder).unwrap_or(Addr::NULL);
        while is_pointer(at) && chain.len() < MAX_INTERPRETERS {
            chain.push(at);
            at = memory.read_addr(at.plus(self.next)).unwrap_or(Addr::NULL);
        }
        chain
    }

    /// Whether `holder` is `_PyRuntime.interpreters.head` of 3.7 to 3.12, before which there is a
    /// lock and after which come `main` and the `int64_t next_id` (`struct pyinterpreters`,
    /// `Include/internal/pycore_runtime.h`). This is checked since other data point at the main
    /// interpreter too, and the allocator's rings of pools look much like it.
    pub fn is_in_runtime<M: Memory>(&self, memory: &mut M, holder: Addr) -> bool {
        const MANY: u64 = 1 << 20;
        let chain = self.interpreters(memory, holder);
        let lock = memory.read_addr(Addr(holder.0.wrapping_sub(8)));
        let main = memory.read_addr(holder.plus(8)).ok();
        let next_id = memory.read_u64(holder.plus(16)).unwrap_or(0);
        lock.is_ok_and(is_pointer)
            && main.is_some()
            && main == chain.last().copied()
            && (chain.len() as u64..MANY).contains(&next_id)
    }

    /// Addresses in an image's data that hold a proven pointer to an interpreter state, in order.
    pub fn holders<M: Memory>(
        &self,
        memory: &mut M,
        image: &Image<'_>,
        maps: &[Mapping],
    ) -> Vec<Addr> {
        let mut candidates = Vec::new();
        scan(memory, image, 0, |at, chunk| {
            let words = chunk.chunks_exact(8).zip(0u64..);
            candidates.extend(words.filter_map(|(word, index)| {
                let pointer = Addr(u64_at(word, 0)?);
                let leads_to_data = is_pointer(pointer)
                    && mapping_at(maps, pointer).is_some_and(|mapping| mapping.permissions.write);
                leads_to_data.then_some(at.plus(index * 8))
            }));
            // No image of some megabytes holds that many; a forged one may.
            candidates.len() < 1 << 20
        });
        let mut proven = Vec::new();
        for candidate in candidates {
            if proven.len() < MAX_HOLDERS
                && self.prove_once(memory, candidate) == Some(Proof::Proven)
                && self.has_modules(memory, image, candidate) == Some(true)
            {
                proven.push(candidate);
            }
        }
        proven
    }

    /// Whether `sys.modules` is a dict in the interpreter that `holder` points at. This is checked where
    /// no symbol tells what an address is: two items of a linked ring, too, point back at each other. Where
    /// the type's name cannot be read, as in a core file without the interpreter's own file, it must at
    /// least be a type of this image.
    fn has_modules<M: Memory>(
        &self,
        memory: &mut M,
        image: &Image<'_>,
        holder: Addr,
    ) -> Option<bool> {
        let interpreter = memory.read_addr(holder).ok()?;
        let modules = memory.read_addr(interpreter.plus(self.modules)).ok()?;
        let kind = memory.read_addr(modules.plus(self.ob_type)).ok()?;
        let name = memory.read_addr(kind.plus(self.type_name)).ok()?;
        match memory.read_array::<5>(name) {
            Ok(name) => Some(name == *b"dict\0"),
            Err(_) => Some(image.contains(kind) && image.contains(name)),
        }
    }
}

fn is_pointer(at: Addr) -> bool {
    (0x1000..USER_END).contains(&at.0) && at.0.is_multiple_of(8)
}

/// Reads the writable data of an image, `.bss` included, in pieces that overlap by `overlap`
/// bytes, until `visit` gives false. What cannot be read is passed over.
pub(super) fn scan<M: Memory>(
    memory: &mut M,
    image: &Image<'_>,
    overlap: u64,
    mut visit: impl FnMut(Addr, &[u8]) -> bool,
) {
    let mut left = MAX_SCAN;
    for load in image.writable() {
        let size = load.size.min(left);
        left -= size;
        if !scan_load(memory, Load { size, ..load }, overlap, &mut visit) {
            return;
        }
    }
}

fn scan_load<M: Memory>(
    memory: &mut M,
    load: Load,
    overlap: u64,
    visit: &mut impl FnMut(Addr, &[u8]) -> bool,
) -> bool {
    // Pointers are aligned in memory, whatever the segment's start is. Pieces end where pages do, so
    // that a page that is missing only hides its own piece.
    let start = load.start.0 & !7;
    let end = load.start.0.saturating_add(load.size);
    let mut at = start;
    while at < end {
        let next = (at | (CHUNK - 1)).saturating_add(1).min(end);
        let len = next.saturating_add(overlap).min(end) - at;
        let bytes = usize::try_from(len)
            .ok()
            .and_then(|len| memory.read_vec(Addr(at), len).ok());
        if let Some(bytes) = bytes
            && !visit(Addr(at), &bytes)
        {
            return false;
        }
        at = next;
    }
    true
}
