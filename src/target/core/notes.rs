//! The notes of a core file: what the kernel, or a debugger, wrote down of the process and its threads.
//!
//! The structures are those of include/uapi/linux/elfcore.h and include/linux/elfcore.h for 64-bit
//! machines. They are read one by one, and only those that are known.

use std::fs::File;
use std::os::unix::fs::FileExt;

use super::headers::Headers;
use super::{CoreSignal, CoreThread, Machine, SignalCause};
use crate::model::little_endian::{u16_at, u32_at, u64_at};
use crate::model::{Addr, Pid, Tid};

const NT_PRSTATUS: u32 = 1;
const NT_PRPSINFO: u32 = 3;
const NT_AUXV: u32 = 6;
const NT_FILE: u32 = 0x4649_4c45;
const NT_SIGINFO: u32 = 0x5349_4749;
const NT_ARM_SYSTEM_CALL: u32 = 0x404;

/// The offset of the registers in `struct elf_prstatus`.
const REGISTERS: usize = 112;

/// A thread has a dozen notes at most.
const MAX_NOTES: usize = 16 * MAX_THREADS;
/// More threads than Linux allows a process by default.
const MAX_THREADS: usize = 65_536;
/// The most that is read of one note. The kernel writes up to 16 MiB of names of files, as far as its
/// setting `core_file_note_size_limit` goes.
const MAX_NOTE: u64 = 32 << 20;
/// As many mappings of files are known.
const MAX_FILES: usize = 1 << 20;
const MAX_AUXILIARY: usize = 64;

/// What the notes tell.
#[derive(Debug, Default)]
pub(super) struct Notes {
    pub pid: Option<Pid>,
    /// The command line, of which the kernel keeps 80 bytes here.
    pub command: Vec<u8>,
    /// The one that got the signal comes first.
    pub threads: Vec<CoreThread>,
    pub signal: Option<CoreSignal>,
    pub files: Vec<FileRange>,
    /// Where the program begins (`AT_ENTRY`).
    pub entry: Option<Addr>,
    /// Where the kernel's own library is (`AT_SYSINFO_EHDR`).
    pub vdso: Option<Addr>,
    /// An address within the stack with which the program began (`AT_RANDOM`).
    pub stack: Option<Addr>,
    /// The vector that has these, as it is at the end of that stack.
    pub auxiliary: Vec<u8>,
    /// Whether some note could not be read, as at the end of a file that was cut.
    pub is_cut: bool,
    signal_number: i32,
}

/// Memory to which a file is mapped.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct FileRange {
    pub start: u64,
    /// The first address after it.
    pub end: u64,
    /// The offset in the file, in bytes.
    pub offset: u64,
    pub path: Vec<u8>,
}

impl Notes {
    pub fn read(file: &File, headers: &Headers) -> Notes {
        let mut notes = Notes::default();
        let mut left = MAX_NOTES;
        for &(at, size) in &headers.notes {
            notes.read_segment(file, headers.machine, at, size, &mut left);
        }
        notes
    }

    /// Reads notes (`Elf64_Nhdr`: sizes of name and description, type, then both, each padded to 4
    /// bytes).
    fn read_segment(
        &mut self,
        file: &File,
        machine: Machine,
        mut at: u64,
        size: u64,
        left: &mut usize,
    ) {
        let end = at.saturating_add(size);
        while at.saturating_add(12) <= end && *left > 0 {
            *left -= 1;
            let mut header = [0; 12];
            if file.read_exact_at(&mut header, at).is_err() {
                self.is_cut = true;
                return;
            }
            let field = |at| u64::from(u32_at(&header, at).unwrap_or(0));
            let (name_size, size) = (field(0), field(4));
            let description = at + 12 + name_size.next_multiple_of(4);
            let kind = u32_at(&header, 8).unwrap_or(0);
            if is_known(kind) && size <= MAX_NOTE && description.saturating_add(size) <= end {
                match read_description(file, description, size) {
                    Some(bytes) => self.take(kind, machine, &bytes),
                    None => self.is_cut = true,
                }
            }
            at = description + size.next_multiple_of(4);
        }
    }

    fn take(&mut self, kind: u32, machine: Machine, bytes: &[u8]) {
        match kind {
            NT_PRSTATUS => self.take_thread(machine, bytes),
            NT_PRPSINFO => self.take_process(bytes),
            NT_SIGINFO => self.take_signal(bytes),
            NT_AUXV => self.take_auxiliary(bytes),
            NT_FILE => self.files = file_ranges(bytes).unwrap_or_default(),
            // It belongs to the thread whose NT_PRSTATUS came last.
            NT_ARM_SYSTEM_CALL if machine == Machine::Aarch64 => {
                if let (Some(thread), Some(number)) = (self.threads.last_mut(), u32_at(bytes, 0)) {
                    thread.note_system_call(machine, number.cast_signed().into(), None);
                }
            }
            _ => {}
        }
    }

    /// `struct elf_prstatus`: the signal at 12, the thread's id at 32.
    fn take_thread(&mut self, machine: Machine, bytes: &[u8]) {
        let Some(tid) = u32_at(bytes, 32).filter(|_| self.threads.len() < MAX_THREADS) else {
            return;
        };
        let tid = Tid(tid.cast_signed());
        if self.threads.is_empty() {
            self.signal_number = u16_at(bytes, 12).unwrap_or(0).into();
            self.signal = (self.signal_number != 0).then_some(CoreSignal {
                number: self.signal_number,
                thread: tid,
                cause: SignalCause::Unknown,
            });
        }
        let register = |index: usize| u64_at(bytes, REGISTERS + index * 8);
        let mut thread = CoreThread {
            tid,
            thread_pointer: None,
            result: None,
            waits_in: None,
        };
        match machine {
            // struct user_regs_struct (arch/x86/include/asm/user_64.h).
            Machine::X86_64 => {
                thread.thread_pointer = register(21).map(Addr);
                thread.result = register(10).map(u64::cast_signed);
                if let Some(number) = register(15) {
                    thread.note_system_call(machine, number.cast_signed(), register(14));
                }
            }
            // struct user_pt_regs (arch/arm64/include/uapi/asm/ptrace.h). The call has a note of its own.
            Machine::Aarch64 => thread.result = register(0).map(u64::cast_signed),
        }
        self.threads.push(thread);
    }

    /// `struct elf_prpsinfo`: the process id at 24, its command line at 56.
    fn take_process(&mut self, bytes: &[u8]) {
        self.pid = u32_at(bytes, 24).map(|pid| Pid(pid.cast_signed()));
        let command = bytes.get(56..).unwrap_or_default();
        let command = command.split(|byte| *byte == 0).next().unwrap_or_default();
        self.command = command.trim_ascii().to_vec();
    }

    /// `siginfo_t`: number, errno, code, and from 16 on what the code says. A debugger writes one for each
    /// thread; that of the thread with the signal comes first.
    fn take_signal(&mut self, bytes: &[u8]) {
        const SI_KERNEL: i32 = 0x80;
        let field = |at| u32_at(bytes, at).unwrap_or(0).cast_signed();
        let (number, code) = (field(0), field(8));
        let Some(signal) = &mut self.signal else {
            return;
        };
        if number != signal.number || signal.cause != SignalCause::Unknown {
            return;
        }
        signal.cause = match code {
            // A fault whose address the machine does not tell.
            SI_KERNEL => SignalCause::Unknown,
            1.. if is_fault(number) => SignalCause::Fault(Addr(u64_at(bytes, 16).unwrap_or(0))),
            1.. => SignalCause::Unknown,
            ..=0 => SignalCause::SentBy(Pid(field(16))),
        };
    }

    /// Pairs of a tag and a value (include/uapi/linux/auxvec.h).
    fn take_auxiliary(&mut self, bytes: &[u8]) {
        for pair in bytes.chunks_exact(16).take(MAX_AUXILIARY) {
            let value = u64_at(pair, 8).map(Addr);
            match u64_at(pair, 0) {
                Some(9) => self.entry = value,
                Some(25) => self.stack = value,
                Some(33) => self.vdso = value,
                _ => {}
            }
        }
        let len = bytes.len().min(16 * MAX_AUXILIARY);
        self.auxiliary = bytes.get(..len).unwrap_or_default().to_vec();
    }
}

fn is_known(kind: u32) -> bool {
    [
        NT_PRSTATUS,
        NT_PRPSINFO,
        NT_AUXV,
        NT_FILE,
        NT_SIGINFO,
        NT_ARM_SYSTEM_CALL,
    ]
    .contains(&kind)
}

/// SIGILL, SIGTRAP, SIGBUS, SIGFPE, SIGSEGV: their `siginfo_t` has an address.
fn is_fault(signal: i32) -> bool {
    [4, 5, 7, 8, 11].contains(&signal)
}

fn read_description(file: &File, at: u64, size: u64) -> Option<Vec<u8>> {
    // The file decides how much there is to read, not the note.
    if at.checked_add(size)? > super::headers::length(file) {
        return None;
    }
    let mut bytes = vec![0; usize::try_from(size).ok()?];
    file.read_exact_at(&mut bytes, at).ok()?;
    Some(bytes)
}

/// A count, the size of a page, then for each range start, end and offset in pages, and then all paths
/// (`fill_files_note` in fs/binfmt_elf.c).
fn file_ranges(bytes: &[u8]) -> Option<Vec<FileRange>> {
    let count = usize::try_from(u64_at(bytes, 0)?).ok()?;
    let page = u64_at(bytes, 8)?;
    let table = bytes.get(16..)?;
    let (table, names) = table.split_at_checked(count.checked_mul(24)?)?;
    let mut ranges: Vec<FileRange> = table
        .chunks_exact(24)
        .zip(names.split(|byte| *byte == 0))
        .take(MAX_FILES)
        .filter_map(|(entry, path)| {
            let range = FileRange {
                start: u64_at(entry, 0)?,
                end: u64_at(entry, 8)?,
                offset: u64_at(entry, 16)?.checked_mul(page)?,
                path: path.to_vec(),
            };
            (range.start < range.end && !path.is_empty()).then_some(range)
        })
        .collect();
    ranges.sort_by_key(|range| range.start);
    let mut end = 0;
    ranges.retain(|range| {
        let is_apart = range.start >= end;
        if is_apart {
            end = range.end;
        }
        is_apart
    });
    Some(ranges)
}
