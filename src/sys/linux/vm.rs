//! `process_vm_readv`: many ranges of another process in one call.

use std::io::{self, IoSliceMut};

use nix::sys::uio::{RemoteIoVec, process_vm_readv};

use crate::model::{Addr, Tid};

/// The most ranges that the kernel takes in one call (`IOV_MAX`).
pub const MAX_RANGES: usize = 1024;

/// Reads the ranges (address, length in bytes) of the memory of a thread's process one after the other
/// into `into`, and returns how many bytes came before the first that could not be read. At most
/// [`MAX_RANGES`] ranges are read.
///
/// # Errors
/// ESRCH when the thread has ended, EPERM when we may not read it, EFAULT when the first range is
/// not mapped.
pub fn read_ranges(tid: Tid, ranges: &[(Addr, usize)], into: &mut [u8]) -> io::Result<usize> {
    // The array is sized to the call, since clearing the longest one costs more than a short read.
    match ranges.len() {
        0..=4 => read_up_to::<4>(tid, ranges, into),
        5..=128 => read_up_to::<128>(tid, ranges, into),
        _ => read_up_to::<MAX_RANGES>(tid, ranges, into),
    }
}

/// Whether the call itself is refused, by a filter of system calls (older containers have one that does)
/// or since the kernel has none, or the process may not be read.
#[must_use]
pub fn is_refused(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::PermissionDenied | io::ErrorKind::Unsupported
    )
}

fn read_up_to<const N: usize>(
    tid: Tid,
    ranges: &[(Addr, usize)],
    into: &mut [u8],
) -> io::Result<usize> {
    let mut remote = [RemoteIoVec { base: 0, len: 0 }; N];
    for (slot, (at, len)) in remote.iter_mut().zip(ranges) {
        *slot = RemoteIoVec {
            base: usize::try_from(at.0).unwrap_or(0),
            len: *len,
        };
    }
    let remote = remote.get(..ranges.len()).unwrap_or(&remote);
    let tid = nix::unistd::Pid::from_raw(tid.0);
    Ok(process_vm_readv(tid, &mut [IoSliceMut::new(into)], remote)?)
}
