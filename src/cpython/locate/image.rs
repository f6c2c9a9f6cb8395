//! An ELF file as the loader laid it out in the target's memory: found through the mappings, read
//! from memory alone. Knows nothing of Python.
//!
//! Whatever is read here may be forged or damaged: every length has a bound, every offset is
//! added with wrapping arithmetic and used for reading only.

use crate::memory::Memory;
use crate::model::Addr;
use crate::model::little_endian::{u16_at, u32_at, u64_at};
use crate::target::Mapping;

const ELF_HEADER_SIZE: usize = 64;
const PROGRAM_HEADER_SIZE: usize = 56;
/// Real files have about a dozen.
const MAX_PROGRAM_HEADERS: u16 = 256;
/// The most that is read of notes and of the dynamic section, in bytes.
const MAX_SEGMENT_SIZE: u64 = 64 << 10;
/// The most ELF files that are read. The kernel allows 65,530 mappings by default, and no process that
/// we know has more ELF files than this.
const MAX_IMAGES: usize = 8192;

const PT_LOAD: u32 = 1;
const PT_DYNAMIC: u32 = 2;
const PT_NOTE: u32 = 4;
const NT_GNU_BUILD_ID: u32 = 3;

/// An ELF file in memory.
#[derive(Clone, Debug)]
pub(super) struct Image<'m> {
    /// The mapping of the file's beginning.
    pub mapping: &'m Mapping,
    /// What the loader added to the file's addresses.
    pub bias: u64,
    pub loads: Vec<Load>,
    dynamic: Option<Segment>,
    notes: Vec<Segment>,
}

/// A `PT_LOAD` segment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Load {
    /// Where it is in memory.
    pub start: Addr,
    /// Its size in memory, in bytes; what exceeds its size in the file is `.bss`.
    pub size: u64,
    /// Its size and its offset in the file, in bytes.
    pub file_size: u64,
    pub offset: u64,
    pub writable: bool,
    pub executable: bool,
}

#[derive(Clone, Copy, Debug)]
struct Segment {
    start: Addr,
    size: u64,
}

/// What looking for ELF files in a process yielded.
pub(super) struct Images<'m> {
    pub images: Vec<Image<'m>>,
    /// Beginnings of files that could not be read.
    pub unreadable: usize,
    /// ELF files for other machines than 64-bit little-endian ones.
    pub foreign: usize,
}

/// Where the beginnings of ELF files are looked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Among {
    /// Where files are mapped from their beginning.
    Files,
    /// In memory that belongs to no file: packed programs are unpacked there, and some programs move
    /// themselves to large pages.
    Anonymous,
}

/// The most anonymous mappings of a process that are looked at. A process with more of them makes code
/// itself, and is not a packed program.
const MAX_ANONYMOUS: usize = 1024;

/// Finds the ELF files that are laid out as programs or libraries, which a file that is mapped only to
/// be read is not.
pub(super) fn images<'m, M: Memory>(
    maps: &'m [Mapping],
    memory: &mut M,
    among: Among,
) -> Images<'m> {
    let mut found = Images {
        images: Vec::new(),
        unreadable: 0,
        foreign: 0,
    };
    let has_code = |mapping: &Mapping| is_anonymous(mapping) && mapping.permissions.execute;
    if among == Among::Anonymous && !maps.iter().any(has_code) {
        return found;
    }
    let mut anonymous = 0;
    for (index, mapping) in maps.iter().enumerate() {
        if found.images.len() >= MAX_IMAGES {
            break;
        }
        let may_begin = match among {
            Among::Files => mapping.is_file() && mapping.offset == 0,
            Among::Anonymous => is_anonymous(mapping) && anonymous < MAX_ANONYMOUS,
        };
        if !may_begin || !mapping.permissions.read {
            continue;
        }
        anonymous += usize::from(among == Among::Anonymous);
        let Ok(header) = memory.read_array::<ELF_HEADER_SIZE>(mapping.start) else {
            found.unreadable += 1;
            continue;
        };
        match Header::parse(&header) {
            Parsed::Ours(header) => found
                .images
                .extend(Image::read(&header, maps, index, memory)),
            Parsed::Foreign => found.foreign += 1,
            Parsed::NotElf => {}
        }
    }
    found
}

/// Whether a mapping belongs neither to a file nor to the kernel (`[stack]`, `[vdso]`). A program may
/// have given it a name.
fn is_anonymous(mapping: &Mapping) -> bool {
    !mapping.is_file() && (mapping.path.is_empty() || mapping.path.starts_with(b"[anon"))
}

struct Header {
    program_headers_offset: u64,
    program_headers: u16,
}

enum Parsed {
    Ours(Header),
    Foreign,
    NotElf,
}

impl Header {
    fn parse(bytes: &[u8; ELF_HEADER_SIZE]) -> Parsed {
        if !bytes.starts_with(b"\x7fELF") {
            return Parsed::NotElf;
        }
        // ELFCLASS64, ELFDATA2LSB.
        if !bytes.starts_with(b"\x7fELF\x02\x01") {
            return Parsed::Foreign;
        }
        let fields = (|| {
            // ET_EXEC or ET_DYN.
            let is_program = matches!(u16_at(bytes, 16)?, 2 | 3);
            let entry_size = usize::from(u16_at(bytes, 54)?);
            let header = Header {
                program_headers_offset: u64_at(bytes, 32)?,
                program_headers: u16_at(bytes, 56)?,
            };
            (is_program
                && entry_size == PROGRAM_HEADER_SIZE
                && (1..=MAX_PROGRAM_HEADERS).contains(&header.program_headers))
            .then_some(header)
        })();
        fields.map_or(Parsed::NotElf, Parsed::Ours)
    }
}

struct ProgramHeader {
    kind: u32,
    flags: u32,
    offset: u64,
    vaddr: u64,
    file_size: u64,
    memory_size: u64,
}

impl ProgramHeader {
    fn parse(bytes: &[u8]) -> Option<ProgramHeader> {
        Some(ProgramHeader {
            kind: u32_at(bytes, 0)?,
            flags: u32_at(bytes, 4)?,
            offset: u64_at(bytes, 8)?,
            vaddr: u64_at(bytes, 16)?,
            file_size: u64_at(bytes, 32)?,
            memory_size: u64_at(bytes, 40)?,
        })
    }
}

impl<'m> Image<'m> {
    fn read<M: Memory>(
        header: &Header,
        maps: &'m [Mapping],
        index: usize,
        memory: &mut M,
    ) -> Option<Image<'m>> {
        let first = maps.get(index)?;
        let at = file_offset_in_memory(maps, index, header.program_headers_offset)?;
        let size = usize::from(header.program_headers) * PROGRAM_HEADER_SIZE;
        let bytes = memory.read_vec(at, size).ok()?;
        let headers: Vec<ProgramHeader> = bytes
            .chunks_exact(PROGRAM_HEADER_SIZE)
            .filter_map(ProgramHeader::parse)
            .collect();

        // The loader maps whole pages, so with the segment that comes first in the file it maps the
        // file's beginning. For programs that are not position-independent, and for prelinked
        // libraries at the address chosen for them, the bias is 0.
        let beginning = headers
            .iter()
            .filter(|header| header.kind == PT_LOAD)
            .min_by_key(|header| header.offset)?;
        let bias = first
            .start
            .0
            .wrapping_sub(beginning.vaddr.wrapping_sub(beginning.offset));
        let at = |vaddr: u64| Addr(bias.wrapping_add(vaddr));
        let segment = |header: &ProgramHeader| Segment {
            start: at(header.vaddr),
            size: header.file_size.min(MAX_SEGMENT_SIZE),
        };
        let image = Image {
            mapping: first,
            bias,
            loads: headers
                .iter()
                .filter(|header| header.kind == PT_LOAD)
                .map(|header| Load {
                    start: at(header.vaddr),
                    size: header.memory_size,
                    file_size: header.file_size,
                    offset: header.offset,
                    writable: header.flags & 2 != 0,
                    executable: header.flags & 1 != 0,
                })
                .collect(),
            dynamic: headers
                .iter()
                .find(|header| header.kind == PT_DYNAMIC)
                .map(segment),
            notes: headers
                .iter()
                .filter(|header| header.kind == PT_NOTE)
                .map(segment)
                .collect(),
        };
        image.is_laid_out(maps).then_some(image)
    }

    /// Whether code and data are where the program headers say. A file that is mapped only to be read
    /// is one flat piece, as a rule without execute permission, in which the data are at their offset
    /// in the file and not at their address.
    fn is_laid_out(&self, maps: &[Mapping]) -> bool {
        let has_code = self
            .loads
            .iter()
            .filter(|load| load.executable)
            .any(|load| {
                mapping_at(maps, load.start).is_some_and(|mapping| mapping.permissions.execute)
            });
        has_code && self.loads.iter().all(|load| self.may_be_at(load, maps))
    }

    /// Whether a segment may be at its address, since no other part of the file is there. Something that
    /// is not part of the file may be: some programs copy their code to large pages.
    fn may_be_at(&self, load: &Load, maps: &[Mapping]) -> bool {
        let Some(mapping) = mapping_at(maps, load.start) else {
            return !load.writable;
        };
        let within = load.start.0.wrapping_sub(mapping.start.0);
        !mapping.same_file(self.mapping)
            || load.file_size == 0
            || mapping.offset.wrapping_add(within) == load.offset
    }

    /// Bytes from the beginning of the first segment to the end of the last.
    pub fn size(&self) -> u64 {
        let starts = self.loads.iter().map(|load| load.start.0);
        let ends = self
            .loads
            .iter()
            .map(|load| load.start.0.saturating_add(load.size));
        let (start, end) = (starts.min().unwrap_or(0), ends.max().unwrap_or(0));
        end.saturating_sub(start)
    }

    pub fn contains(&self, at: Addr) -> bool {
        self.loads
            .iter()
            .any(|load| at.0.wrapping_sub(load.start.0) < load.size)
    }

    pub fn writable(&self) -> impl Iterator<Item = Load> + '_ {
        self.loads.iter().copied().filter(|load| load.writable)
    }

    /// The bytes of the dynamic section.
    pub fn dynamic_section<M: Memory>(&self, memory: &mut M) -> Option<Vec<u8>> {
        let segment = self.dynamic?;
        memory
            .read_vec(segment.start, usize::try_from(segment.size).ok()?)
            .ok()
    }

    pub fn build_id<M: Memory>(&self, memory: &mut M) -> Option<Vec<u8>> {
        self.notes.iter().find_map(|segment| {
            let size = usize::try_from(segment.size).ok()?;
            build_id_in_notes(&memory.read_vec(segment.start, size).ok()?)
        })
    }
}

/// The build id among ELF notes (`Elf64_Nhdr`: sizes of name and description, type, then both,
/// each padded to 4 bytes).
pub(super) fn build_id_in_notes(mut notes: &[u8]) -> Option<Vec<u8>> {
    loop {
        let name_size = usize::try_from(u32_at(notes, 0)?).ok()?;
        let description_size = usize::try_from(u32_at(notes, 4)?).ok()?;
        let kind = u32_at(notes, 8)?;
        let (name, rest) = notes
            .get(12..)?
            .split_at_checked(name_size.checked_next_multiple_of(4)?)?;
        let description = rest.get(..description_size)?;
        if kind == NT_GNU_BUILD_ID && name.starts_with(b"GNU\0") && !description.is_empty() {
            return Some(description.to_vec());
        }
        notes = rest.get(description_size.checked_next_multiple_of(4)?..)?;
    }
}

/// Where a file offset is in memory, for the file whose beginning is mapped at `index`. Tools that
/// edit ELF files (patchelf) may put the program headers at the end of the file.
fn file_offset_in_memory(maps: &[Mapping], index: usize, offset: u64) -> Option<Addr> {
    let first = maps.get(index)?;
    if !first.is_file() {
        return (offset < first.len()).then(|| first.start.plus(offset));
    }
    maps.get(index..)?
        .iter()
        .filter(|mapping| mapping.same_file(first))
        .find(|mapping| {
            offset
                .checked_sub(mapping.offset)
                .is_some_and(|within| within < mapping.len())
        })
        .map(|mapping| mapping.start.plus(offset - mapping.offset))
}

/// The mapping that holds an address; the kernel lists them in order.
pub(super) fn mapping_at(maps: &[Mapping], at: Addr) -> Option<&Mapping> {
    let index = maps.partition_point(|mapping| mapping.end <= at);
    maps.get(index).filter(|mapping| mapping.contains(at))
}
