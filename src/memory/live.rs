//! The memory of a running process.

use super::{Fault, Memory, Source};
use crate::model::{Addr, Pid, Tid};
use crate::sys::linux::tasks::{has_ended, living_thread};
use crate::sys::linux::vm;

/// Reads a running process with `process_vm_readv`, and counts what that took.
#[derive(Debug)]
pub struct LiveMemory {
    pid: Pid,
    /// The thread through which it is read: the main thread for as long as that lives.
    through: Tid,
    reads: u64,
    bytes_read: u64,
}

impl LiveMemory {
    #[must_use]
    pub fn new(pid: Pid) -> LiveMemory {
        LiveMemory {
            pid,
            through: Tid(pid.0),
            reads: 0,
            bytes_read: 0,
        }
    }

    /// System calls made, and bytes that they brought.
    #[must_use]
    pub fn effort(&self) -> (u64, u64) {
        (self.reads, self.bytes_read)
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
}

impl Source for LiveMemory {
    fn read_ranges(&mut self, ranges: &[(Addr, usize)], into: &mut [u8]) -> usize {
        self.reads += 1;
        let mut read = vm::read_ranges(self.through, ranges, into);
        if read.as_ref().is_err_and(has_ended) && self.find_living_thread() {
            self.reads += 1;
            read = vm::read_ranges(self.through, ranges, into);
        }
        let read = read.unwrap_or(0);
        self.bytes_read += read as u64;
        read
    }
}

impl LiveMemory {
    /// Whether another thread than the one that has ended lives, to go on with.
    fn find_living_thread(&mut self) -> bool {
        let ended = self.through;
        match living_thread(self.pid) {
            Some(living) => self.through = living,
            None => return false,
        }
        self.through != ended
    }
}
