//! Which version a binary is, from the text that `Py_GetVersion` makes.
//!
//! `Python/getversion.c` formats `"%.80s (%.80s) %.80s"` from `PY_VERSION`, the build and the
//! compiler into a static buffer, at the latest when `sys` is made: 2.7 to 3.15 alike.

use crate::model::PythonVersion;

/// More than the buffer can hold (250 bytes to 3.12, 300 from 3.13 on).
pub(super) const MAX_TEXT: usize = 320;

/// The first version text in `bytes` for which `accept` holds.
pub(super) fn find_version(
    bytes: &[u8],
    accept: impl Fn(PythonVersion) -> bool,
) -> Option<PythonVersion> {
    memchr::memchr2_iter(b'2', b'3', bytes)
        .filter(|at| bytes.get(at + 1) == Some(&b'.'))
        .filter(|at| {
            let before = at.checked_sub(1).and_then(|before| bytes.get(before));
            before.is_none_or(|byte| !byte.is_ascii_alphanumeric() && *byte != b'.')
        })
        .find_map(|at| {
            let text = bytes.get(at..)?;
            parse_version_text(text.get(..MAX_TEXT).unwrap_or(text)).filter(|found| accept(*found))
        })
}

/// Parses `3.12.0rc1+ (main, Oct  2 2023, 12:00:00) [GCC 12.2.0]`.
fn parse_version_text(text: &[u8]) -> Option<PythonVersion> {
    let (major, rest) = number(text)?;
    let (minor, rest) = number(rest.strip_prefix(b".")?)?;
    let (micro, rest) = number(rest.strip_prefix(b".")?)?;
    let (level, rest) = release_level(rest);
    // `+` stands for a build from the repository after the release.
    let rest = rest.strip_prefix(b"+").unwrap_or(rest);
    let build = rest.strip_prefix(b" (")?;
    // The compiler's part: after a newline to 3.9, after a space from 3.10 on. `MAX_TEXT` bounds
    // the search.
    let end = build.iter().position(|byte| *byte == 0)?;
    let build = build.get(..end)?;
    let is_python = build
        .windows(2)
        .zip(build.get(2..)?)
        .any(|(pair, next)| pair == b") " && matches!(next, b'[' | b'\n'));
    is_python.then_some(PythonVersion {
        major,
        minor,
        micro,
        level,
        free_threaded: false,
    })
}

/// `a1`, `b2`, `c1` (2.7's) or `rc1`, as the low byte of `PY_VERSION_HEX`.
fn release_level(text: &[u8]) -> (u8, &[u8]) {
    const FINAL: u8 = 0xf0;
    let levels: [(&[u8], u8); 4] = [(b"a", 0xa0), (b"b", 0xb0), (b"rc", 0xc0), (b"c", 0xc0)];
    levels
        .iter()
        .find_map(|(mark, level)| {
            let (serial, rest) = number(text.strip_prefix(*mark)?)?;
            Some((level | (serial & 0xf), rest))
        })
        .unwrap_or((FINAL, text))
}

fn number(text: &[u8]) -> Option<(u8, &[u8])> {
    let end = text
        .iter()
        .position(|byte| !byte.is_ascii_digit())
        .unwrap_or(text.len());
    let (digits, rest) = text.split_at_checked(end)?;
    let number = std::str::from_utf8(digits).ok()?.parse().ok()?;
    Some((number, rest))
}

/// Major and minor version in the name of a file: `python3.9`, `libpython3.6m.so.1.0`. The micro
/// version is not told there and is given as 0.
pub(super) fn version_in_name(name: &[u8]) -> Option<PythonVersion> {
    let at = name
        .windows(6)
        .position(|part| part.eq_ignore_ascii_case(b"python"))?;
    let (major, rest) = number(name.get(at + 6..)?)?;
    let (minor, rest) = number(rest.strip_prefix(b".")?)?;
    Some(PythonVersion {
        major,
        minor,
        micro: 0,
        level: 0xf0,
        free_threaded: rest.starts_with(b"t"),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn found(text: &str) -> Option<String> {
        find_version(format!("\0{text}\0").as_bytes(), |_| true).map(|found| found.to_string())
    }

    #[test]
    fn texts_of_all_ages_are_read() {
        let texts = [
            (
                "2.7.18 (default, Apr 20 2020, 19:34:11) \n[GCC 8.3.0]",
                "2.7.18",
            ),
            (
                "3.6.15 (default, Jan  1 2024, 00:00:00) \n[GCC 12.2.0]",
                "3.6.15",
            ),
            (
                "3.11.2 (main, Mar 13 2023, 12:18:29) [GCC 12.2.0]",
                "3.11.2",
            ),
            (
                "3.12.0rc1+ (heads/3.12:abc, Aug  6 2023) [Clang 17]",
                "3.12.0rc1",
            ),
            ("2.7c1 (x) \n[GCC]", ""),
            ("3.13.0b2 (main, x) [MSC]", "3.13.0b2"),
        ];
        for (text, version) in texts {
            let expected = Some(version.to_owned()).filter(|text| !text.is_empty());
            assert_eq!(found(text), expected, "{text}");
        }
    }

    #[test]
    fn other_numbers_are_not_taken_for_a_version() {
        for text in [
            "3.40.1",
            "3.40.1 (2022-12-28)",
            "3.11.2 (unterminated",
            "13.11.2 (main) [GCC]",
            "3.999.1 (main) [GCC]",
        ] {
            assert_eq!(found(text), None, "{text}");
        }
    }

    #[test]
    fn the_first_accepted_version_counts() {
        let bytes = b"\x003.6.1 (a) [GCC]\x003.9.2 (b) [GCC]\x00";
        let found = find_version(bytes, |version| version.minor > 6).map(|found| found.to_string());
        assert_eq!(found.as_deref(), Some("3.9.2"));
    }

    #[test]
    fn names_tell_the_minor_version() {
        let read = |name: &[u8]| version_in_name(name).map(|v| (v.major, v.minor, v.free_threaded));
        assert_eq!(read(b"python3.13t"), Some((3, 13, true)));
        assert_eq!(read(b"libpython3.6m.so.1.0"), Some((3, 6, false)));
        assert_eq!(read(b"python3"), None);
        assert_eq!(read(b"uwsgi"), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
            let _ = find_version(&bytes, |_| true);
            let _ = version_in_name(&bytes);
        }

        #[test]
        fn a_damaged_text_is_survived(at in 0usize..60, with in any::<u8>(), len in 0usize..60) {
            let mut text = b"\x003.12.0rc1+ (heads/3.12:abc, Aug  6 2023) \n[Clang 17.0.1 ]\0".to_vec();
            if let Some(byte) = text.get_mut(at) {
                *byte = with;
            }
            text.truncate(len);
            let _ = find_version(&text, |_| true);
        }
    }
}
