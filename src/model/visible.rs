//! Text from a target as it may be shown.
//!
//! What cannot be seen, or changes how other text is seen, is written as Python's `repr` would
//! write it: `\n`, `\x1b`, `\u202e`, `\U000e0041`. A backslash stays as it is, so that ordinary
//! names and paths come out unchanged, but for one before what would look like an escape, which is
//! written `\x5c`: texts that differ are shown differently.

use std::borrow::Cow;
use std::fmt::Write;

use super::text::own_escape;
use super::{TargetStr, is_unsafe_to_show};

/// The text with everything visible that would otherwise act unseen.
#[must_use]
pub fn visible(text: &TargetStr) -> Cow<'_, str> {
    let text = text.untrusted();
    if !text.contains('\\') {
        return visible_text(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        let (before, from) = rest.split_at(at);
        shown.push_str(&visible_text(before));
        let after = from.strip_prefix('\\').unwrap_or(from);
        // What stands for a surrogate or a backslash already is said once.
        let (own, behind) = after.split_at(own_escape(after).unwrap_or(0));
        match own.is_empty() && looks_escaped(after) {
            true => shown.push_str("\\x5c"),
            false => {
                shown.push('\\');
                shown.push_str(own);
            }
        }
        rest = behind;
    }
    shown.push_str(&visible_text(rest));
    Cow::Owned(shown)
}

/// Whether a backslash before this would look like one of our escapes.
fn looks_escaped(after: &str) -> bool {
    let digits = match after.bytes().next() {
        Some(b'n' | b'r' | b't') => 0,
        Some(b'x') => 2,
        Some(b'u') => 4,
        Some(b'U') => 8,
        _ => return false,
    };
    let mut digit = after.bytes().skip(1);
    (0..digits).all(|_| matches!(digit.next(), Some(b'0'..=b'9' | b'a'..=b'f')))
}

/// The same of text that should be visible already, which stays as it is then.
pub(crate) fn visible_text(text: &str) -> Cow<'_, str> {
    escape_where(text, is_unsafe_to_show)
}

/// The text with each unwanted character as its escape.
pub(crate) fn escape_where(text: &str, unwanted: impl Fn(char) -> bool) -> Cow<'_, str> {
    let Some(first) = text.find(&unwanted) else {
        return Cow::Borrowed(text);
    };
    let mut escaped = String::with_capacity(text.len() + 16);
    let (before, rest) = text.split_at(first);
    escaped.push_str(before);
    for c in rest.chars() {
        if unwanted(c) {
            push_escape(&mut escaped, c);
        } else {
            escaped.push(c);
        }
    }
    Cow::Owned(escaped)
}

pub(crate) fn push_escape(to: &mut String, c: char) {
    let code = u32::from(c);
    // Writing to a String cannot fail.
    let _ = match c {
        '\n' => to.write_str("\\n"),
        '\r' => to.write_str("\\r"),
        '\t' => to.write_str("\\t"),
        _ if code <= 0xff => write!(to, "\\x{code:02x}"),
        _ if code <= 0xffff => write!(to, "\\u{code:04x}"),
        _ => write!(to, "\\U{code:08x}"),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        visible(&TargetStr::new(text)).into_owned()
    }

    #[test]
    fn ordinary_names_stay_as_they_are() {
        for name in [
            "f.<locals>.<listcomp>",
            r"C:\app\views.py",
            "имя",
            "unicode💩.py",
            "❤\u{fe0f}",
            "a b\"c'",
        ] {
            assert_eq!(shown(name), name);
        }
    }

    #[test]
    fn what_acts_unseen_becomes_visible() {
        assert_eq!(shown("a\x1b[31mb"), "a\\x1b[31mb");
        assert_eq!(shown("a\nb\tc\rd\0"), "a\\nb\\tc\\rd\\x00");
        assert_eq!(
            shown("x\u{202e}y\u{200b}z\u{feff}"),
            "x\\u202ey\\u200bz\\ufeff"
        );
        assert_eq!(shown("\u{9b}1m\u{85}\u{2028}"), "\\x9b1m\\x85\\u2028");
        assert_eq!(
            shown("\u{e0041}\u{ffff}\u{1fffe}"),
            "\\U000e0041\\uffff\\U0001fffe"
        );
    }
}
