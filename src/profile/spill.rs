//! Runs in an unnamed file, as records of fixed size. The file vanishes when it is closed, so nothing is
//! left behind even if we are killed.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;

use super::Run;
use crate::model::little_endian::{u32_at, u64_at};
use crate::model::{LabelSetId, Nanos, StackId, ThreadId};

/// Thread, stack and labels (4 bytes each), start, length and samples (8 each), little-endian.
const RECORD: usize = 36;

/// Consecutive records, counted in records from the start of the file.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Extent {
    pub first: u64,
    pub count: u64,
}

/// A file of records to which records are only appended.
#[derive(Debug)]
pub(super) struct Spill {
    file: Arc<File>,
    records: u64,
}

impl Spill {
    /// # Errors
    /// When there is no writable folder for temporary files.
    pub fn open() -> io::Result<Spill> {
        // In a container, the last folder may be the only writable one. It takes memory, but that is
        // better than failing.
        let folders = [
            std::env::temp_dir(),
            PathBuf::from("/var/tmp"),
            PathBuf::from("/dev/shm"),
        ];
        let mut first_error = None;
        for folder in folders {
            match tempfile::tempfile_in(folder) {
                Ok(file) => return Ok(Spill::in_file(file)),
                Err(error) => first_error = first_error.or(Some(error)),
            }
        }
        Err(first_error.unwrap_or_else(|| io::ErrorKind::NotFound.into()))
    }

    pub fn in_file(file: File) -> Spill {
        Spill {
            file: Arc::new(file),
            records: 0,
        }
    }

    /// A handle to the same file, to read while it grows.
    pub fn for_reading(&self) -> Spill {
        Spill {
            file: Arc::clone(&self.file),
            records: self.records,
        }
    }

    /// The number of runs that it holds.
    pub fn len(&self) -> u64 {
        self.records
    }

    /// Appends the runs and returns their extent. On an error the file is as before.
    pub fn append(&mut self, runs: &[Run]) -> io::Result<Extent> {
        let mut bytes = Vec::with_capacity(runs.len() * RECORD);
        for run in runs {
            bytes.extend_from_slice(&encode(run));
        }
        self.file
            .write_all_at(&bytes, self.records * RECORD as u64)?;
        let extent = Extent {
            first: self.records,
            count: runs.len() as u64,
        };
        self.records += extent.count;
        Ok(extent)
    }

    /// Reads up to `limit` runs from the start of the extent, and removes them from the extent.
    pub fn read(&self, extent: &mut Extent, limit: usize) -> io::Result<Vec<Run>> {
        let count = usize::try_from(extent.count).unwrap_or(limit).min(limit);
        let mut bytes = vec![0; count * RECORD];
        self.file
            .read_exact_at(&mut bytes, extent.first * RECORD as u64)?;
        extent.first += count as u64;
        extent.count -= count as u64;
        let (records, _) = bytes.as_chunks::<RECORD>();
        Ok(records.iter().map(decode).collect())
    }
}

// A handle is written as its position, which is 32 bits wide by construction.
fn position(index: usize) -> [u8; 4] {
    u32::try_from(index).unwrap_or(u32::MAX).to_le_bytes()
}

fn encode(run: &Run) -> [u8; RECORD] {
    let mut record = [0; RECORD];
    record[0..4].copy_from_slice(&position(run.thread.index()));
    record[4..8].copy_from_slice(&position(run.stack.index()));
    record[8..12].copy_from_slice(&position(run.labels.index()));
    record[12..20].copy_from_slice(&run.start.0.to_le_bytes());
    record[20..28].copy_from_slice(&run.length.0.to_le_bytes());
    record[28..36].copy_from_slice(&run.samples.to_le_bytes());
    record
}

fn decode(record: &[u8; RECORD]) -> Run {
    let short = |at| u32_at(record, at).unwrap_or(0);
    let long = |at| u64_at(record, at).unwrap_or(0);
    Run {
        thread: ThreadId::from_index(short(0)),
        stack: StackId::from_index(short(4)),
        labels: LabelSetId::from_index(short(8)),
        start: Nanos(long(12)),
        length: Nanos(long(20)),
        samples: long(28),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_record_is_read_as_it_was_written(
            (thread, stack, labels) in any::<(u32, u32, u32)>(),
            (start, length, samples) in any::<(u64, u64, u64)>(),
        ) {
            let run = Run {
                thread: ThreadId::from_index(thread),
                stack: StackId::from_index(stack),
                labels: LabelSetId::from_index(labels),
                start: Nanos(start),
                length: Nanos(length),
                samples,
            };
            prop_assert_eq!(decode(&encode(&run)), run);
        }
    }
}
