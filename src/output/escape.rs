//! Makes text from a target harmless to whatever shows it.
//!
//! What cannot be seen, or changes how other text is seen, is written as Python's `repr` would
//! write it: `\n`, `\x1b`, `\u202e`, `\U000e0041`. A backslash stays as it is, so that ordinary
//! names and paths come out unchanged, but for one before what would look like an escape, which is
//! written `\x5c`: texts that differ are shown differently. The same goes, within a line of collapsed stacks, for what
//! has a meaning there: `;` is written `\x3b`, and a space or `#` that would be taken for
//! something else `\x20` or `\x23`.

use std::borrow::Cow;
use std::fmt::Write;

use crate::model::{TargetStr, is_unsafe_to_show, own_escape};

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

/// A label, which is visible already, as one frame of a collapsed stack.
pub(super) fn collapsed_frame(label: &str) -> Cow<'_, str> {
    escape_where(label, |c| c == ';')
}

/// Joined frames as what stands before the count of a collapsed line. Readers trim a line, take
/// `# ` at its start for a comment and a second number at its end for the "before" of a
/// differential profile.
pub(super) fn collapsed_stack(stack: &str) -> Cow<'_, str> {
    let first = stack
        .chars()
        .next()
        .filter(|&c| c == '#' || c.is_whitespace());
    let last = match stack.char_indices().next_back() {
        Some((at, c)) if c.is_whitespace() => Some((at, c)),
        _ => stack
            .char_indices()
            .rfind(|(_, c)| c.is_whitespace())
            .filter(|(at, c)| {
                let word = &stack[at + c.len_utf8()..];
                word.chars().all(|c| c.is_ascii_digit() || c == '.')
            }),
    };
    if first.is_none() && last.is_none() {
        return Cow::Borrowed(stack);
    }
    let mut escaped = String::with_capacity(stack.len() + 8);
    for (at, c) in stack.char_indices() {
        if (at == 0 && first.is_some()) || last.is_some_and(|(last, _)| last == at) {
            push_escape(&mut escaped, c);
        } else {
            escaped.push(c);
        }
    }
    Cow::Owned(escaped)
}

fn escape_where(text: &str, unwanted: impl Fn(char) -> bool) -> Cow<'_, str> {
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

fn push_escape(to: &mut String, c: char) {
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

    #[test]
    fn texts_that_differ_are_shown_differently() {
        let texts: [&[u8]; 14] = [
            b"a\xffb",
            b"a\\udcffb",
            b"a\\x5cudcffb",
            b"a\nb",
            b"a\\nb",
            b"a\\\nb",
            b"a\\\\nb",
            b"a\x1bb",
            b"a\\x1bb",
            b"a\\x5cx1bb",
            b"a;b",
            b"a\\x3bb",
            b"a\\x5cx3bb",
            "a\u{202e}b".as_bytes(),
        ];
        let mut seen = std::collections::HashSet::new();
        for text in texts {
            let label = visible(&TargetStr::from_bytes(text)).into_owned();
            assert!(seen.insert(collapsed_frame(&label).into_owned()), "{label}");
            // What is visible stays as it is.
            assert_eq!(visible_text(&label), label);
        }
        assert_eq!(shown(r"a\x3bb"), r"a\x5cx3bb");
    }

    #[test]
    fn a_collapsed_line_keeps_its_frames_and_its_count_apart() {
        assert_eq!(collapsed_frame("a;b (c;d.py:1)"), "a\\x3bb (c\\x3bd.py:1)");
        assert_eq!(collapsed_stack("main;worker 5"), "main;worker\\x205");
        assert_eq!(collapsed_stack("main;worker 5.5"), "main;worker\\x205.5");
        assert_eq!(collapsed_stack("# main;f"), "\\x23 main;f");
        assert_eq!(collapsed_stack(" main;f "), "\\x20main;f\\x20");
        assert_eq!(collapsed_stack(" "), "\\x20");
        assert_eq!(collapsed_stack("main 1;f (a.py:3)"), "main 1;f (a.py:3)");
    }
}
