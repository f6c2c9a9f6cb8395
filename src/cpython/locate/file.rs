//! What only the file of a binary tells: the place of the section `.PyRuntime`, and the symbols that are
//! not exported. Knows nothing of the target's memory.
//!
//! The file may be forged, damaged or change while we read: everything is `pread`, in pieces of
//! bounded size.

use std::fs::File;
use std::os::unix::fs::FileExt;

use object::LittleEndian;
use object::elf::{FileHeader64, SHT_NOTE, SHT_SYMTAB, SectionHeader64};
use object::read::ReadCache;
use object::read::elf::{FileHeader, SectionHeader};

use super::image::build_id_in_notes;
use crate::model::little_endian::{u16_at, u32_at, u64_at};

type Elf = FileHeader64<LittleEndian>;
type Section = SectionHeader64<LittleEndian>;

const CHUNK: usize = 64 << 10;
const SYMBOL_SIZE: usize = 24;
/// The most that is read of a table, in bytes. Only the largest programs, such as a debug build of a
/// browser, have more.
const MAX_TABLE: u64 = 256 << 20;
const MAX_NOTES: u64 = 64 << 10;
/// A name occurs a few times at most; a forged table may repeat it at will.
const MAX_PLACES: usize = 64;

/// An ELF file's sections.
pub(super) struct ElfFile {
    file: File,
    sections: Vec<Section>,
    names_at: u64,
    names_size: u64,
}

impl ElfFile {
    /// `None` for anything but a sound 64-bit little-endian ELF file with sections.
    pub fn open(file: File) -> Option<ElfFile> {
        let cache = ReadCache::new(file.try_clone().ok()?);
        let header = Elf::parse(&cache).ok()?;
        let endian = header.endian().ok()?;
        // If there are more sections than fit this field, it is 0, and the first section's size gives
        // their number. No linker makes such a program, and a forged number would be read as a whole.
        if header.e_shnum.get(endian) == 0 {
            return None;
        }
        let sections = header.section_headers(endian, &cache).ok()?.to_vec();
        let names = sections.get(usize::from(header.e_shstrndx.get(endian).0))?;
        let (names_at, names_size) = names.file_range(endian)?;
        Some(ElfFile {
            file,
            names_at,
            names_size,
            sections,
        })
    }

    pub fn build_id(&self) -> Option<Vec<u8>> {
        self.sections
            .iter()
            .filter(|section| section.sh_type.get(LittleEndian) == SHT_NOTE)
            .filter_map(|section| section.file_range(LittleEndian))
            .find_map(|(at, size)| build_id_in_notes(&self.read(at, size.min(MAX_NOTES))?))
    }

    /// The address, as the file has it, of the section of that name.
    pub fn section_address(&self, name: &str) -> Option<u64> {
        self.sections
            .iter()
            .find(|section| self.is_named(section, name))
            .map(|section| section.sh_addr.get(LittleEndian))
            .filter(|address| *address != 0)
    }

    fn is_named(&self, section: &Section, name: &str) -> bool {
        let at = u64::from(section.sh_name.get(LittleEndian));
        let len = name.len() as u64 + 1;
        at.checked_add(len)
            .is_some_and(|end| end <= self.names_size)
            && self
                .names_at
                .checked_add(at)
                .and_then(|at| self.read(at, len))
                .is_some_and(|text| text.strip_suffix(b"\0") == Some(name.as_bytes()))
    }

    /// The addresses, as the file has them, of symbols in the table that `strip` removes. The
    /// compiler may have added to the name of a local one: `interp_head.lto_priv.0`.
    pub fn symbol_addresses<const N: usize>(&self, names: [&str; N]) -> [Option<u64>; N] {
        let mut found = [None; N];
        let tables = self
            .sections
            .iter()
            .filter(|section| section.sh_type.get(LittleEndian) == SHT_SYMTAB);
        for table in tables {
            let strings = usize::try_from(table.sh_link.get(LittleEndian))
                .ok()
                .and_then(|index| self.sections.get(index))
                .and_then(|section| section.file_range(LittleEndian));
            let symbols = table.file_range(LittleEndian);
            if let (Some(strings), Some(symbols)) = (strings, symbols) {
                self.search_table(strings, symbols, &names, &mut found);
            }
        }
        found
    }

    /// Finds where the names are among the strings, then which symbols refer to these places: two
    /// sequential passes instead of one look-up per symbol.
    fn search_table(
        &self,
        strings: (u64, u64),
        symbols: (u64, u64),
        names: &[&str],
        found: &mut [Option<u64>],
    ) {
        let mut places: Vec<(u32, usize)> = Vec::new();
        let longest = names.iter().map(|name| name.len()).max().unwrap_or(0);
        self.for_each_chunk(strings, longest + 1, |at, chunk| {
            for (index, name) in names.iter().enumerate() {
                let room = MAX_PLACES.saturating_sub(places.len());
                places.extend(
                    positions(chunk, name)
                        .filter_map(|position| u32::try_from(at + position).ok())
                        .map(|place| (place, index))
                        .take(room),
                );
            }
        });
        if places.is_empty() {
            return;
        }
        self.for_each_chunk(symbols, 0, |_, chunk| {
            for symbol in chunk.chunks_exact(SYMBOL_SIZE) {
                let name = u32_at(symbol, 0);
                let Some((_, index)) = places.iter().find(|(place, _)| Some(*place) == name) else {
                    continue;
                };
                // Elf64_Sym: the section's index, 0 for what is defined elsewhere, then the value.
                if u16_at(symbol, 6).is_some_and(|section| section != 0)
                    && let Some(slot) = found.get_mut(*index)
                {
                    *slot = slot.or(u64_at(symbol, 8));
                }
            }
        });
    }

    /// Calls `visit` with pieces of a range, which overlap by `overlap` bytes, and with the offset
    /// of each from the range's start.
    fn for_each_chunk(
        &self,
        (start, size): (u64, u64),
        overlap: usize,
        mut visit: impl FnMut(u64, &[u8]),
    ) {
        // A multiple of the size of a symbol, so that none is cut in two.
        let step = CHUNK - CHUNK % SYMBOL_SIZE;
        let size = size.min(MAX_TABLE);
        let mut at = 0;
        while at < size {
            let len = ((step + overlap) as u64).min(size - at);
            let Some(chunk) = start.checked_add(at).and_then(|from| self.read(from, len)) else {
                return;
            };
            visit(at, &chunk);
            at += step as u64;
        }
    }

    fn read(&self, at: u64, len: u64) -> Option<Vec<u8>> {
        let mut bytes = vec![0; usize::try_from(len).ok()?];
        self.file.read_exact_at(&mut bytes, at).ok()?;
        Some(bytes)
    }
}

/// The positions of a name in a table of strings, followed by NUL or by the `.` that a compiler adds.
fn positions<'a>(chunk: &'a [u8], name: &'a str) -> impl Iterator<Item = u64> + 'a {
    let name = name.as_bytes();
    (0u64..)
        .zip(chunk.windows(name.len() + 1))
        .filter(move |(_, window)| {
            window.starts_with(name) && matches!(window.last(), Some(0 | b'.'))
        })
        .map(|(position, _)| position)
}
