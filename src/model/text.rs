//! Text that came from a target.

use std::collections::VecDeque;

/// Text read from a target: a name, a path, an argument. It may hold anything, terminal escapes
/// and markup included, so it has no `Display`: each output passes it through an escaper of its
/// own.
///
/// A lone surrogate, which Python allows and UTF-8 does not, is kept as the six characters
/// `\udcff` that Python's `backslashreplace` would write. A byte that is not UTF-8 is the surrogate that
/// Python makes of it (PEP 383), so that a path is the same text wherever it came from. A backslash before
/// what would look like one of these is kept as `\x5c`: two texts that differ in the target differ here.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct TargetStr(Box<str>);

impl TargetStr {
    #[must_use]
    pub fn new(text: impl Into<Box<str>>) -> TargetStr {
        TargetStr(text.into())
    }

    /// Bytes of unknown encoding, such as an argument or a path of the kernel's.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> TargetStr {
        TargetStr::from_code_points(bytes.utf8_chunks().flat_map(|chunk| {
            let valid = chunk.valid().chars().map(u32::from);
            let invalid = chunk.invalid().iter();
            valid.chain(invalid.map(|byte| 0xdc00 + u32::from(*byte)))
        }))
    }

    /// Code points as Python's `str` has them; what is none at all becomes the replacement character.
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

    /// The text as it stands in the target, not fit for any output unescaped.
    #[must_use]
    pub fn untrusted(&self) -> &str {
        &self.0
    }

    /// Several, such as the words of a command line, with blanks between; as little fit for an
    /// output as each of them.
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

/// Whether a backslash before these would look like the beginning of what stands for a surrogate or a
/// backslash.
fn begins_own_escape(after: &VecDeque<u32>) -> bool {
    let first: String = after
        .iter()
        .take(5)
        .filter_map(|it| char::from_u32(*it))
        .collect();
    own_escape(&first).is_some()
}

/// How long what follows a backslash is, if it is written so for a surrogate (`udcff`) or for a backslash
/// (`x5c`).
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
    fn bytes_that_are_not_utf8_are_kept_visibly() {
        assert_eq!(text(b"a\xffb\xc3\xa4"), "a\\udcffbä");
    }

    #[test]
    fn what_only_looks_like_an_escape_is_told_from_one() {
        assert_eq!(text(b"mod_\\udcff.py"), "mod_\\x5cudcff.py");
        assert_eq!(text(b"mod_\xff.py"), "mod_\\udcff.py");
        assert_eq!(text(b"\\x5cudcff"), "\\x5cx5cudcff");
        // Nothing stands for these.
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
    fn text_of_python_and_bytes_of_the_system_are_one() {
        let points = [0x61, 0xdcff, 0x5c, 0x75, 0x64, 0x63, 0x66, 0x66, 0x11_0000];
        let made = TargetStr::from_code_points(points);
        assert_eq!(made.untrusted(), "a\\udcff\\x5cudcff\u{fffd}");
        assert_eq!(text(b"a\xff\\udcff\xef\xbf\xbd"), made.untrusted());
    }
}
