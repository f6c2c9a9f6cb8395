//! Line tables: which line each instruction of a code object belongs to.
//!
//! All formats are rows of byte ranges that follow one another, each with its line. A table comes
//! from the target and may hold anything: reading it always ends, and what makes no sense is a
//! range without a line.

use super::layout::LineFormat;

/// The line of the instruction that begins `offset` bytes after the code's first, as
/// `PyCode_Addr2Line` has it; `None` where the table gives none.
#[must_use]
pub fn line_at(
    format: LineFormat,
    table: &[u8],
    first_line: impl Into<i64>,
    offset: u32,
) -> Option<u32> {
    ranges(format, table, first_line)
        .find(|range| u64::from(offset) < range.end)?
        .line
}

/// A range of instructions on one line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LineRange {
    /// In bytes from the code's first instruction.
    pub start: u64,
    /// The first byte after it.
    pub end: u64,
    pub line: Option<u32>,
}

/// The ranges of a table in their order; some are empty.
pub fn ranges(
    format: LineFormat,
    table: &[u8],
    first_line: impl Into<i64>,
) -> impl Iterator<Item = LineRange> {
    Ranges {
        format,
        table: table.iter(),
        at: 0,
        line: first_line.into(),
        ended: false,
    }
}

/// What an entry of a table says: how many bytes of code it covers, and on which line they are.
struct Entry {
    bytes: u64,
    line: Option<i64>,
}

struct Ranges<'a> {
    format: LineFormat,
    /// The entries to come.
    table: std::slice::Iter<'a, u8>,
    /// Where the next range starts.
    at: u64,
    /// The line that the next entry's delta counts from. The deltas of a table cannot leave an
    /// i64 behind: that would take more bytes than there are.
    line: i64,
    /// The last range, to the end of the code, was given (`co_lnotab` only).
    ended: bool,
}

impl Iterator for Ranges<'_> {
    type Item = LineRange;

    fn next(&mut self) -> Option<LineRange> {
        let entry = match self.format {
            LineFormat::LnotabUnsigned => self.next_of_lnotab(i64::from),
            LineFormat::LnotabSigned => self.next_of_lnotab(|delta| delta.cast_signed().into()),
            LineFormat::Ranges => self.next_of_ranges(),
            LineFormat::Locations => self.next_of_locations(),
        }?;
        let start = self.at;
        self.at = start.saturating_add(entry.bytes);
        Some(LineRange {
            start,
            end: self.at,
            line: entry.line.and_then(|line| u32::try_from(line).ok()),
        })
    }
}

impl Ranges<'_> {
    /// Pairs of a byte delta, and the line delta that counts from there on
    /// (`Objects/lnotab_notes.txt`, 2.7 and 3.6 to 3.9). What follows the last pair is on the last
    /// line.
    fn next_of_lnotab(&mut self, line_delta: impl Fn(u8) -> i64) -> Option<Entry> {
        if self.ended {
            return None;
        }
        let line = Some(self.line);
        let (Some(&bytes), Some(&delta)) = (self.table.next(), self.table.next()) else {
            self.ended = true;
            return Some(Entry {
                bytes: u64::MAX,
                line,
            });
        };
        self.line = self.line.saturating_add(line_delta(delta));
        Some(Entry {
            bytes: bytes.into(),
            line,
        })
    }

    /// Pairs of a byte delta, and the line delta that counts up to there: `advance` in
    /// `Objects/codeobject.c` of 3.10. A delta of -128 means no line for this range, which is as
    /// long as any other.
    fn next_of_ranges(&mut self) -> Option<Entry> {
        const NO_LINE: i8 = -128;
        let bytes = *self.table.next()?;
        let delta = self.table.next()?.cast_signed();
        let line = if delta == NO_LINE {
            None
        } else {
            self.line = self.line.saturating_add(delta.into());
            Some(self.line)
        };
        Some(Entry {
            bytes: bytes.into(),
            line,
        })
    }

    /// Locations (`Objects/locations.md` of 3.11, `InternalDocs/code_objects.md` of 3.14): a first
    /// byte with bit 7 set, a kind in bits 3 to 6 and a length in bits 0 to 2, then what the kind
    /// asks for, of which only the line delta matters here. Like `advance` in
    /// `Objects/codeobject.c`, this goes on to the next byte with bit 7 set, whatever the kind.
    fn next_of_locations(&mut self) -> Option<Entry> {
        const UNIT: u64 = 2;
        const NO_LINE: u8 = 15;
        let first = *self.table.next()?;
        let kind = (first >> 3) & 15;
        let delta = match kind {
            // Without columns, and long.
            13 | 14 => signed(varint(self.table.clone())),
            11 => 1,
            12 => 2,
            _ => 0,
        };
        let following = self.table.as_slice();
        let rest = following.iter().position(|byte| byte & 0x80 != 0);
        self.table = following
            .get(rest.unwrap_or(following.len())..)
            .unwrap_or_default()
            .iter();
        self.line = self.line.saturating_add(delta);
        Some(Entry {
            bytes: (u64::from(first & 7) + 1) * UNIT,
            line: (kind != NO_LINE).then_some(self.line),
        })
    }
}

/// Six bits a byte, the lowest first; bit 6 says that there are more. What exceeds 32 bits, as no
/// line number does, is left out.
fn varint<'a>(bytes: impl Iterator<Item = &'a u8>) -> u32 {
    const BITS: u32 = 6;
    const MORE: u8 = 1 << BITS;
    let mut value = 0;
    for (byte, shift) in bytes.zip((0..u32::BITS).step_by(BITS as usize)) {
        value |= u32::from(byte & (MORE - 1)) << shift;
        if byte & MORE == 0 {
            break;
        }
    }
    value
}

/// The sign is in the lowest bit.
fn signed(value: u32) -> i64 {
    let magnitude = i64::from(value >> 1);
    if value & 1 == 0 {
        magnitude
    } else {
        -magnitude
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::LineFormat::{LnotabSigned, LnotabUnsigned, Locations, Ranges};
    use super::*;

    fn lines(format: LineFormat, table: &[u8], offsets: &[u32]) -> Vec<Option<u32>> {
        offsets
            .iter()
            .map(|offset| line_at(format, table, 10, *offset))
            .collect()
    }

    #[test]
    fn lnotab_counts_from_the_first_line_and_ends_on_the_last() {
        let table = [0, 1, 6, 1, 44, 200];
        assert_eq!(
            lines(LnotabUnsigned, &table, &[0, 5, 6, 49, 50, 9999]),
            [11, 11, 12, 12, 212, 212].map(Some)
        );
        assert_eq!(
            lines(LnotabSigned, &[6, 5, 4, 0xfe], &[0, 6, 9, 10]),
            [10, 15, 15, 13].map(Some)
        );
        assert_eq!(lines(LnotabSigned, &[], &[0, 7]), [10, 10].map(Some));
    }

    #[test]
    fn ranges_without_a_line_are_as_long_as_others() {
        let table = [4, 1, 6, 0x80, 2, 1];
        assert_eq!(
            lines(Ranges, &table, &[0, 3, 4, 9, 10, 11, 12]),
            [Some(11), Some(11), None, None, Some(12), Some(12), None]
        );
    }

    #[test]
    fn locations_of_all_kinds_are_read() {
        let table = [
            0x80 | (11 << 3),
            1,
            2, // one unit, line + 1
            0x80 | (3 << 3) | 1,
            5, // two units, same line
            0x80 | (13 << 3),
            0x43,
            0x02,             // one unit, line + varint(3 + 2 * 64) = -65
            0x80 | (15 << 3), // one unit, no line
            0x80 | (14 << 3) | 7,
            8,
            0,
            1,
            1, // eight units, line + 4
        ];
        let first = 100;
        let line = |offset| line_at(Locations, &table, first, offset);
        assert_eq!(line(0), Some(101));
        assert_eq!(line(2), Some(101));
        assert_eq!(line(5), Some(101));
        assert_eq!(line(6), Some(36));
        assert_eq!(line(8), None);
        assert_eq!(line(10), Some(40));
        assert_eq!(line(25), Some(40));
        assert_eq!(line(26), None);
    }

    #[test]
    fn a_line_below_zero_is_no_line() {
        assert_eq!(line_at(LnotabSigned, &[2, 0x80], 5, 4), None);
        assert_eq!(line_at(Ranges, &[2, 0x81], 5, 0), None);
    }

    fn any_format() -> impl Strategy<Value = LineFormat> {
        prop_oneof![
            Just(LnotabUnsigned),
            Just(LnotabSigned),
            Just(Ranges),
            Just(Locations)
        ]
    }

    proptest! {
        #[test]
        fn any_table_gives_ranges_that_follow_one_another(
            format in any_format(),
            table in proptest::collection::vec(any::<u8>(), 0..2000),
            first_line in any::<u32>(),
            offset in any::<u32>(),
        ) {
            let mut end = 0;
            let mut count = 0;
            for range in ranges(format, &table, first_line) {
                prop_assert_eq!(range.start, end);
                prop_assert!(range.end >= range.start);
                end = range.end;
                count += 1;
            }
            prop_assert!(count <= table.len() + 1);
            let _ = line_at(format, &table, first_line, offset);
        }

        /// As the compilers of 3.6 to 3.9 write it, with deltas that take several pairs.
        #[test]
        fn an_lnotab_gives_back_the_lines_that_were_written(
            steps in proptest::collection::vec((1..1000_u32, -500..500_i32), 0..50),
        ) {
            let mut table = Vec::new();
            let (mut at, mut line) = (0, 100_000_u32);
            let mut expected = vec![(at, line)];
            for (mut bytes, mut delta) in steps {
                at += bytes;
                line = line.saturating_add_signed(delta);
                expected.push((at, line));
                while bytes > 255 {
                    table.extend([255, 0]);
                    bytes -= 255;
                }
                while !(-128..128).contains(&delta) {
                    let part = delta.clamp(-128, 127);
                    table.extend([bytes as u8, part as u8]);
                    (bytes, delta) = (0, delta - part);
                }
                table.extend([bytes as u8, delta as u8]);
            }
            for (at, line) in expected {
                prop_assert_eq!(line_at(LnotabSigned, &table, 100_000, at), Some(line));
            }
        }
    }
}
