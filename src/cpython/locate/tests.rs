//! Tests with a process made of bytes: one small ELF image with a runtime and an interpreter in its
//! data. If it is intact, its Python must be found; with any damage, nothing worse may happen than that
//! it is not found.

use std::cell::Cell;

use proptest::prelude::*;

use super::*;
use crate::memory::Fault;
use crate::model::little_endian;
use crate::target::parse_maps;

const BASE: u64 = 0x7f00_0000_0000;
const SIZE: usize = 0x3000;
/// The offsets of the parts of the image from its start, in bytes.
const DYNAMIC: usize = 0x400;
const HASH: usize = 0x500;
const SYMBOLS: usize = 0x600;
const STRINGS: usize = 0x700;
const DATA: usize = 0x2000;
const RUNTIME: usize = DATA + 0x100;
const INTERPRETER: usize = DATA + 0x400;
const THREAD: usize = DATA + 0x800;
const VERSION: usize = DATA + 0xb00;

struct Image {
    bytes: Vec<u8>,
    reads: u64,
}

impl Image {
    /// An image of Python 3.9, whose version only a text tells.
    fn new(table: Table) -> Image {
        let mut image = Image {
            bytes: vec![0; SIZE],
            reads: 0,
        };
        image.put(0, b"\x7fELF\x02\x01\x01");
        image.put(16, &3u16.to_le_bytes());
        image.put_u64(32, 64);
        image.put(54, &56u16.to_le_bytes());
        image.put(56, &3u16.to_le_bytes());
        // Type and flags, then offset and address, and sizes.
        image.put_header(0, (1, 5), (0, 0x2000));
        image.put_header(1, (1, 6), (DATA as u64, 0x1000));
        image.put_header(2, (2, 6), (DYNAMIC as u64, 0x100));

        let tag = match table {
            Table::Gnu => 0x6fff_fef5,
            Table::Sysv => 4,
        };
        let entries = [(tag, HASH), (6, SYMBOLS), (5, STRINGS), (0, 0)];
        for (index, (tag, at)) in entries.into_iter().enumerate() {
            image.put_u64(DYNAMIC + index * 16, tag);
            image.put_u64(DYNAMIC + index * 16 + 8, at as u64);
        }
        image.put(STRINGS + 1, b"_PyRuntime\0");
        image.put(SYMBOLS + 24, &1u32.to_le_bytes());
        image.put(SYMBOLS + 24 + 6, &2u16.to_le_bytes());
        image.put_u64(SYMBOLS + 24 + 8, RUNTIME as u64);
        match table {
            // One bucket, first symbol 1, one word of a bloom filter that lets all pass.
            Table::Gnu => {
                let hash = b"_PyRuntime".iter().fold(5381u32, |hash, byte| {
                    hash.wrapping_mul(33).wrapping_add(u32::from(*byte))
                });
                image.put_words(HASH, &[1, 1, 1, 6, u32::MAX, u32::MAX, 1, hash | 1]);
            }
            // One bucket, two symbols, the bucket's first, no next ones.
            Table::Sysv => image.put_words(HASH, &[1, 2, 1, 0, 0]),
        }

        image.put_pointer(RUNTIME + 24, THREAD);
        image.put_pointer(RUNTIME + 32, INTERPRETER);
        image.put_pointer(RUNTIME + 40, INTERPRETER);
        image.put_u64(RUNTIME + 48, 1);
        image.put_pointer(INTERPRETER + 8, THREAD);
        image.put_pointer(THREAD + 16, INTERPRETER);
        image.put(
            VERSION,
            b"3.9.18 (main, Nov 23 2025, 00:00:00) \n[GCC 12.2.0]\0",
        );
        // sys.modules, its type, the type's name.
        let modules = layout::builtin(version())
            .expect("known")
            .interpreter
            .modules as usize;
        image.put_pointer(INTERPRETER + modules, DATA + 0xc00);
        image.put_pointer(DATA + 0xc08, DATA + 0xd00);
        image.put_pointer(DATA + 0xd18, DATA + 0xe00);
        image.put(DATA + 0xe00, b"dict\0");
        image
    }

    fn put(&mut self, at: usize, bytes: &[u8]) {
        self.bytes[at..at + bytes.len()].copy_from_slice(bytes);
    }

    fn put_u64(&mut self, at: usize, word: u64) {
        self.put(at, &word.to_le_bytes());
    }

    fn put_words(&mut self, at: usize, words: &[u32]) {
        for (index, word) in words.iter().enumerate() {
            self.put(at + index * 4, &word.to_le_bytes());
        }
    }

    fn put_pointer(&mut self, at: usize, to: usize) {
        self.put_u64(at, BASE + to as u64);
    }

    fn put_header(&mut self, index: usize, (kind, flags): (u32, u32), (at, size): (u64, u64)) {
        let header = 64 + index * 56;
        self.put_words(header, &[kind, flags]);
        for (field, value) in [(8, at), (16, at), (32, size), (40, size)] {
            self.put_u64(header + field, value);
        }
    }

    fn locate(&mut self) -> Result<Located, LocateError> {
        let maps = parse_maps(
            format!(
                "{:x}-{:x} r-xp 00000000 08:01 7 /opt/worker\n\
                 {:x}-{:x} rw-p 00002000 08:01 7 /opt/worker\n",
                BASE,
                BASE + 0x2000,
                BASE + 0x2000,
                BASE + 0x3000
            )
            .as_bytes(),
        );
        let opened = Cell::new(0);
        let search = Search {
            maps: &maps,
            memory: self,
            open: |_: &Mapping| {
                opened.set(opened.get() + 1);
                None
            },
        };
        let found = search.run(|_| true).map_err(|failure| match failure {
            Failure::Known(error) => error,
            Failure::NothingReadable => LocateError::PermissionDenied,
        });
        found.map(|found| {
            assert_eq!(found.len(), 1);
            found.into_iter().next().expect("one")
        })
    }
}

impl Memory for Image {
    fn read(&mut self, at: Addr, into: &mut [u8]) -> Result<(), Fault> {
        self.reads += 1;
        let len = into.len();
        let bytes =
            at.0.checked_sub(BASE)
                .and_then(|start| usize::try_from(start).ok())
                .and_then(|start| self.bytes.get(start..start.checked_add(len)?))
                .ok_or(Fault { at, len })?;
        into.copy_from_slice(bytes);
        Ok(())
    }
}

#[derive(Clone, Copy, Debug)]
enum Table {
    Gnu,
    Sysv,
}

fn version() -> PythonVersion {
    PythonVersion::from_hex(0x0309_12f0, false)
}

fn expected() -> Located {
    Located {
        version: version(),
        runtime: RuntimeAddress::Runtime(Addr(BASE + RUNTIME as u64)),
        binary: TargetStr::new("/opt/worker"),
        debug_offsets: None,
        cpu_id: None,
    }
}

#[test]
fn a_runtime_is_found_by_either_hash_table() {
    for table in [Table::Gnu, Table::Sysv] {
        let mut image = Image::new(table);
        assert_eq!(image.locate().expect("is found"), expected(), "{table:?}");
        assert!(image.reads < 40, "{}", image.reads);
    }
}

#[test]
fn a_runtime_is_found_without_symbols() {
    let mut image = Image::new(Table::Gnu);
    image.put(STRINGS + 1, b"_Pyruntime");
    assert_eq!(image.locate().expect("is found"), expected());
}

#[test]
fn a_runtime_without_an_interpreter_is_not_ready() {
    let mut image = Image::new(Table::Gnu);
    image.put_u64(RUNTIME + 32, 0);
    assert!(matches!(image.locate(), Err(LocateError::NotReady)));
}

#[test]
fn a_runtime_whose_interpreter_is_gone_was_shut_down() {
    let mut image = Image::new(Table::Gnu);
    image.put_u64(RUNTIME + 32, 0);
    image.put_u64(RUNTIME + 40, 0);
    assert!(matches!(image.locate(), Err(LocateError::Finalized)));
}

#[test]
fn an_interpreter_without_a_thread_is_not_ready() {
    let mut image = Image::new(Table::Gnu);
    image.put_u64(INTERPRETER + 8, 0);
    assert!(matches!(image.locate(), Err(LocateError::NotReady)));
}

#[test]
fn a_thread_of_another_interpreter_is_no_proof() {
    let mut image = Image::new(Table::Gnu);
    image.put_pointer(THREAD + 16, DATA);
    assert!(image.locate().is_err());
}

#[test]
fn a_runtime_whose_version_is_not_told_is_reported() {
    let mut image = Image::new(Table::Gnu);
    image.put(VERSION, b"x");
    let error = image.locate().expect_err("no version");
    assert!(
        matches!(error, LocateError::UnknownVersion { .. }),
        "{error}"
    );
}

#[test]
fn a_version_without_a_layout_is_reported() {
    let mut image = Image::new(Table::Gnu);
    image.put(VERSION, b"3.99");
    image.put(VERSION + 4, b".1 (");
    let error = image.locate().expect_err("no layout");
    assert!(
        matches!(error, LocateError::UnsupportedVersion { .. }),
        "{error}"
    );
}

#[test]
fn a_32_bit_program_is_reported() {
    let mut image = Image::new(Table::Gnu);
    image.put(4, &[1]);
    assert!(matches!(image.locate(), Err(LocateError::NotSixtyFourBit)));
}

/// No damaged image may cause more reads than this.
const MAX_READS: u64 = 200_000;

proptest! {
    #[test]
    fn flipped_bits_are_survived(
        flips in prop::collection::vec((0..SIZE * 8, any::<bool>()), 1..20),
        gnu in any::<bool>(),
    ) {
        let mut image = Image::new(if gnu { Table::Gnu } else { Table::Sysv });
        for (bit, in_headers) in flips {
            // Most of the image is empty: half of the flips go where the structure is.
            let bit = if in_headers { bit % (0x720 * 8) } else { bit };
            image.bytes[bit / 8] ^= 1 << (bit % 8);
        }
        let _ = image.locate();
        prop_assert!(image.reads < MAX_READS, "{}", image.reads);
    }

    #[test]
    fn overwritten_words_are_survived(
        words in prop::collection::vec(
            (0..SIZE / 8, prop_oneof![any::<u64>(), Just(u64::MAX), 0u64..0x4000, BASE..BASE + 0x4000]),
            1..20,
        ),
    ) {
        let mut image = Image::new(Table::Gnu);
        for (index, word) in words {
            // Words in the headers, in the tables and at the beginning of the data.
            let at = [64, DYNAMIC, HASH, SYMBOLS, RUNTIME][index % 5] + (index / 5) % 32 * 8;
            image.put_u64(at, word);
        }
        let _ = image.locate();
        prop_assert!(image.reads < MAX_READS, "{}", image.reads);
    }

    #[test]
    fn a_truncated_image_is_survived(len in 0..SIZE) {
        let mut image = Image::new(Table::Gnu);
        image.bytes.truncate(len);
        let _ = image.locate();
        prop_assert!(image.reads < MAX_READS, "{}", image.reads);
    }

    #[test]
    fn random_bytes_after_the_magic_are_survived(seed in prop::collection::vec(any::<u8>(), SIZE)) {
        let mut image = Image::new(Table::Gnu);
        image.put(64, &seed[64..]);
        let _ = image.locate();
        prop_assert!(image.reads < MAX_READS, "{}", image.reads);
    }

    #[test]
    fn notes_of_any_content_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = image::build_id_in_notes(&bytes);
    }

    #[test]
    fn damaged_files_are_survived(
        flips in prop::collection::vec((0usize..3, 0usize..1 << 20, any::<u8>()), 0..30),
        cut in prop_oneof![Just(0), 0usize..1 << 20],
    ) {
        use std::io::Write;
        let mut bytes = with_symbols(std::fs::read("/bin/sh")?);
        let len = bytes.len();
        for (part, at, with) in flips {
            // In the header, in the table of sections, which is at the end, or anywhere.
            let at = [at % 64, len - 1 - at % 2000, at % len][part];
            bytes[at] = with;
        }
        bytes.truncate(len - cut % len);
        let mut file = tempfile::tempfile()?;
        file.write_all(&bytes)?;
        if let Some(file) = ElfFile::open(file) {
            let _ = file.build_id();
            let _ = file.section_address(".PyRuntime");
            let _ = file.symbol_addresses(["_PyRuntime", "exit"]);
        }
    }
}

/// Makes the symbol table that a stripped program keeps look like the one that it lost.
fn with_symbols(mut program: Vec<u8>) -> Vec<u8> {
    const SHT_SYMTAB: u8 = 2;
    const SHT_DYNSYM: u8 = 11;
    let sections = little_endian::u64_at(&program, 40).expect("a header");
    let count = little_endian::u16_at(&program, 60).expect("a header");
    for index in 0..usize::from(count) {
        let at = usize::try_from(sections).expect("a place") + index * 64 + 4;
        if program[at] == SHT_DYNSYM {
            program[at] = SHT_SYMTAB;
        }
    }
    program
}

#[test]
fn a_files_symbols_sections_and_build_id_are_those_of_its_own_program() {
    let file = std::fs::File::open("/proc/self/exe").expect("opens");
    let file = ElfFile::open(file).expect("is ELF");
    let [main, none] = file.symbol_addresses(["main", "no_such_symbol_here_"]);
    assert!(main.is_some() && none.is_none());
    assert!(file.section_address(".text").is_some());
    assert!(file.section_address(".PyRuntime").is_none());
}
