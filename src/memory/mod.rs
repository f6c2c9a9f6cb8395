//! Reading another address space, wherever its bytes come from: a live process, the snapshot of a
//! tick, a recording. Knows nothing of Python.

mod live;
mod paged;
#[cfg(any(test, feature = "internals"))]
pub mod recorded;
mod snapshot;

pub use live::LiveMemory;
pub use paged::Paged;
pub use snapshot::Snapshot;

use crate::model::Addr;
use crate::model::little_endian::{u32_at, u64_at};

/// Something from which bytes of a target can be read.
pub trait Memory {
    /// Fills `into` with the bytes at `at`, all of them or none.
    ///
    /// # Errors
    /// [`Fault`] when any of them cannot be read.
    fn read(&mut self, at: Addr, into: &mut [u8]) -> Result<(), Fault>;

    fn read_array<const N: usize>(&mut self, at: Addr) -> Result<[u8; N], Fault>
    where
        Self: Sized,
    {
        let mut bytes = [0; N];
        self.read(at, &mut bytes)?;
        Ok(bytes)
    }

    #[cfg(any(test, feature = "internals"))]
    fn read_u8(&mut self, at: Addr) -> Result<u8, Fault>
    where
        Self: Sized,
    {
        Ok(self.read_array::<1>(at)?[0])
    }

    fn read_u32(&mut self, at: Addr) -> Result<u32, Fault>
    where
        Self: Sized,
    {
        u32_at(&self.read_array::<4>(at)?, 0).ok_or(Fault { at, len: 4 })
    }

    fn read_u64(&mut self, at: Addr) -> Result<u64, Fault>
    where
        Self: Sized,
    {
        u64_at(&self.read_array::<8>(at)?, 0).ok_or(Fault { at, len: 8 })
    }

    fn read_addr(&mut self, at: Addr) -> Result<Addr, Fault>
    where
        Self: Sized,
    {
        self.read_u64(at).map(Addr)
    }

    /// Whether these bytes are at `at`.
    ///
    /// # Errors
    /// [`Fault`] when any of them cannot be read.
    fn holds(&mut self, at: Addr, bytes: &[u8]) -> Result<bool, Fault>
    where
        Self: Sized,
    {
        // Each look asks this of many places that are short: for those nothing is allocated.
        let mut short = [0; 256];
        match short.get_mut(..bytes.len()) {
            Some(found) => {
                self.read(at, found)?;
                Ok(found == bytes)
            }
            None => Ok(self.read_vec(at, bytes.len())? == bytes),
        }
    }

    /// Reads many words of 8 bytes into `words`, in order; 0 for one that cannot be read.
    fn read_words(&mut self, places: &[Addr], words: &mut Vec<u64>)
    where
        Self: Sized,
    {
        words.clear();
        for at in places {
            words.push(self.read_u64(*at).unwrap_or(0));
        }
    }

    /// Reads `len` bytes. The caller has to make sure that `len` is not too large.
    fn read_vec(&mut self, at: Addr, len: usize) -> Result<Vec<u8>, Fault>
    where
        Self: Sized,
    {
        let mut bytes = vec![0; len];
        self.read(at, &mut bytes)?;
        Ok(bytes)
    }
}

/// A memory from which many ranges can be read at the price of one call.
pub trait Source: Memory {
    /// Reads the ranges (address, length) one after the other into `into`, at most
    /// [`MAX_RANGES`](crate::sys::linux::vm::MAX_RANGES) of them, and returns how many bytes came
    /// before the first that could not be read.
    fn read_ranges(&mut self, ranges: &[(Addr, usize)], into: &mut [u8]) -> usize;
}

/// A memory that is read as it is at one moment, then as it is at the next, and so on. A memory that
/// never changes (a recording, a core file) has only one moment.
pub trait Moments: Memory {
    /// The memory as it is right now, whatever the current moment.
    type Now: Memory;

    /// For reads that must give the bytes of right now, or that no later moment will repeat.
    fn now(&mut self) -> &mut Self::Now;

    /// Begins the next moment: later reads give what the memory holds from now on.
    fn refresh(&mut self);

    /// Whether what is read from now on is taken to be read again in the next moments; it is, unless this says
    /// otherwise.
    fn predict_reads(&mut self, _predict: bool) {}

    /// Announces which ranges (address, length) are about to be read, so that they can be fetched
    /// together.
    fn prefetch(&mut self, ranges: impl Iterator<Item = (Addr, usize)>);
}

/// Bytes that could not be read.
#[derive(thiserror::Error, Clone, Copy, PartialEq, Eq, Debug)]
#[error("{len} bytes at {at} cannot be read")]
pub struct Fault {
    pub at: Addr,
    pub len: usize,
}
