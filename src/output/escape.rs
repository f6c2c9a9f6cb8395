//! Escapes visible text for a line of collapsed stacks, where some characters have a meaning: `;` becomes
//! `\x3b`, and a space or `#` that would be misread becomes `\x20` or `\x23`. As elsewhere
//! ([`visible`](crate::model::visible)), different texts stay different.

use std::borrow::Cow;

use crate::model::{escape_where, push_escape};

/// Escapes a label, which is visible already, as one frame of a collapsed stack.
pub(super) fn collapsed_frame(label: &str) -> Cow<'_, str> {
    escape_where(label, |c| c == ';')
}

/// Escapes joined frames as the part before the count of a collapsed line. Readers trim a line, take `# `
/// at its start for a comment, and take a second number at its end for the "before" of a differential
/// profile.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{TargetStr, visible, visible_text};

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
            // Visible text stays as it is.
            assert_eq!(visible_text(&label), label);
        }
        let shown = TargetStr::new(r"a\x3bb");
        assert_eq!(visible(&shown), r"a\x5cx3bb");
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
