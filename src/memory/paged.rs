//! Memory that is read page by page and kept, for whoever reads many small things that lie close together.

use rustc_hash::FxHashMap;

use super::{Fault, Memory};
use crate::model::Addr;

const PAGE: u64 = 4096;

/// As many pages are read at once: what a program allocates together lies together.
const AT_ONCE: u64 = 4;

/// With more than this kept, all is forgotten and read anew.
const MAX_KEPT: usize = 64 << 20;

/// Reads each page once, as it is when it is first needed, and reads no more than it may.
#[derive(Debug)]
pub struct Paged<'a, M> {
    memory: &'a mut M,
    /// Where in `kept` each page begins.
    pages: FxHashMap<u64, usize>,
    kept: Vec<u8>,
    reads_left: u32,
}

impl<'a, M: Memory> Paged<'a, M> {
    /// `reads` is how often `memory` may be read.
    #[must_use]
    pub fn new(memory: &'a mut M, reads: u32) -> Paged<'a, M> {
        Paged {
            memory,
            pages: FxHashMap::default(),
            kept: Vec::new(),
            reads_left: reads,
        }
    }

    /// Whether it has read all that it may.
    #[must_use]
    pub fn is_exhausted(&self) -> bool {
        self.reads_left == 0
    }

    /// Where a page's bytes begin in `kept`.
    fn page(&mut self, page: u64) -> Option<usize> {
        if let Some(&at) = self.pages.get(&page) {
            return Some(at);
        }
        if self.kept.len() >= MAX_KEPT {
            self.pages.clear();
            self.kept.clear();
        }
        let first = page - page % AT_ONCE;
        if !self.fetch(first, AT_ONCE) && !self.fetch(page, 1) {
            return None;
        }
        self.pages.get(&page).copied()
    }

    fn fetch(&mut self, first: u64, count: u64) -> bool {
        let Some(reads_left) = self.reads_left.checked_sub(1) else {
            return false;
        };
        self.reads_left = reads_left;
        let (start, len) = (self.kept.len(), (count * PAGE) as usize);
        self.kept.resize(start + len, 0);
        let into = self.kept.get_mut(start..).unwrap_or_default();
        if self
            .memory
            .read(Addr(first.wrapping_mul(PAGE)), into)
            .is_err()
        {
            self.kept.truncate(start);
            return false;
        }
        for index in 0..count {
            let at = start + (index * PAGE) as usize;
            self.pages.entry(first + index).or_insert(at);
        }
        true
    }
}

impl<M: Memory> Memory for Paged<'_, M> {
    fn read(&mut self, at: Addr, into: &mut [u8]) -> Result<(), Fault> {
        let fault = Fault {
            at,
            len: into.len(),
        };
        let mut from = at.0;
        let mut rest = into;
        while !rest.is_empty() {
            let within = (from % PAGE) as usize;
            let len = rest.len().min(PAGE as usize - within);
            let start = self.page(from / PAGE).ok_or(fault)? + within;
            let (piece, behind) = rest.split_at_mut(len);
            piece.copy_from_slice(self.kept.get(start..start + len).ok_or(fault)?);
            rest = behind;
            from = from.checked_add(len as u64).ok_or(fault)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::recorded::RecordedMemory;

    #[test]
    fn bytes_are_those_of_the_memory_beneath_and_are_read_once() {
        let mut recorded = RecordedMemory::default();
        let bytes: Vec<u8> = (0..3 * PAGE).map(|at| (at / 7) as u8).collect();
        recorded.insert(Addr(5 * PAGE), &bytes);
        let mut paged = Paged::new(&mut recorded, 1000);
        for (from, len) in [
            (0, 8),
            (PAGE - 4, 8),
            (PAGE - 1, PAGE + 2),
            (3 * PAGE - 8, 8),
        ] {
            let read = paged
                .read_vec(Addr(5 * PAGE + from), len as usize)
                .expect("readable");
            assert_eq!(
                read,
                bytes[from as usize..(from + len) as usize],
                "{from} {len}"
            );
        }
        let left = paged.reads_left;
        paged.read_u64(Addr(6 * PAGE + 100)).expect("readable");
        assert_eq!(paged.reads_left, left);
        for at in [5 * PAGE - 1, 8 * PAGE - 4, 0, u64::MAX - 3] {
            assert!(paged.read_u64(Addr(at)).is_err(), "{at:#x}");
        }
    }

    #[test]
    fn no_more_is_read_than_may_be() {
        let mut recorded = RecordedMemory::default();
        recorded.insert(Addr(0), &vec![1; 64 * PAGE as usize]);
        let mut paged = Paged::new(&mut recorded, 2);
        let readable = (0..16).filter(|page| paged.read_u64(Addr(page * AT_ONCE * PAGE)).is_ok());
        assert_eq!(readable.count(), 2);
        assert!(paged.is_exhausted());
    }
}
