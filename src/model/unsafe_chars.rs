//! Which characters are unsafe to show as they are.

/// Whether a character is invisible or changes how other text looks: controls, line separators,
/// direction marks, characters without a shape, and code points that are not characters. A terminal
/// obeys some of them, XML refuses others. Each output escapes them in its own way, besides the
/// characters that have a meaning in its syntax.
///
/// Variation selectors, as in emoji (U+FE00 to U+FE0F), are ordinary and safe.
#[must_use]
pub fn is_unsafe_to_show(c: char) -> bool {
    matches!(u32::from(c),
        0x00..=0x1f
        | 0x7f..=0x9f
        | 0xad
        | 0x034f
        | 0x061c
        | 0x115f..=0x1160
        | 0x17b4..=0x17b5
        | 0x180b..=0x180f
        | 0x200b..=0x200f
        | 0x2028..=0x202e
        | 0x2060..=0x206f
        | 0x3164
        | 0xfdd0..=0xfdef
        | 0xfeff
        | 0xffa0
        | 0xfff0..=0xfffb
        | 0x1bca0..=0x1bca3
        | 0x1d173..=0x1d17a
        | 0xe0000..=0xe0fff
    ) || u32::from(c) & 0xfffe == 0xfffe
}

#[cfg(test)]
mod tests {
    use super::is_unsafe_to_show;

    #[test]
    fn all_that_unicode_calls_a_control_is_unsafe() {
        for c in (char::MIN..=char::MAX).filter(|c| c.is_control()) {
            assert!(is_unsafe_to_show(c), "{c:?}");
        }
    }

    #[test]
    fn what_can_be_seen_is_safe() {
        for c in "a ä п 💩 ❤\u{fe0f} \\ ; < ﷲ".chars() {
            assert!(!is_unsafe_to_show(c), "{c:?}");
        }
    }
}
