//! The memory of a running process.

use std::io;

use super::{Fault, Memory, Source};
use crate::model::little_endian::u64_at;
use crate::model::{Addr, Pid, Tid};
use crate::sys::linux::mem_file::MemFile;
use crate::sys::linux::tasks::{has_ended, living_thread};
use crate::sys::linux::vm;

/// Reads a running process with `process_vm_readv`, and counts the calls and the bytes.
#[derive(Debug)]
pub struct LiveMemory {
    pid: Pid,
    /// The thread through which the process is read: the main thread for as long as that lives.
    through: Tid,
    way: Way,
    reads: u64,
    bytes_read: u64,
}

#[derive(Debug)]
enum Way {
    /// Nothing was read yet.
    Untried,
    Call,
    File(MemFile),
}

impl LiveMemory {
    #[must_use]
    pub fn new(pid: Pid) -> LiveMemory {
        LiveMemory {
            pid,
            through: Tid(pid.0),
            way: Way::Untried,
            reads: 0,
            bytes_read: 0,
        }
    }

    /// How many system calls were made, and how many bytes they read.
    #[must_use]
    pub fn effort(&self) -> (u64, u64) {
        (self.reads, self.bytes_read)
    }

    /// Whether `process_vm_readv` is refused, and a file serves in its place.
    #[must_use]
    pub fn is_through_file(&self) -> bool {
        matches!(self.way, Way::File(_))
    }
}

impl Memory for LiveMemory {
    fn read(&mut self, at: Addr, into: &mut [u8]) -> Result<(), Fault> {
        if self.read_ranges(&[(at, into.len())], into) == into.len() {
            Ok(())
        } else {
            Err(Fault {
                at,
                len: into.len(),
            })
        }
    }

    /// As many in one call as it takes.
    fn read_words(&mut self, places: &[Addr], words: &mut Vec<u64>) {
        words.clear();
        let mut bytes = Vec::new();
        let mut ranges: Vec<(Addr, usize)> = Vec::new();
        while let Some(rest) = places.get(words.len()..).filter(|rest| !rest.is_empty()) {
            let mut asked = 0;
            ranges.clear();
            for at in rest {
                let is_full = ranges.len() == vm::MAX_RANGES;
                match ranges.last_mut() {
                    Some((first, len)) if first.plus(*len as u64) == *at => *len += 8,
                    _ if is_full => break,
                    _ => ranges.push((*at, 8)),
                }
                asked += 1;
            }
            bytes.resize(asked * 8, 0);
            let read = self.read_ranges(&ranges, &mut bytes) / 8;
            words.extend((0..read).map(|index| u64_at(&bytes, index * 8).unwrap_or(0)));
            // The one at which the kernel stopped cannot be read.
            if read < asked {
                words.push(0);
            }
        }
    }
}

impl Source for LiveMemory {
    fn read_ranges(&mut self, ranges: &[(Addr, usize)], into: &mut [u8]) -> usize {
        self.reads += 1;
        let read = match &self.way {
            Way::File(file) => file.read_ranges(ranges, into),
            Way::Untried | Way::Call => {
                let read = self.call(ranges, into);
                self.find_way(&read);
                match (read, &self.way) {
                    (Err(_), Way::File(file)) => file.read_ranges(ranges, into),
                    (read, _) => read.unwrap_or(0),
                }
            }
        };
        self.bytes_read += read as u64;
        read
    }
}

impl LiveMemory {
    fn call(&mut self, ranges: &[(Addr, usize)], into: &mut [u8]) -> io::Result<usize> {
        let mut read = vm::read_ranges(self.through, ranges, into);
        if read.as_ref().is_err_and(has_ended) && self.find_living_thread() {
            self.reads += 1;
            read = vm::read_ranges(self.through, ranges, into);
        }
        read
    }

    /// Settles, by the outcome of the first call, how all that follows is read.
    fn find_way(&mut self, first: &io::Result<usize>) {
        if !matches!(self.way, Way::Untried) {
            return;
        }
        self.way = Way::Call;
        if first.as_ref().is_err_and(vm::is_refused) {
            let through = living_thread(self.pid).unwrap_or(self.through);
            if let Ok(file) = MemFile::open(self.pid, through) {
                self.way = Way::File(file);
            }
        }
    }

    /// Finds a living thread to read through, after the one so far has ended. `false` if there is none.
    fn find_living_thread(&mut self) -> bool {
        let ended = self.through;
        match living_thread(self.pid) {
            Some(living) => self.through = living,
            None => return false,
        }
        self.through != ended
    }
}
