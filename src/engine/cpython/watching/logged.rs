//! A memory of which all that is read is noted, so that it can be asked later whether it is still the same.

use crate::memory::{Fault, Memory};
use crate::model::Addr;

/// What was read: places, and their bytes one after the other.
#[derive(Clone, Debug, Default)]
pub struct Log {
    places: Vec<(Addr, usize)>,
    bytes: Vec<u8>,
}

impl Log {
    pub fn clear(&mut self) {
        self.places.clear();
        self.bytes.clear();
    }

    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// How many bytes were read.
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Whether all of it is still there.
    pub fn holds<M: Memory>(&self, memory: &mut M) -> bool {
        let mut start = 0;
        self.places.iter().all(|&(at, len)| {
            let bytes = self.bytes.get(start..start + len).unwrap_or_default();
            start += len;
            memory.holds(at, bytes) == Ok(true)
        })
    }
}

/// Reads another memory, no more than it may, and notes what it read.
pub struct Logged<'a, M> {
    memory: &'a mut M,
    log: &'a mut Log,
    reads_left: u32,
    most_bytes: usize,
}

impl<'a, M: Memory> Logged<'a, M> {
    pub fn new(
        memory: &'a mut M,
        log: &'a mut Log,
        reads: u32,
        most_bytes: usize,
    ) -> Logged<'a, M> {
        Logged {
            memory,
            log,
            reads_left: reads,
            most_bytes,
        }
    }
}

impl<M: Memory> Memory for Logged<'_, M> {
    fn read(&mut self, at: Addr, into: &mut [u8]) -> Result<(), Fault> {
        let len = into.len();
        let fault = Fault { at, len };
        self.reads_left = self.reads_left.checked_sub(1).ok_or(fault)?;
        if self.log.bytes() + len > self.most_bytes {
            return Err(fault);
        }
        self.memory.read(at, into)?;
        // Many things are read twice, such as the type of an object.
        if !self.log.places.contains(&(at, len)) {
            self.log.places.push((at, len));
            self.log.bytes.extend_from_slice(into);
        }
        Ok(())
    }
}
