//! Text that came from a target.

use std::collections::VecDeque;

/// Text read from a target: a name, a path, an argument. It may hold anything, terminal escapes
/// and markup included, so it has no `Display`: each output passes it through an escaper of its
/// own.
///
/// A lone surrogate, which Python allows and UTF-8 does not, is kept as the six characters that Python's
/// `backslashreplace` would write, such as `\udcff`. A byte that is not UTF-8 is kept as the surrogate
/// that Python makes of it (PEP 383), so that a path is the same text wherever it came from. A backslash
/// that would look like the beginning of such an escape is kept as `\x5c`, so that two texts that differ
/// in the target differ here, too.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct TargetStr(Box<str>);

impl TargetStr {
    #[must_use]
    pub fn new(text: impl Into<Box<str>>) -> TargetStr {
        TargetStr(text.into())
    }

    /// From bytes of unknown encoding, such as an argument or a path that the kernel gives.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> TargetStr {
        TargetStr::from_code_points(bytes.utf8_chunks().flat_map(|chunk| {
            let valid = chunk.valid().chars().map(u32::from);
            let invalid = chunk.invalid().iter();
            valid.chain(invalid.map(|byte| 0xdc00 + u32::from(*byte)))
        }))
    }

    /// From code points as in Python's `str`; a number that is no code point becomes the replacement
    /// character.
    #[must_use]
    pub fn from_code_points(points: impl IntoIterator<Item = u32>) -> TargetStr {
        let mut points = points.into_iter().collect::<VecDeque<u32>>();
        let mut text = String::with_capacity(points.len());
        while let Some(point) = points.pop_front() {
            match char::from_u32(point) {
                Some('\\') if begins_own_escape(&points) => text.push_str("\\x5c"),
                Some(char) => text.push(char),
                None if (0xd800..0xe000).contains(&point) => {
                    text.push_str(&format!("\\u{point:04x}"));
                }
                None => text.push(char::REPLACEMENT_CHARACTER),
            }
        }
        TargetStr(text.into())
    }

    /// The text as it is in the target, not to be written to any output unescaped.
    #[must_use]
    pub fn untrusted(&self) -> &str {
        &self.0
    }

    /// Several texts, such as the words of a command line, joined by blanks; like each of them, not to
    /// be written to any output unescaped.
    #[must_use]
    pub fn joined(texts: &[TargetStr]) -> String {
        let texts: Vec<_> = texts.iter().map(TargetStr::untrusted).collect();
        texts.join(" ")
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Whether a backslash before these code points would look like the beginning of one of our own escapes.
fn begins_own_escape(after: &VecDeque<u32>) -> bool {
    let first: String = after
        .iter()
        .take(5)
        .filter_map(|it| char::from_u32(*it))
        .collect();
    own_escape(&first).is_some()
}

/// The length of our own escape, without its backslash, at the beginning of what follows a backslash:
/// that of a surrogate (`udcff`) or of a backslash (`x5c`). `None` if there is none.
pub(crate) fn own_escape(after: &str) -> Option<usize> {
    let is_hex = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    match after.as_bytes() {
        [b'x', b'5', b'c', ..] => Some(3),
        [b'u', b'd', b'8' | b'9' | b'a'..=b'f', third, fourth, ..]
            if is_hex(third) && is_hex(fourth) =>
        {
            Some(5)
        }
        _ => None,
    }
}

/// Escaped as Rust's `Debug` escapes a string.
impl std::fmt::Debug for TargetStr {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::TargetStr;

    fn text(bytes: &[u8]) -> String {
        TargetStr::from_bytes(bytes).untrusted().to_owned()
    }

    #[test]
    fn bytes_that_are_not_utf8_are_kept_as_visible_escapes() {
        assert_eq!(text(b"a\xffb\xc3\xa4"), "a\\udcffbä");
    }

    #[test]
    fn what_only_looks_like_an_escape_is_told_from_one() {
        assert_eq!(text(b"mod_\\udcff.py"), "mod_\\x5cudcff.py");
        assert_eq!(text(b"mod_\xff.py"), "mod_\\udcff.py");
        assert_eq!(text(b"\\x5cudcff"), "\\x5cx5cudcff");
        // None of these looks like an escape of ours.
        for plain in [
            "C:\\app\\views.py",
            "\\u0041",
            "\\ud7ff",
            "\\udcf",
            "\\UDCFF",
            "\\",
        ] {
            assert_eq!(text(plain.as_bytes()), plain);
        }
    }

    #[test]
    fn text_from_python_and_bytes_from_the_system_become_the_same_text() {
        let points = [0x61, 0xdcff, 0x5c, 0x75, 0x64, 0x63, 0x66, 0x66, 0x11_0000];
        let made = TargetStr::from_code_points(points);
        assert_eq!(made.untrusted(), "a\\udcff\\x5cudcff\u{fffd}");
        assert_eq!(text(b"a\xff\\udcff\xef\xbf\xbd"), made.untrusted());
    }
}
