//! Reading numbers from bytes in little-endian order (the least significant byte first), which is that
//! of the machines that we read and of our own files.

/// The two bytes at an offset; `None` where the bytes end before.
#[must_use]
pub fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    array_at(bytes, at).map(u16::from_le_bytes)
}

/// The four bytes at an offset; `None` where the bytes end before.
#[must_use]
pub fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    array_at(bytes, at).map(u32::from_le_bytes)
}

/// The eight bytes at an offset; `None` where the bytes end before.
#[must_use]
pub fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    array_at(bytes, at).map(u64::from_le_bytes)
}

fn array_at<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_significant_byte_comes_first() {
        let bytes = [0xff, 1, 2, 3, 4, 5, 6, 7, 8];
        assert_eq!(u16_at(&bytes, 1), Some(0x0201));
        assert_eq!(u32_at(&bytes, 1), Some(0x0403_0201));
        assert_eq!(u64_at(&bytes, 1), Some(0x0807_0605_0403_0201));
    }

    #[test]
    fn nothing_is_read_past_the_end() {
        let bytes = [0; 8];
        assert_eq!(u16_at(&bytes, 7), None);
        assert_eq!(u32_at(&bytes, 5), None);
        assert_eq!(u64_at(&bytes, 1), None);
        assert_eq!(u64_at(&bytes, usize::MAX), None);
    }
}
