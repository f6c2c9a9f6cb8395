//! The memory mappings of a process, as `/proc/PID/maps` tells them.

use crate::model::{Addr, TargetStr};
use crate::sys::linux::files::FileId;

/// One line of `/proc/PID/maps`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mapping {
    pub start: Addr,
    /// The first address after it.
    pub end: Addr,
    pub permissions: Permissions,
    /// The offset in the file at which it begins.
    pub offset: u64,
    pub dev_major: u32,
    pub dev_minor: u32,
    /// 0 for memory that belongs to no file.
    pub inode: u64,
    /// The bytes of the path, from the root directory of the process that reads `/proc/PID/maps`; or
    /// `[heap]` and the like, or nothing. The path of a file that is gone ends in ` (deleted)`.
    pub path: Vec<u8>,
}

/// What the process itself may do with a mapping.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Permissions {
    pub read: bool,
    pub write: bool,
    pub execute: bool,
}

const DELETED: &[u8] = b" (deleted)";

impl Mapping {
    /// Bytes from start to end.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.end.0.saturating_sub(self.start.0)
    }

    #[cfg(any(test, feature = "internals"))]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    #[must_use]
    pub fn contains(&self, at: Addr) -> bool {
        (self.start..self.end).contains(&at)
    }

    #[must_use]
    pub fn is_file(&self) -> bool {
        self.inode != 0
    }

    /// Whether both are mappings of one file.
    #[must_use]
    pub fn same_file(&self, other: &Mapping) -> bool {
        self.is_file()
            && (self.dev_major, self.dev_minor, self.inode)
                == (other.dev_major, other.dev_minor, other.inode)
    }

    /// The file's identity. Some filesystems (btrfs, overlayfs) give another device here than
    /// `stat` does.
    #[must_use]
    pub(crate) fn file_id(&self) -> FileId {
        FileId {
            dev: rustix::fs::makedev(self.dev_major, self.dev_minor),
            inode: self.inode,
        }
    }

    /// The path without the kernel's mark for a file that is gone.
    #[must_use]
    pub fn file_path(&self) -> &[u8] {
        self.path.strip_suffix(DELETED).unwrap_or(&self.path)
    }

    #[cfg(any(test, feature = "internals"))]
    #[must_use]
    pub fn is_deleted(&self) -> bool {
        self.path.ends_with(DELETED)
    }

    /// The last component of the path.
    #[must_use]
    pub fn file_name(&self) -> &[u8] {
        let path = self.file_path();
        path.rsplit(|byte| *byte == b'/').next().unwrap_or(path)
    }

    #[must_use]
    pub fn display_path(&self) -> TargetStr {
        TargetStr::from_bytes(self.file_path())
    }
}

/// Reads the text of `/proc/PID/maps`; a line that does not follow the format is passed over.
#[must_use]
pub fn parse_maps(text: &[u8]) -> Vec<Mapping> {
    text.split(|byte| *byte == b'\n')
        .filter_map(parse_line)
        .collect()
}

/// `00400000-00452000 r-xp 00000000 08:02 173521      /usr/bin/dbus-daemon`
fn parse_line(line: &[u8]) -> Option<Mapping> {
    let (start, rest) = hex(line)?;
    let (end, rest) = hex(rest.strip_prefix(b"-")?)?;
    let (flags, rest) = rest.strip_prefix(b" ")?.split_at_checked(4)?;
    let (offset, rest) = hex(rest.strip_prefix(b" ")?)?;
    let (dev_major, rest) = hex(rest.strip_prefix(b" ")?)?;
    let (dev_minor, rest) = hex(rest.strip_prefix(b":")?)?;
    let (inode, rest) = decimal(rest.strip_prefix(b" ")?)?;
    if start >= end {
        return None;
    }
    Some(Mapping {
        start: Addr(start),
        end: Addr(end),
        permissions: Permissions {
            read: flags.first() == Some(&b'r'),
            write: flags.get(1) == Some(&b'w'),
            execute: flags.get(2) == Some(&b'x'),
        },
        offset,
        dev_major: u32::try_from(dev_major).ok()?,
        dev_minor: u32::try_from(dev_minor).ok()?,
        inode,
        path: unescape(rest.trim_ascii_start()),
    })
}

fn hex(text: &[u8]) -> Option<(u64, &[u8])> {
    number(text, 16)
}

fn decimal(text: &[u8]) -> Option<(u64, &[u8])> {
    number(text, 10)
}

fn number(text: &[u8], radix: u32) -> Option<(u64, &[u8])> {
    let end = text
        .iter()
        .position(|byte| !char::from(*byte).is_digit(radix))
        .unwrap_or(text.len());
    let (digits, rest) = text.split_at_checked(end)?;
    let number = u64::from_str_radix(std::str::from_utf8(digits).ok()?, radix).ok()?;
    Some((number, rest))
}

/// Undoes the kernel's escapes: it writes a newline in a path as `\012` and escapes nothing else
/// (`seq_path` with `"\n"` in `show_map_vma`, fs/proc/task_mmu.c).
fn unescape(path: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some((&byte, after)) = rest.split_first() {
        if let Some(after) = rest.strip_prefix(b"\\012") {
            plain.push(b'\n');
            rest = after;
        } else {
            plain.push(byte);
            rest = after;
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn one(line: &str) -> Mapping {
        let mut maps = parse_maps(line.as_bytes());
        assert_eq!(maps.len(), 1, "{line}");
        maps.remove(0)
    }

    #[test]
    fn a_line_is_read_whole() {
        let mapping =
            one("7f1c2a000000-7f1c2a021000 rw-p 00001000 fd:01 1234567    /opt/a b/lib.so");
        assert_eq!(mapping.start, Addr(0x7f1c_2a00_0000));
        assert_eq!(mapping.len(), 0x21000);
        assert!(mapping.permissions.read && mapping.permissions.write);
        assert!(!mapping.permissions.execute);
        assert_eq!(mapping.offset, 0x1000);
        assert_eq!((mapping.dev_major, mapping.dev_minor), (0xfd, 1));
        assert_eq!(mapping.inode, 1_234_567);
        assert_eq!(mapping.path, b"/opt/a b/lib.so");
        assert_eq!(mapping.file_name(), b"lib.so");
    }

    #[test]
    fn a_deleted_file_is_known_as_such() {
        let mapping = one("400000-401000 r-xp 00000000 08:01 7    /usr/bin/python3 (deleted)");
        assert!(mapping.is_deleted());
        assert_eq!(mapping.file_path(), b"/usr/bin/python3");
    }

    #[test]
    fn a_newline_in_a_path_is_restored() {
        let mapping = one("400000-401000 r-xp 00000000 08:01 7    /tmp/a\\012b");
        assert_eq!(mapping.path, b"/tmp/a\nb");
    }

    #[test]
    fn memory_without_a_name_has_an_empty_path() {
        let mapping = one("7ffd0000-7ffd1000 rw-p 00000000 00:00 0 ");
        assert!(mapping.path.is_empty());
        assert!(!mapping.is_file());
    }

    #[test]
    fn the_vsyscall_page_beyond_63_bits_is_read() {
        let mapping = one("ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0    [vsyscall]");
        assert_eq!(mapping.start, Addr(0xffff_ffff_ff60_0000));
    }

    #[test]
    fn malformed_lines_are_passed_over() {
        assert!(parse_maps(b"\n-\n400000-\n400000-300000 r-xp 0 0:0 0\nx").is_empty());
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
            let lines = bytes.iter().filter(|byte| **byte == b'\n').count() + 1;
            prop_assert!(parse_maps(&bytes).len() <= lines);
        }

        #[test]
        fn a_damaged_line_is_survived(at in 0usize..70, with in any::<u8>()) {
            let mut line = b"7f1c2a000000-7f1c2a021000 rw-p 00001000 fd:01 1234567    /lib.so".to_vec();
            if let Some(byte) = line.get_mut(at) {
                *byte = with;
            }
            for mapping in parse_maps(&line) {
                prop_assert!(mapping.start < mapping.end);
            }
        }
    }
}
