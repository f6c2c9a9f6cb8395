//! Tests with core files made of bytes. One that is sound must be read; of one that is damaged, cut or made to
//! do harm, nothing worse may come than an error or less of the memory.

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use proptest::prelude::*;

use super::*;
use crate::memory::Memory;

const X86_64: u16 = 62;
const AARCH64: u16 = 183;
/// Where the data of the process are, its stack, and a library that was not written to.
const DATA: u64 = 0x10_0000;
const STACK: u64 = 0x7ff0_0000;
const LIBRARY: u64 = 0x20_0000;
const PAGE: u64 = 4096;

struct Maker {
    machine: u16,
    notes: Vec<u8>,
    /// Type and flags, address, size in memory, bytes.
    segments: Vec<(u32, u32, u64, u64, Vec<u8>)>,
}

impl Maker {
    fn new(machine: u16) -> Maker {
        Maker {
            machine,
            notes: Vec::new(),
            segments: Vec::new(),
        }
    }

    /// With a process of two threads, of which the first had a fault.
    fn process(machine: u16) -> Maker {
        let mut maker = Maker::new(machine);
        maker.thread(71, 11);
        maker.note(3, &process_info(70, b"python x.py"));
        maker.note(0x5349_4749, &signal_info(11, 1, 0x1234));
        maker.thread(72, 0);
        maker.load(6, DATA, PAGE, b"data of the process".to_vec());
        maker
    }

    fn note(&mut self, kind: u32, description: &[u8]) {
        self.notes.extend(5_u32.to_le_bytes());
        self.notes.extend((description.len() as u32).to_le_bytes());
        self.notes.extend(kind.to_le_bytes());
        self.notes.extend(b"CORE\0\0\0\0");
        self.notes.extend(description);
        self.notes.resize(self.notes.len().next_multiple_of(4), 0);
    }

    fn thread(&mut self, tid: u32, signal: u16) {
        self.thread_with(tid, signal, &[]);
    }

    fn thread_with(&mut self, tid: u32, signal: u16, registers: &[(usize, i64)]) {
        let mut status = vec![0; 392];
        status[12..14].copy_from_slice(&signal.to_le_bytes());
        status[32..36].copy_from_slice(&tid.to_le_bytes());
        for (index, value) in registers {
            let at = 112 + index * 8;
            status[at..at + 8].copy_from_slice(&value.to_le_bytes());
        }
        self.note(1, &status);
    }

    fn files(&mut self, ranges: &[(u64, u64, u64, &str)]) {
        let mut list = Vec::new();
        for word in [ranges.len() as u64, PAGE] {
            list.extend(word.to_le_bytes());
        }
        for (start, end, page, _) in ranges {
            for word in [start, end, page] {
                list.extend(word.to_le_bytes());
            }
        }
        for (.., path) in ranges {
            list.extend(path.as_bytes());
            list.push(0);
        }
        self.note(0x4649_4c45, &list);
    }

    fn load(&mut self, flags: u32, at: u64, size: u64, bytes: Vec<u8>) {
        self.segments.push((1, flags, at, size, bytes));
    }

    fn bytes(&self) -> Vec<u8> {
        let mut file = b"\x7fELF\x02\x01\x01".to_vec();
        file.resize(64, 0);
        let mut put = |at: usize, bytes: &[u8]| file[at..at + bytes.len()].copy_from_slice(bytes);
        put(16, &4_u16.to_le_bytes());
        put(18, &self.machine.to_le_bytes());
        put(32, &64_u64.to_le_bytes());
        put(54, &56_u16.to_le_bytes());
        put(56, &(self.segments.len() as u16 + 1).to_le_bytes());
        let mut offset = 64 + 56 * (self.segments.len() as u64 + 1);
        let notes = (4, 0, 0, 0, self.notes.clone());
        let all = std::iter::once(&notes).chain(&self.segments);
        let mut contents: Vec<u8> = Vec::new();
        for (kind, flags, at, size, bytes) in all {
            file.extend(kind.to_le_bytes());
            file.extend(flags.to_le_bytes());
            let len = bytes.len() as u64;
            for word in [offset, *at, 0, len, *size, 1] {
                file.extend(word.to_le_bytes());
            }
            offset += len;
            contents.extend(bytes);
        }
        file.extend(contents);
        file
    }

    fn open(&self) -> Core {
        open(&self.bytes()).expect("a core file")
    }
}

fn process_info(pid: u32, command: &[u8]) -> Vec<u8> {
    let mut info = vec![0; 136];
    info[24..28].copy_from_slice(&pid.to_le_bytes());
    info[56..56 + command.len()].copy_from_slice(command);
    info
}

fn signal_info(number: i32, code: i32, word: u64) -> Vec<u8> {
    let mut info = vec![0; 128];
    info[..4].copy_from_slice(&number.to_le_bytes());
    info[8..12].copy_from_slice(&code.to_le_bytes());
    info[16..24].copy_from_slice(&word.to_le_bytes());
    info
}

fn file_of(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().expect("a file");
    file.write_all(bytes).expect("room");
    file
}

fn open(bytes: &[u8]) -> Result<Core, CoreError> {
    Core::from_file(file_of(bytes), Root::open(None).expect("a root"))
}

fn open_below(bytes: &[u8], root: &Path) -> Core {
    let root = Root::open(Some(root)).expect("a root");
    Core::from_file(file_of(bytes), root).expect("a core file")
}

fn read(core: Core, at: u64, len: usize) -> Option<Vec<u8>> {
    CoreMemory::new(std::sync::Arc::new(core))
        .read_vec(Addr(at), len)
        .ok()
}

fn texts(words: &[TargetStr]) -> Vec<&str> {
    words.iter().map(TargetStr::untrusted).collect()
}

#[test]
fn the_process_and_its_threads_and_its_end_are_told() {
    for machine in [X86_64, AARCH64] {
        let core = Maker::process(machine).open();
        assert_eq!(core.pid(), Pid(70));
        assert_eq!(texts(core.command()), ["python", "x.py"]);
        let threads: Vec<Tid> = core.threads().iter().map(|it| it.tid).collect();
        assert_eq!(threads, [Tid(71), Tid(72)]);
        let signal = core.signal().expect("a signal");
        assert_eq!((signal.number, signal.thread), (11, Tid(71)));
        assert_eq!(signal.name(), "SIGSEGV");
        assert_eq!(signal.cause, SignalCause::Fault(Addr(0x1234)));
        assert_eq!(core.missing(), 0);
    }
}

#[test]
fn who_sent_a_signal_is_told_and_faults_without_an_address_have_none() {
    let with = |number: i32, code: i32| {
        let mut maker = Maker::new(X86_64);
        maker.thread(71, number as u16);
        maker.note(0x5349_4749, &signal_info(number, code, 55));
        maker.load(6, DATA, PAGE, vec![1]);
        maker.open().signal().expect("a signal")
    };
    assert_eq!(with(6, -6).cause, SignalCause::SentBy(Pid(55)));
    assert_eq!(with(11, 0).cause, SignalCause::SentBy(Pid(55)));
    assert_eq!(with(11, 0x80).cause, SignalCause::Unknown);
    assert_eq!(with(64, 0).name(), "signal 64");
}

#[test]
fn a_core_file_of_a_process_that_went_on_has_no_signal() {
    let mut maker = Maker::new(X86_64);
    maker.thread(71, 0);
    maker.note(0x5349_4749, &signal_info(19, 0, 1));
    maker.load(6, DATA, PAGE, vec![1]);
    assert_eq!(maker.open().signal(), None);
}

#[test]
fn a_thread_waited_if_its_system_call_was_cut_short() {
    const RAX: usize = 10;
    const RDI: usize = 14;
    const ORIG_RAX: usize = 15;
    const FS_BASE: usize = 21;
    let mut maker = Maker::process(X86_64);
    let waits = [
        (ORIG_RAX, 202),
        (RAX, -512),
        (RDI, 0x5000),
        (FS_BASE, 0x7000),
    ];
    maker.thread_with(73, 0, &waits);
    maker.thread_with(74, 0, &[(ORIG_RAX, 202), (RAX, 0)]);
    maker.thread_with(75, 0, &[(ORIG_RAX, -1), (RAX, -4)]);
    let core = maker.open();
    let futex = SystemCall {
        name: "futex",
        argument: Some(0x5000),
    };
    let calls: Vec<_> = core.threads().iter().map(|it| it.waits_in).collect();
    assert_eq!(calls, [None, None, Some(futex), None, None]);
    assert_eq!(core.threads()[2].thread_pointer, Some(Addr(0x7000)));

    let mut maker = Maker::process(AARCH64);
    maker.thread_with(73, 0, &[(0, -512)]);
    maker.note(0x404, &98_i32.to_le_bytes());
    let core = maker.open();
    let futex = SystemCall {
        name: "futex",
        argument: None,
    };
    assert_eq!(core.threads()[2].waits_in, Some(futex));
}

/// A small ELF file of which the first page and the next, and what is in them.
fn library() -> Vec<u8> {
    let mut library = b"\x7fELF\x02\x01\x01".to_vec();
    library.resize(PAGE as usize, 7);
    library.extend(b"code of the library");
    library
}

/// A core file that has only the first page of the library.
fn with_library(begin: &[u8]) -> Vec<u8> {
    let mut maker = Maker::process(X86_64);
    maker.files(&[
        (LIBRARY, LIBRARY + PAGE, 0, "/lib/x.so"),
        (LIBRARY + PAGE, LIBRARY + 3 * PAGE, 1, "/lib/x.so"),
    ]);
    maker.load(4, LIBRARY, PAGE, begin.to_vec());
    maker.load(5, LIBRARY + PAGE, 2 * PAGE, Vec::new());
    maker.bytes()
}

fn place(files: &[(&str, &[u8])]) -> (tempfile::TempDir, PathBuf) {
    let place = tempfile::tempdir().expect("a directory");
    for (path, bytes) in files {
        let path = place.path().join(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        fs::write(path, bytes).expect("room");
    }
    let path = place.path().to_owned();
    (place, path)
}

#[test]
fn what_was_not_written_is_read_from_the_file_if_it_begins_alike() {
    let library = library();
    let core = with_library(&library[..PAGE as usize]);
    for path in ["lib/x.so", "x.so"] {
        let (_place, root) = place(&[(path, &library)]);
        let core = open_below(&core, &root);
        let maps: Vec<_> = core.maps().iter().map(|it| (it.offset, it.inode)).collect();
        assert_eq!(maps, [(0, 0), (0, 1), (PAGE, 1)]);
        let mut memory = CoreMemory::new(std::sync::Arc::new(core));
        let across = memory.read_vec(Addr(LIBRARY + PAGE - 2), 6).expect("there");
        assert_eq!(across, b"\x07\x07code");
        // The rest of the last page is zero, and the pages after it are not there.
        let end = LIBRARY + PAGE + 19;
        assert_eq!(memory.read_vec(Addr(end - 1), 3).expect("there"), b"y\0\0");
        assert!(memory.read_vec(Addr(LIBRARY + 2 * PAGE), 1).is_err());
    }
}

#[test]
fn a_file_that_begins_otherwise_or_is_none_is_not_read_but_named() {
    let mut other = library();
    other[100] = 8;
    let core = with_library(&library()[..PAGE as usize]);
    for files in [&[("lib/x.so", other.as_slice())][..], &[]] {
        let (_place, root) = place(files);
        let core = std::sync::Arc::new(open_below(&core, &root));
        let mut memory = CoreMemory::new(std::sync::Arc::clone(&core));
        assert!(core.missing_files().is_empty());
        assert!(memory.read_vec(Addr(LIBRARY + PAGE), 4).is_err());
        assert_eq!(texts(&core.missing_files()), ["/lib/x.so"]);
        // Its first page is in the core file.
        assert!(memory.read_vec(Addr(LIBRARY), 4).is_ok());
    }
}

#[test]
fn a_file_of_which_the_core_file_has_no_beginning_is_read_and_named() {
    let secret = [b's'; 100];
    let (_place, root) = place(&[("lib/x.so", &library()), ("lib/y", &secret)]);
    let mut maker = Maker::process(X86_64);
    maker.files(&[
        (LIBRARY, LIBRARY + 2 * PAGE, 0, "/lib/x.so"),
        (LIBRARY + 2 * PAGE, LIBRARY + 3 * PAGE, 0, "/lib/y"),
    ]);
    let core = std::sync::Arc::new(open_below(&maker.bytes(), &root));
    let mut memory = CoreMemory::new(std::sync::Arc::clone(&core));
    let code = memory.read_vec(Addr(LIBRARY + PAGE), 4);
    assert_eq!(code.expect("there"), b"code");
    assert_eq!(texts(&core.unchecked_files()), ["/lib/x.so"]);
    // What is no ELF file is not read at all.
    assert!(memory.read_vec(Addr(LIBRARY + 2 * PAGE), 4).is_err());
}

#[test]
fn a_file_is_not_read_because_its_beginning_was_guessed() {
    let secret = [b's'; 2 * PAGE as usize];
    let (_place, root) = place(&[("lib/x.so", &secret)]);
    for guessed in [1, 64, PAGE as usize] {
        let core = open_below(&with_library(&secret[..guessed]), &root);
        assert_eq!(read(core, LIBRARY + PAGE, 1), None);
    }
}

#[test]
fn the_command_line_is_read_from_the_stack_whole() {
    let long = "x".repeat(200);
    let text = format!("python\0{long}\0--flag\0HOME=/root\0");
    let (vectors, strings) = (STACK + 16, STACK + 0x200);
    let words = [
        3,
        strings,
        strings + 7,
        strings + 7 + 201,
        0,
        strings + 7 + 201 + 7,
        0,
    ];
    let auxiliary = [25, strings + 0x400, 9, 0x40_0000, 0, 0];
    let mut stack = vec![0; 0x1000];
    let mut put = |at: u64, bytes: &[u8]| {
        let at = (at - STACK) as usize;
        stack[at..at + bytes.len()].copy_from_slice(bytes);
    };
    for (word, at) in words.iter().chain(&auxiliary).zip((vectors..).step_by(8)) {
        put(at, &word.to_le_bytes());
    }
    put(strings, text.as_bytes());
    let mut maker = Maker::process(X86_64);
    let auxiliary: Vec<u8> = auxiliary.iter().flat_map(|it| it.to_le_bytes()).collect();
    maker.note(6, &auxiliary);
    maker.load(6, STACK, 0x1000, stack);
    let core = maker.open();
    assert_eq!(texts(core.command()), ["python", &long, "--flag"]);
}

#[test]
fn what_is_no_core_file_of_ours_is_refused_by_name() {
    let refused = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = Maker::process(X86_64).bytes();
        change(&mut bytes);
        open(&bytes).expect_err("refused")
    };
    assert!(matches!(refused(&|it| it.clear()), CoreError::NotElf));
    assert!(matches!(refused(&|it| it[0] = b'x'), CoreError::NotElf));
    assert!(matches!(
        refused(&|it| it[4] = 1),
        CoreError::NotSixtyFourBit
    ));
    assert!(matches!(refused(&|it| it[16] = 3), CoreError::Program));
    assert!(matches!(
        refused(&|it| it[18] = 243),
        CoreError::OtherMachine(243)
    ));
    assert!(matches!(
        refused(&|it| it.truncate(30)),
        CoreError::Truncated
    ));
    assert!(matches!(
        refused(&|it| it.truncate(100)),
        CoreError::Truncated
    ));
    assert!(matches!(
        refused(&|it| it.truncate(200)),
        CoreError::Truncated
    ));
    let mut maker = Maker::new(X86_64);
    maker.load(6, DATA, PAGE, vec![1]);
    assert!(matches!(open(&maker.bytes()), Err(CoreError::NoThreads)));
    let mut maker = Maker::new(X86_64);
    maker.thread(1, 11);
    maker.load(4, DATA, PAGE, vec![1]);
    assert!(matches!(open(&maker.bytes()), Err(CoreError::NoData)));
}

#[test]
fn a_core_file_that_was_cut_has_what_is_before() {
    let mut maker = Maker::process(X86_64);
    maker.load(6, STACK, 2 * PAGE, vec![5; 2 * PAGE as usize]);
    let mut bytes = maker.bytes();
    bytes.truncate(bytes.len() - PAGE as usize);
    let core = open(&bytes).expect("a core file");
    assert_eq!(core.missing(), PAGE);
    let core = std::sync::Arc::new(core);
    let mut memory = CoreMemory::new(core);
    assert!(memory.read_vec(Addr(STACK), PAGE as usize).is_ok());
    assert!(memory.read_vec(Addr(STACK + PAGE - 1), 2).is_err());
}

#[test]
fn sizes_that_lie_reserve_nothing() {
    // The count of program headers, in the field of the first section header.
    let mut bytes = Maker::process(X86_64).bytes();
    bytes[56..58].copy_from_slice(&[0xff, 0xff]);
    bytes[40..48].copy_from_slice(&64_u64.to_le_bytes());
    bytes[64 + 44..64 + 48].copy_from_slice(&u32::MAX.to_le_bytes());
    assert!(matches!(open(&bytes), Err(CoreError::Malformed(_))));

    // Notes of any size, and a list with more files than it has room for.
    let mut maker = Maker::process(X86_64);
    let mut list = u64::MAX.to_le_bytes().to_vec();
    list.extend(PAGE.to_le_bytes());
    maker.note(0x4649_4c45, &list);
    maker.notes.extend([0xff; 12]);
    let core = maker.open();
    assert_eq!(core.maps().len(), 1);

    // A segment that claims all of the memory and all of the file.
    let mut maker = Maker::process(X86_64);
    maker.load(6, DATA + PAGE, u64::MAX - DATA - PAGE, vec![9; 10]);
    let mut bytes = maker.bytes();
    let third = 64 + 2 * 56;
    bytes[third + 32..third + 40].copy_from_slice(&u64::MAX.to_le_bytes());
    let core = open(&bytes).expect("a core file");
    assert!(core.missing() > 0);
    assert_eq!(read(core, DATA + PAGE, 10), Some(vec![9; 10]));
}

#[test]
fn a_hundred_thousand_notes_are_bounded() {
    let mut maker = Maker::process(X86_64);
    for tid in 0..100_000 {
        maker
            .notes
            .extend([4, 0, 0, 0, 0, 0, 0, 0, 0x77, 0, 0, 0, b'C', 0, 0, 0]);
        if tid < 70_000 {
            maker.thread(100 + tid, 0);
        }
    }
    assert_eq!(maker.open().threads().len(), 65_536);
}

#[test]
fn memory_is_not_read_without_end() {
    let core = std::sync::Arc::new(Maker::process(X86_64).open());
    let mut memory = CoreMemory::new(core);
    memory.left = 20;
    let mut reads = 0;
    while memory.read_vec(Addr(DATA), 8).is_ok() {
        reads += 1;
    }
    assert_eq!(reads, 2);
}

#[test]
fn segments_that_overlap_do_not_make_mappings_that_do() {
    let mut maker = Maker::process(X86_64);
    maker.load(6, DATA - PAGE, 3 * PAGE, vec![1; 3 * PAGE as usize]);
    maker.load(6, DATA + PAGE, 3 * PAGE, vec![2; 3 * PAGE as usize]);
    maker.files(&[
        (DATA, DATA + 2 * PAGE, 0, "/a"),
        (DATA + PAGE, DATA + 3 * PAGE, 0, "/b"),
    ]);
    let core = maker.open();
    let pairs = core.maps().windows(2);
    assert!(pairs.clone().count() > 0);
    for pair in pairs {
        assert!(pair[0].end <= pair[1].start, "{pair:?}");
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packer.write_all(bytes).expect("packs");
    packer.finish().expect("packs")
}

fn lz4(bytes: &[u8]) -> Vec<u8> {
    let mut packer = lz4_flex::frame::FrameEncoder::new(Vec::new());
    packer.write_all(bytes).expect("packs");
    packer.finish().expect("packs")
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
}

fn unpacked(packed: &[u8]) -> Result<Vec<u8>, CoreError> {
    let (_place, root) = place(&[("core", packed)]);
    let file = unpack::open(&root.join("core"), &mut |_, _| {})?;
    let mut bytes = vec![0; length(&file) as usize];
    std::os::unix::fs::FileExt::read_exact_at(&file, &mut bytes, 0).expect("readable");
    Ok(bytes)
}

#[test]
fn packed_core_files_are_unpacked_to_their_last_byte() {
    let mut maker = Maker::process(X86_64);
    // Zeros are not written, and still there.
    maker.load(6, STACK, 4 << 20, vec![0; 4 << 20]);
    maker.load(6, STACK + (4 << 20), PAGE, vec![3; PAGE as usize]);
    let plain = maker.bytes();
    let halves = plain.split_at(plain.len() / 2);
    for pack in [gzip, lz4, zstd] {
        assert!(unpacked(&pack(&plain)).expect("unpacks") == plain);
        // Packed in parts, as by several threads.
        let parts = [pack(halves.0), pack(halves.1)].concat();
        assert!(unpacked(&parts).expect("unpacks") == plain);
        let mut cut = pack(&plain);
        cut.truncate(cut.len() / 2);
        assert!(unpacked(&cut).is_err());
    }
    // A frame with something else (RFC 8878, 3.1.2).
    let mut skippable = b"\x50\x2a\x4d\x18\x03\0\0\0abc".to_vec();
    skippable.splice(0..0, zstd(halves.0));
    skippable.extend(zstd(halves.1));
    assert!(unpacked(&skippable).expect("unpacks") == plain);
}

#[test]
fn what_is_packed_and_no_core_file_is_not_unpacked_to_its_end() {
    struct Endless {
        given: u64,
    }
    impl std::io::Read for Endless {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            into.fill(b'x');
            self.given += into.len() as u64;
            assert!(self.given < 64 << 20, "it is read without end");
            Ok(into.len())
        }
    }
    let endless = io::BufReader::new(Endless { given: 0 });
    let refused = unpack::unpack(endless, 0, &mut |_, _| {});
    assert!(matches!(refused, Err(CoreError::NotElf)));
    assert!(matches!(
        unpacked(b"\xfd7zXZ\0abc"),
        Err(CoreError::OtherPacking("xz"))
    ));
}

/// Opens it, and reads here and there what it says to have.
fn survive(bytes: &[u8]) {
    let Ok(core) = open(bytes) else {
        return;
    };
    let core = std::sync::Arc::new(core);
    let mut memory = CoreMemory::new(std::sync::Arc::clone(&core));
    for mapping in core.maps().iter().take(20) {
        for at in [mapping.start.0, mapping.end.0.saturating_sub(8)] {
            let _ = memory.read_vec(Addr(at), 64);
        }
    }
    let _ = (core.executable(), core.command(), core.signal());
}

proptest! {
    #[test]
    fn any_damage_is_survived(
        changes in prop::collection::vec((0_usize..3000, any::<u8>()), 1..20),
        len in 0_usize..12_000,
    ) {
        let mut bytes = with_library(&library()[..PAGE as usize]);
        for (at, with) in changes {
            if let Some(byte) = bytes.get_mut(at) {
                *byte = with;
            }
        }
        survive(&bytes);
        bytes.truncate(len);
        survive(&bytes);
    }

    #[test]
    fn any_words_in_the_headers_are_survived(
        words in prop::collection::vec((0_usize..64, any::<u64>()), 1..6),
    ) {
        let mut bytes = with_library(&library()[..PAGE as usize]);
        for (index, word) in words {
            // All but the first 32 bytes, without which nothing is read.
            bytes[32 + index * 8..40 + index * 8].copy_from_slice(&word.to_le_bytes());
        }
        survive(&bytes);
    }

    #[test]
    fn any_packed_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        for mark in [&b"\x28\xb5\x2f\xfd"[..], b"\x04\x22\x4d\x18", b"\x1f\x8b"] {
            let _ = unpacked(&[mark, &bytes].concat());
        }
    }

    #[test]
    fn a_damaged_packed_file_is_survived(at in any::<prop::sample::Index>(), with in any::<u8>()) {
        let plain = Maker::process(X86_64).bytes();
        for pack in [gzip, lz4, zstd] {
            let mut packed = pack(&plain);
            let at = at.index(packed.len());
            packed[at] = with;
            let _ = unpacked(&packed);
        }
    }
}
