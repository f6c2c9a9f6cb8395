//! Python's own way of writing texts and numbers.

use std::fmt::Write;

use crate::model::is_unsafe_to_show;

/// The character at the end of what was cut.
pub const CUT: char = '…';

/// A text as `repr` writes it, in quotes, up to `max` characters, and whether that is less than its `len`.
pub fn quoted(prefix: &str, points: &[u32], len: u64, max: usize) -> (String, bool) {
    let has = |c: char| points.contains(&u32::from(c));
    let quote = if has('\'') && !has('"') { '"' } else { '\'' };
    let push = |text: &mut String, point: &u32| push_point(text, *point, quote);
    within_quotes(prefix, quote, points, len, max, push)
}

/// Bytes as `repr` writes them, up to `max` characters, and whether that is less than their `len`.
pub fn quoted_bytes(prefix: &str, bytes: &[u8], len: u64, max: usize) -> (String, bool) {
    let has = |byte| bytes.contains(&byte);
    let quote = if has(b'\'') && !has(b'"') { '"' } else { '\'' };
    let push = |text: &mut String, byte: &u8| push_byte(text, *byte, quote);
    within_quotes(prefix, quote, bytes, len, max, push)
}

fn within_quotes<T>(
    prefix: &str,
    quote: char,
    parts: &[T],
    len: u64,
    max: usize,
    push: impl Fn(&mut String, &T),
) -> (String, bool) {
    let mut text = String::new();
    let mut written = 0;
    let mut characters = 0;
    for part in parts {
        let before = text.len();
        push(&mut text, part);
        characters += text.get(before..).unwrap_or_default().chars().count();
        if characters > max {
            text.truncate(before);
            break;
        }
        written += 1;
    }
    let is_cut = written < len;
    let cut = if is_cut { "…" } else { "" };
    (format!("{prefix}{quote}{text}{cut}{quote}"), is_cut)
}

fn push_point(text: &mut String, point: u32, quote: char) {
    let Some(char) = char::from_u32(point) else {
        // A lone surrogate, or no code point at all. Writing to a String cannot fail.
        let _ = match point {
            0..=0xffff => write!(text, "\\u{point:04x}"),
            _ => write!(text, "\\U{point:08x}"),
        };
        return;
    };
    match char {
        '\\' => text.push_str("\\\\"),
        '\n' => text.push_str("\\n"),
        '\r' => text.push_str("\\r"),
        '\t' => text.push_str("\\t"),
        _ if char == quote => {
            text.push('\\');
            text.push(char);
        }
        // `str.isprintable` takes no other blank than the ordinary one.
        _ if is_unsafe_to_show(char) || char.is_whitespace() && char != ' ' => {
            let _ = match point {
                0..=0xff => write!(text, "\\x{point:02x}"),
                0x100..=0xffff => write!(text, "\\u{point:04x}"),
                _ => write!(text, "\\U{point:08x}"),
            };
        }
        _ => text.push(char),
    }
}

fn push_byte(text: &mut String, byte: u8, quote: char) {
    match byte {
        b'\\' => text.push_str("\\\\"),
        b'\n' => text.push_str("\\n"),
        b'\r' => text.push_str("\\r"),
        b'\t' => text.push_str("\\t"),
        b' '..=b'~' if char::from(byte) == quote => {
            text.push('\\');
            text.push(quote);
        }
        b' '..=b'~' => text.push(byte.into()),
        _ => {
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
}

/// A float as `repr` writes it: the shortest digits that mean it, with an exponent where Python has one
/// (`float_repr_style` "short", Python/pystrtod.c).
pub fn float(value: f64) -> String {
    if !value.is_finite() {
        return not_finite(value);
    }
    python_float(&format!("{value:e}"))
}

/// The same of a float of 32 bits, whose shortest digits are fewer.
pub fn float32(value: f32) -> String {
    if !value.is_finite() {
        return not_finite(value.into());
    }
    python_float(&format!("{value:e}"))
}

fn not_finite(value: f64) -> String {
    match value.is_nan() {
        true => "nan".to_owned(),
        false if value > 0.0 => "inf".to_owned(),
        false => "-inf".to_owned(),
    }
}

/// From Rust's `-1.25e-7`.
fn python_float(scientific: &str) -> String {
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let (sign, mantissa) = match mantissa.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", mantissa),
    };
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    if !(-4..16).contains(&exponent) {
        let sign_of = if exponent < 0 { '-' } else { '+' };
        return format!("{sign}{mantissa}e{sign_of}{:02}", exponent.unsigned_abs());
    }
    if exponent < 0 {
        let zeros = "0".repeat(exponent.unsigned_abs() as usize - 1);
        return format!("{sign}0.{zeros}{digits}");
    }
    let whole = exponent as usize + 1;
    match digits.split_at_checked(whole) {
        Some((whole, "")) => format!("{sign}{whole}.0"),
        Some((whole, part)) => format!("{sign}{whole}.{part}"),
        None => format!("{sign}{digits}{}.0", "0".repeat(whole - digits.len())),
    }
}

/// A complex number as `repr` writes it, of parts that `repr` or numpy wrote.
pub fn complex(real: f64, real_text: &str, imaginary_text: &str) -> String {
    let short = |text: &str| text.strip_suffix(".0").unwrap_or(text).to_owned();
    let imaginary = short(imaginary_text);
    if real == 0.0 && real.is_sign_positive() {
        return format!("{imaginary}j");
    }
    let plus = if imaginary.starts_with('-') { "" } else { "+" };
    format!("({}{plus}{imaginary}j)", short(real_text))
}

/// A number of 30-bit digits, the lowest first, in decimal.
pub fn decimal(digits: &[u32]) -> String {
    const BASE: u64 = 1_000_000_000;
    // Of nine decimal digits each, the lowest first.
    let mut groups: Vec<u64> = Vec::new();
    for digit in digits.iter().rev() {
        let mut carry = u64::from(*digit);
        for group in &mut groups {
            let value = (*group << 30) + carry;
            *group = value % BASE;
            carry = value / BASE;
        }
        while carry > 0 {
            groups.push(carry % BASE);
            carry /= BASE;
        }
    }
    let Some((highest, rest)) = groups.split_last() else {
        return "0".to_owned();
    };
    let mut text = highest.to_string();
    for group in rest.iter().rev() {
        let _ = write!(text, "{group:09}");
    }
    text
}

/// With a comma between thousands.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_are_written_as_python_writes_them() {
        for (value, expected) in [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1.0, "1.0"),
            (12.625, "12.625"),
            (1e15, "1000000000000000.0"),
            (1e16, "1e+16"),
            (123456789012345680.0, "1.2345678901234568e+17"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (-2.5e-300, "-2.5e-300"),
            (100.25, "100.25"),
            (f64::INFINITY, "inf"),
            (f64::NEG_INFINITY, "-inf"),
            (f64::NAN, "nan"),
        ] {
            assert_eq!(float(value), expected);
        }
        assert_eq!(float32(0.3), "0.3");
    }

    #[test]
    fn complex_numbers_are_written_as_python_writes_them() {
        let shown = |real: f64, imaginary: f64| complex(real, &float(real), &float(imaginary));
        assert_eq!(shown(0.3, 5.0), "(0.3+5j)");
        assert_eq!(shown(0.0, -1.5), "-1.5j");
        assert_eq!(shown(-0.0, 1.0), "(-0+1j)");
        assert_eq!(shown(1e16, f64::NAN), "(1e+16+nanj)");
    }

    #[test]
    fn big_numbers_are_written_in_full() {
        assert_eq!(decimal(&[]), "0");
        assert_eq!(decimal(&[7]), "7");
        assert_eq!(decimal(&[0, 1]), "1073741824");
        // 2 ** 90
        assert_eq!(decimal(&[0, 0, 0, 1]), "1237940039285380274899124224");
        assert_eq!(grouped(10_000_000), "10,000,000");
        assert_eq!(grouped(999), "999");
    }

    #[test]
    fn texts_are_quoted_as_python_quotes_them() {
        let shown = |text: &str| {
            let points: Vec<u32> = text.chars().map(u32::from).collect();
            quoted("", &points, points.len() as u64, 100).0
        };
        assert_eq!(shown("plain"), "'plain'");
        assert_eq!(shown("it's"), "\"it's\"");
        assert_eq!(shown("it's \"so\""), "'it\\'s \"so\"'");
        assert_eq!(
            shown("\\ \n\x1b[31m\u{202e}\u{a0}"),
            "'\\\\ \\n\\x1b[31m\\u202e\\xa0'"
        );
        assert_eq!(
            quoted("u", &[0xdcff, 0x0011_0000], 3, 100),
            ("u'\\udcff\\U00110000…'".to_owned(), true)
        );
        // No escape is cut in its middle.
        assert_eq!(quoted("", &[0x61, 0xdcff], 2, 6), ("'a…'".to_owned(), true));
        assert_eq!(
            quoted_bytes("b", b"a'\xff\0", 4, 100),
            ("b\"a'\\xff\\x00\"".to_owned(), false)
        );
    }
}
