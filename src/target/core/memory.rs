//! The memory of a process as its core file keeps it.

use std::os::unix::fs::FileExt;
use std::sync::Arc;

use super::Core;
use crate::memory::{Fault, Memory, Source};
use crate::model::Addr;

const PAGE: u64 = 4096;

/// A piece of the memory, and where its bytes are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Extent {
    pub start: u64,
    /// The first address after it.
    pub end: u64,
    pub from: From,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum From {
    /// The core file, at this offset.
    Core(u64),
    /// The mapped file of this number, at this offset.
    Mapped(usize, u64),
}

/// Reads the core file, and where bytes were left out of it, the files that were mapped. It never changes.
#[derive(Debug)]
pub struct CoreMemory {
    core: Arc<Core>,
    /// How many more bytes are read.
    pub(super) left: u64,
}

/// As many bytes are read: no process has so much data that is looked for an interpreter. A core file may make
/// up thousands of libraries of gigabytes that are nothing but a hole in the file.
const MOST: u64 = 16 << 30;

impl CoreMemory {
    #[must_use]
    pub fn new(core: Arc<Core>) -> CoreMemory {
        CoreMemory { core, left: MOST }
    }
}

impl Memory for CoreMemory {
    fn read(&mut self, at: Addr, into: &mut [u8]) -> Result<(), Fault> {
        let len = into.len();
        let left = self.left.checked_sub(len as u64);
        self.left = left.ok_or(Fault { at, len })?;
        self.core.read(at, into)
    }
}

impl Source for CoreMemory {
    fn read_ranges(&mut self, ranges: &[(Addr, usize)], into: &mut [u8]) -> usize {
        let mut done = 0;
        for &(at, len) in ranges {
            let Some(piece) = into.get_mut(done..).and_then(|rest| rest.get_mut(..len)) else {
                break;
            };
            if self.read(at, piece).is_err() {
                break;
            }
            done += len;
        }
        done
    }
}

impl Core {
    /// Fills `into` with the bytes at `at`.
    ///
    /// # Errors
    /// [`Fault`] when any of them is neither in the core file nor in a file that is there.
    pub(super) fn read(&self, at: Addr, into: &mut [u8]) -> Result<(), Fault> {
        let fault = Fault {
            at,
            len: into.len(),
        };
        let (mut at, mut left) = (at.0, into);
        while !left.is_empty() {
            let index = self.extents.partition_point(|extent| extent.end <= at);
            let extent = self.extents.get(index).filter(|extent| extent.start <= at);
            let extent = extent.ok_or(fault)?;
            let room = usize::try_from(extent.end - at).unwrap_or(usize::MAX);
            let (piece, rest) = left.split_at_mut(room.min(left.len()));
            self.read_within(extent, at - extent.start, piece)
                .ok_or(fault)?;
            at += piece.len() as u64;
            left = rest;
        }
        Ok(())
    }

    fn read_within(&self, extent: &Extent, within: u64, into: &mut [u8]) -> Option<()> {
        match extent.from {
            From::Core(offset) => {
                let offset = offset.checked_add(within)?;
                self.file.read_exact_at(into, offset).ok()
            }
            From::Mapped(index, offset) => {
                let mapped = self.mapped.get(index)?.open(self)?;
                let offset = offset.checked_add(within)?;
                // The rest of a file's last page is zero.
                let len = into.len() as u64;
                if offset.checked_add(len)? > mapped.length.checked_next_multiple_of(PAGE)? {
                    return None;
                }
                let of_file = mapped.length.saturating_sub(offset).min(len);
                let (head, tail) = into.split_at_mut(usize::try_from(of_file).ok()?);
                tail.fill(0);
                mapped.file.read_exact_at(head, offset).ok()
            }
        }
    }
}
