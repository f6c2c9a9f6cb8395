//! Memory that was recorded: ranges of bytes by address, and the file that they are kept in.
//!
//! A file is the line `spyhole memory 1`, and then for each range its address (8 bytes, little
//! endian), its length (4 bytes) and its bytes.

use std::collections::BTreeMap;

use super::{Fault, Memory, Moments};
use crate::model::Addr;
use crate::model::little_endian::{u32_at, u64_at};

const FIRST_LINE: &[u8] = b"spyhole memory 1\n";

/// Some of a process's memory, as it was at some time.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RecordedMemory {
    /// Ranges by their start, which neither overlap nor touch.
    ranges: BTreeMap<u64, Vec<u8>>,
}

/// Why bytes are not a recording.
#[derive(thiserror::Error, Clone, Copy, PartialEq, Eq, Debug)]
pub enum RecordingError {
    #[error("this is no recording of memory")]
    OtherFormat,
    #[error("the recording of memory ends within the range at {0}")]
    Truncated(Addr),
}

impl RecordedMemory {
    /// Adds a range. Where bytes are recorded already, the new ones replace them. Bytes that would lie
    /// beyond the end of the address space are left out.
    pub fn insert(&mut self, at: Addr, bytes: &[u8]) {
        let mut start = at.0;
        let mut joined = bytes.to_vec();
        joined.truncate(usize::try_from(u64::MAX - start).unwrap_or(usize::MAX));
        if joined.is_empty() {
            return;
        }
        // From the last one backwards: all ranges that overlap or touch the new one.
        while let Some((before, range)) = self
            .ranges
            .range(..=start.saturating_add(joined.len() as u64))
            .next_back()
            .filter(|(before, range)| before.saturating_add(range.len() as u64) >= start)
            .map(|(before, range)| (*before, range.clone()))
        {
            self.ranges.remove(&before);
            let end = start.saturating_add(joined.len() as u64);
            let behind = end
                .checked_sub(before)
                .map_or(range.len(), |from| from as usize);
            joined.extend(range.get(behind..).unwrap_or_default());
            if let Some(ahead) = start.checked_sub(before).filter(|ahead| *ahead > 0) {
                let kept = range.get(..ahead as usize).unwrap_or(&range);
                joined.splice(0..0, kept.iter().copied());
                start = before;
            }
        }
        self.ranges.insert(start, joined);
    }

    /// The contents of a file that holds this memory.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut file = FIRST_LINE.to_vec();
        for (start, range) in &self.ranges {
            for piece in range.chunks(u32::MAX as usize).zip(0_u64..) {
                let (bytes, index) = piece;
                let at = start + index * u64::from(u32::MAX);
                file.extend(at.to_le_bytes());
                file.extend((bytes.len() as u32).to_le_bytes());
                file.extend(bytes);
            }
        }
        file
    }

    /// From the contents of a file; takes no more memory than these.
    ///
    /// # Errors
    /// When they are not a recording, or end too early.
    pub fn from_bytes(file: &[u8]) -> Result<RecordedMemory, RecordingError> {
        let mut rest = file
            .strip_prefix(FIRST_LINE)
            .ok_or(RecordingError::OtherFormat)?;
        let mut memory = RecordedMemory::default();
        let mut at = Addr::NULL;
        while !rest.is_empty() {
            let truncated = RecordingError::Truncated(at);
            at = u64_at(rest, 0).map(Addr).ok_or(truncated)?;
            let truncated = RecordingError::Truncated(at);
            let len = u32_at(rest, 8).ok_or(truncated)? as usize;
            let behind = rest.get(12..).ok_or(truncated)?;
            let (bytes, behind) = behind.split_at_checked(len).ok_or(truncated)?;
            memory.insert(at, bytes);
            rest = behind;
        }
        Ok(memory)
    }

    /// Ranges with their addresses, in order.
    pub fn ranges(&self) -> impl Iterator<Item = (Addr, &[u8])> {
        self.ranges
            .iter()
            .map(|(start, bytes)| (Addr(*start), bytes.as_slice()))
    }

    /// The byte at a position counted through all ranges, to be changed: for tests of what hostile
    /// memory does.
    pub fn byte_mut(&mut self, mut place: usize) -> Option<&mut u8> {
        for range in self.ranges.values_mut() {
            if place < range.len() {
                return range.get_mut(place);
            }
            place -= range.len();
        }
        None
    }

    /// The number of bytes in all ranges.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ranges.values().map(Vec::len).sum()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }
}

impl Memory for RecordedMemory {
    fn read(&mut self, at: Addr, into: &mut [u8]) -> Result<(), Fault> {
        let fault = Fault {
            at,
            len: into.len(),
        };
        let (start, range) = self.ranges.range(..=at.0).next_back().ok_or(fault)?;
        let bytes = usize::try_from(at.0 - start)
            .ok()
            .and_then(|from| range.get(from..from.checked_add(into.len())?))
            .ok_or(fault)?;
        into.copy_from_slice(bytes);
        Ok(())
    }
}

impl Moments for RecordedMemory {
    type Now = RecordedMemory;

    fn now(&mut self) -> &mut RecordedMemory {
        self
    }

    fn refresh(&mut self) {}

    fn prefetch(&mut self, _: impl Iterator<Item = (Addr, usize)>) {}
}

/// Reads another memory and keeps what it read.
#[derive(Debug)]
pub struct Recorder<M> {
    memory: M,
    recorded: RecordedMemory,
}

impl<M: Memory> Recorder<M> {
    pub fn new(memory: M) -> Recorder<M> {
        Recorder {
            memory,
            recorded: RecordedMemory::default(),
        }
    }

    /// What was read.
    #[must_use]
    pub fn finish(self) -> RecordedMemory {
        self.recorded
    }
}

impl<M: Memory> Memory for Recorder<M> {
    fn read(&mut self, at: Addr, into: &mut [u8]) -> Result<(), Fault> {
        self.memory.read(at, into)?;
        self.recorded.insert(at, into);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ranges_that_touch_are_read_as_one() {
        let mut memory = RecordedMemory::default();
        memory.insert(Addr(10), b"cd");
        memory.insert(Addr(8), b"ab");
        memory.insert(Addr(14), b"g");
        assert_eq!(memory.read_array(Addr(8)), Ok(*b"abcd"));
        assert!(memory.read_array::<5>(Addr(8)).is_err());
        memory.insert(Addr(11), b"DEF");
        assert_eq!(memory.read_array(Addr(8)), Ok(*b"abcDEFg"));
        assert!(memory.read_array::<1>(Addr(7)).is_err());
        assert!(memory.read_array::<1>(Addr(15)).is_err());
    }

    #[test]
    fn other_files_and_truncated_ones_are_refused() {
        let mut memory = RecordedMemory::default();
        memory.insert(Addr(0x1000), &[7; 20]);
        let file = memory.to_bytes();
        assert_eq!(RecordedMemory::from_bytes(&file), Ok(memory));
        assert_eq!(
            RecordedMemory::from_bytes(b"else"),
            Err(RecordingError::OtherFormat)
        );
        for len in FIRST_LINE.len() + 1..file.len() {
            let cut = RecordedMemory::from_bytes(&file[..len]);
            assert!(matches!(cut, Err(RecordingError::Truncated(_))), "{len}");
        }
    }

    proptest! {
        #[test]
        fn every_byte_is_what_was_inserted_last(
            inserts in proptest::collection::vec(
                (0..200_u64, proptest::collection::vec(any::<u8>(), 0..40)), 0..20),
            high in any::<bool>(),
        ) {
            let base = if high { u64::MAX - 230 } else { 0 };
            let mut memory = RecordedMemory::default();
            let mut expected = HashMap::new();
            for (at, bytes) in &inserts {
                memory.insert(Addr(base + at), bytes);
                for (index, byte) in bytes.iter().enumerate() {
                    if let Some(at) = (base + at).checked_add(index as u64).filter(|at| *at != u64::MAX) {
                        expected.insert(at, *byte);
                    }
                }
            }
            for at in base..base.saturating_add(260).min(u64::MAX - 1) {
                prop_assert_eq!(memory.read_u8(Addr(at)).ok(), expected.get(&at).copied());
            }
            prop_assert_eq!(memory.len(), expected.len());
            prop_assert_eq!(&RecordedMemory::from_bytes(&memory.to_bytes()).unwrap(), &memory);
        }
    }
}
