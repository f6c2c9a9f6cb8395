//! The headers of an ELF core file: where in it the memory of the process lies, and where the notes are.

use std::fs::File;
use std::os::unix::fs::FileExt;

use super::{CoreError, Machine};
use crate::model::little_endian::{u16_at, u32_at, u64_at};

const HEADER_SIZE: usize = 64;
const PROGRAM_HEADER_SIZE: u64 = 56;
/// The kernel allows 65,530 mappings by default.
const MAX_PROGRAM_HEADERS: u64 = 1 << 20;
/// The number of program headers is in the first section header if it is too large for its field
/// (`PN_XNUM` in include/uapi/linux/elf.h).
const EXTENDED_NUMBER: u16 = 0xffff;

const ET_EXEC: u16 = 2;
const ET_DYN: u16 = 3;
const ET_CORE: u16 = 4;
const PT_LOAD: u32 = 1;
const PT_NOTE: u32 = 4;

/// What the headers tell.
#[derive(Debug)]
pub(super) struct Headers {
    pub machine: Machine,
    /// In the order of addresses; none overlaps another.
    pub segments: Vec<Segment>,
    /// Offset and size of the notes, in bytes.
    pub notes: Vec<(u64, u64)>,
}

/// Memory of the process (`PT_LOAD`): a mapping, as a rule.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Segment {
    pub start: u64,
    /// The first address after it.
    pub end: u64,
    /// Where its bytes are in the core file, and how many of them were written.
    pub offset: u64,
    pub written: u64,
    pub read: bool,
    pub write: bool,
    pub execute: bool,
}

impl Headers {
    /// Reads the headers from the beginning of a file.
    pub fn read(file: &File) -> Result<Headers, CoreError> {
        let mut header = [0; HEADER_SIZE];
        let got = read_up_to(file, &mut header)?;
        if !header.starts_with(b"\x7fELF") {
            return Err(CoreError::NotElf);
        }
        if got < HEADER_SIZE {
            return Err(CoreError::Truncated);
        }
        // ELFCLASS64, ELFDATA2LSB.
        if !header.starts_with(b"\x7fELF\x02\x01") {
            return Err(CoreError::NotSixtyFourBit);
        }
        match u16_at(&header, 16) {
            Some(ET_CORE) => {}
            Some(ET_EXEC | ET_DYN) => return Err(CoreError::Program),
            _ => return Err(CoreError::NotElf),
        }
        let number = u16_at(&header, 18).unwrap_or(0);
        let machine = Machine::of(number).ok_or(CoreError::OtherMachine(number))?;
        if u16_at(&header, 54).map(u64::from) != Some(PROGRAM_HEADER_SIZE) {
            return Err(CoreError::Malformed("the size of a program header"));
        }
        let count = count_of_program_headers(file, &header)?;
        if count > MAX_PROGRAM_HEADERS {
            return Err(CoreError::Malformed("the number of program headers"));
        }
        let at = u64_at(&header, 32).unwrap_or(0);
        let size = count * PROGRAM_HEADER_SIZE;
        if at.checked_add(size).is_none_or(|end| end > length(file)) {
            return Err(CoreError::Truncated);
        }
        let mut bytes = vec![0; usize::try_from(size).unwrap_or(0)];
        file.read_exact_at(&mut bytes, at)
            .map_err(CoreError::Unreadable)?;
        let mut headers = Headers {
            machine,
            segments: Vec::new(),
            notes: Vec::new(),
        };
        for entry in bytes.chunks_exact(PROGRAM_HEADER_SIZE as usize) {
            headers.take(entry);
        }
        headers.order();
        Ok(headers)
    }

    /// The first offset after all that the headers tell of.
    pub fn end(&self) -> u64 {
        let segments = self.segments.iter();
        let segments = segments.map(|segment| segment.offset.saturating_add(segment.written));
        let notes = self.notes.iter();
        let notes = notes.map(|(at, size)| at.saturating_add(*size));
        segments.chain(notes).max().unwrap_or(0)
    }

    /// Takes an entry, `Elf64_Phdr`: type, flags, offset, address, physical address, size in the file, size
    /// in memory.
    fn take(&mut self, entry: &[u8]) {
        let word = |at| u64_at(entry, at).unwrap_or(0);
        let flags = u32_at(entry, 4).unwrap_or(0);
        let (offset, start, written, size) = (word(8), word(16), word(32), word(40));
        match u32_at(entry, 0) {
            Some(PT_NOTE) => self.notes.push((offset, written)),
            Some(PT_LOAD) => {
                let Some(end) = start.checked_add(size).filter(|end| *end > start) else {
                    return;
                };
                self.segments.push(Segment {
                    start,
                    end,
                    offset,
                    written: written.min(size),
                    read: flags & 4 != 0,
                    write: flags & 2 != 0,
                    execute: flags & 1 != 0,
                });
            }
            _ => {}
        }
    }

    fn order(&mut self) {
        self.segments.sort_by_key(|segment| segment.start);
        let mut end = 0;
        self.segments.retain(|segment| {
            let is_apart = segment.start >= end;
            if is_apart {
                end = segment.end;
            }
            is_apart
        });
    }
}

fn count_of_program_headers(file: &File, header: &[u8]) -> Result<u64, CoreError> {
    let count = u16_at(header, 56).unwrap_or(0);
    if count != EXTENDED_NUMBER {
        return Ok(count.into());
    }
    // Elf64_Shdr.sh_info.
    let at = u64_at(header, 40).and_then(|sections| sections.checked_add(44));
    let mut info = [0; 4];
    let read = at.map(|at| file.read_exact_at(&mut info, at));
    match read {
        Some(Ok(())) => Ok(u32::from_le_bytes(info).into()),
        _ => Err(CoreError::Truncated),
    }
}

/// Reads from the beginning, as much as there is; tells how much that was.
fn read_up_to(file: &File, into: &mut [u8]) -> Result<usize, CoreError> {
    let mut got = 0;
    while let Some(rest) = into.get_mut(got..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, got as u64) {
            Ok(0) => break,
            Ok(more) => got += more,
            Err(error) => return Err(CoreError::Unreadable(error)),
        }
    }
    Ok(got)
}

pub(super) fn length(file: &File) -> u64 {
    file.metadata().map_or(0, |metadata| metadata.len())
}
