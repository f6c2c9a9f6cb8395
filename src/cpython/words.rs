//! Little-endian words within bytes that were read from a target.

/// The eight bytes at an offset; 0 where there are none.
pub(super) fn word(bytes: &[u8], at: u32) -> u64 {
    array(bytes, at).map_or(0, u64::from_le_bytes)
}

/// The four bytes at an offset; 0 where there are none.
pub(super) fn half_word(bytes: &[u8], at: u32) -> u32 {
    array(bytes, at).map_or(0, u32::from_le_bytes)
}

fn array<const N: usize>(bytes: &[u8], at: u32) -> Option<[u8; N]> {
    bytes.get(at as usize..)?.first_chunk().copied()
}
