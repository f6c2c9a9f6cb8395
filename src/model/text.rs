//! Text that came from a target.

/// Text read from a target: a name, a path, an argument. It may hold anything, terminal escapes
/// and markup included, so it has no `Display`: each output passes it through an escaper of its
/// own.
///
/// A lone surrogate, which Python allows and UTF-8 does not, is kept as the six characters
/// `\udcff` that Python's `backslashreplace` would write.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct TargetStr(Box<str>);

impl TargetStr {
    #[must_use]
    pub fn new(text: impl Into<Box<str>>) -> TargetStr {
        TargetStr(text.into())
    }

    /// Bytes of unknown encoding, such as an argument or a path of the kernel's: what is not UTF-8
    /// is kept as `\xff`.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> TargetStr {
        let mut text = String::with_capacity(bytes.len());
        for chunk in bytes.utf8_chunks() {
            text.push_str(chunk.valid());
            for byte in chunk.invalid() {
                text.push_str(&format!("\\x{byte:02x}"));
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

/// Escaped as Rust's `Debug` escapes a string.
impl std::fmt::Debug for TargetStr {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::TargetStr;

    #[test]
    fn bytes_that_are_not_utf8_are_kept_visibly() {
        let text = TargetStr::from_bytes(b"a\xffb\xc3\xa4");
        assert_eq!(text.untrusted(), "a\\xffbä");
    }
}
