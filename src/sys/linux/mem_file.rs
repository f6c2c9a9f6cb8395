//! `/proc/PID/mem`: another process's memory as a file.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use crate::model::{Addr, Pid, Tid};

/// The memory of a process as it was when this was opened: after an exec there is nothing in it.
#[derive(Debug)]
pub struct MemFile(File);

impl MemFile {
    /// Through a thread that lives: that of one that has ended is empty.
    ///
    /// # Errors
    /// When the thread has ended, or may not be traced by us.
    pub fn open(pid: Pid, tid: Tid) -> io::Result<MemFile> {
        File::open(format!("/proc/{pid}/task/{tid}/mem")).map(MemFile)
    }

    /// Reads the ranges (address, length in bytes) one after the other into `into`, with a call for each,
    /// and returns how many bytes came before the first byte that could not be read.
    pub fn read_ranges(&self, ranges: &[(Addr, usize)], into: &mut [u8]) -> usize {
        let mut done = 0_usize;
        for &(at, len) in ranges {
            let end = into.len().min(done.saturating_add(len));
            let part = into.get_mut(done..end).unwrap_or_default();
            let read = self.read_up_to(at, part);
            done += read;
            if read < len {
                break;
            }
        }
        done
    }

    /// One call gives less than was asked for where a page cannot be read, or for no reason at all.
    fn read_up_to(&self, at: Addr, into: &mut [u8]) -> usize {
        let mut done = 0_usize;
        while let Some(rest) = into.get_mut(done..).filter(|rest| !rest.is_empty()) {
            match self.0.read_at(rest, at.0.wrapping_add(done as u64)) {
                Ok(0) => break,
                Ok(more) => done += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        done
    }
}
