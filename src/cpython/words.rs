//! Fields within bytes that were read from a target, by the offsets that layouts have.

use crate::model::little_endian::{u32_at, u64_at};

/// The eight bytes at an offset; 0 where there are none.
pub(super) fn word(bytes: &[u8], at: u32) -> u64 {
    u64_at(bytes, at as usize).unwrap_or(0)
}

/// The four bytes at an offset; 0 where there are none.
pub(super) fn half_word(bytes: &[u8], at: u32) -> u32 {
    u32_at(bytes, at as usize).unwrap_or(0)
}
