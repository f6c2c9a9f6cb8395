//! A target's memory through `/proc/PID/mem`: plain enough to trust in tests of other parts.

use std::fs::File;
use std::os::unix::fs::FileExt;

use spyhole::memory::{Fault, Memory};
use spyhole::model::{Addr, Pid};

pub struct ProcMemory {
    file: File,
    pub reads: u64,
}

impl ProcMemory {
    pub fn open(pid: Pid) -> std::io::Result<ProcMemory> {
        Ok(ProcMemory {
            file: File::open(format!("/proc/{pid}/mem"))?,
            reads: 0,
        })
    }
}

impl Memory for ProcMemory {
    fn read(&mut self, at: Addr, into: &mut [u8]) -> Result<(), Fault> {
        self.reads += 1;
        self.file.read_exact_at(into, at.0).map_err(|_| Fault {
            at,
            len: into.len(),
        })
    }
}
