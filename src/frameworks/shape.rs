//! Texts of labels without what differs from request to request, and without what belongs to somebody:
//! literals, parameters, keys.

/// The most characters that are kept of a statement.
const MAX_STATEMENT: usize = 300;

/// A list of columns is left out from so many characters on.
const LONG_LIST: usize = 40;

/// What follows the path of a request whose route is not known.
pub const UNRESOLVED: &str = " (unresolved)";

/// The path of a URL with a `*` for each part that is likely to be a key: one with a digit, or a long one
/// without a vowel or a word in it. It is marked as not resolved to a route.
#[must_use]
pub fn url_path(path: &str) -> String {
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let parts: Vec<&str> = path
        .split('/')
        .map(|part| if varies(part) { "*" } else { part })
        .collect();
    parts.join("/") + UNRESOLVED
}

/// Whether a part of a path is likely to be a key and not a name.
fn varies(part: &str) -> bool {
    const LONGEST_NAME: usize = 32;
    let is_version = part.strip_prefix('v').is_some_and(|rest| {
        !rest.is_empty() && rest.len() <= 2 && rest.bytes().all(|byte| byte.is_ascii_digit())
    });
    let is_plain = |byte: u8| byte.is_ascii_alphabetic() || matches!(byte, b'-' | b'_' | b'.');
    !is_version && (part.len() > LONGEST_NAME || !part.bytes().all(is_plain))
}

/// An SQL statement with a `?` for each literal and parameter, lists of these and of columns folded.
#[must_use]
pub fn sql(statement: &str) -> String {
    shortened(&without_columns(&folded(&without_literals(statement))))
}

/// A statement in one line, cut to what is kept.
#[must_use]
pub fn shortened(statement: &str) -> String {
    let words: Vec<&str> = statement.split_whitespace().collect();
    let line = words.join(" ");
    match line.char_indices().nth(MAX_STATEMENT) {
        Some((end, _)) => line.get(..end).unwrap_or_default().to_owned() + "…",
        None => line,
    }
}

/// The statement's words, with a `?` for each literal and parameter, and without comments.
fn without_literals(statement: &str) -> String {
    let mut out = String::new();
    let mut rest = statement;
    while let Some(first) = rest.chars().next() {
        let after = rest.get(first.len_utf8()..).unwrap_or_default();
        let is_in_name = out.chars().next_back().is_some_and(is_word);
        match first {
            '\'' => {
                out.push('?');
                rest = after_quote(after, '\'');
            }
            // Names of tables and columns, which stay.
            '"' | '`' => {
                let end = after_quote(after, first);
                out.push_str(rest.get(..rest.len() - end.len()).unwrap_or_default());
                rest = end;
            }
            '-' if after.starts_with('-') => {
                rest = after.split_once('\n').map_or("", |(_, next)| next);
                out.push(' ');
            }
            '/' if after.starts_with('*') => {
                rest = after.split_once("*/").map_or("", |(_, next)| next);
                out.push(' ');
            }
            '%' if after.starts_with('s') => {
                out.push('?');
                rest = after.get(1..).unwrap_or_default();
            }
            '%' if after.starts_with('(') => {
                out.push('?');
                let end = after.split_once(')').map_or("", |(_, next)| next);
                rest = end.strip_prefix('s').unwrap_or(end);
            }
            '$' | ':' if !is_in_name && after.starts_with(is_word) => {
                out.push('?');
                rest = after.trim_start_matches(is_word);
            }
            // A cast (PostgreSQL).
            ':' if after.starts_with(':') => {
                out.push_str("::");
                rest = after.get(1..).unwrap_or_default();
                let end = rest.trim_start_matches(is_word);
                out.push_str(rest.get(..rest.len() - end.len()).unwrap_or_default());
                rest = end;
            }
            '0'..='9' if !is_in_name => {
                out.push('?');
                rest = after.trim_start_matches(|c: char| is_word(c) || c == '.');
            }
            other => {
                out.push(other);
                rest = after;
            }
        }
    }
    out
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// What follows the end of a quoted text. A quote in it is written twice.
fn after_quote(text: &str, quote: char) -> &str {
    let mut rest = text;
    loop {
        let Some((_, after)) = rest.split_once(quote) else {
            return "";
        };
        match after.strip_prefix(quote) {
            Some(more) => rest = more,
            None => return after,
        }
    }
}

/// `?, ?, ?` as `?`, and `(?), (?)` as `(?)`, so that a statement is the same however many values it has.
fn folded(statement: &str) -> String {
    let words: Vec<&str> = statement.split_whitespace().collect();
    let mut folded = words.join(" ");
    for (long, short) in [
        ("?, ?", "?"),
        ("?,?", "?"),
        ("(?), (?)", "(?)"),
        ("(?),(?)", "(?)"),
    ] {
        while folded.contains(long) {
            folded = folded.replace(long, short);
        }
    }
    folded
}

/// `SELECT … FROM` in place of a long list of columns.
fn without_columns(statement: &str) -> String {
    let Some(columns) = statement.strip_prefix("SELECT ") else {
        return statement.to_owned();
    };
    match columns.find(" FROM ") {
        Some(end) if end > LONG_LIST => {
            let distinct = if columns.starts_with("DISTINCT ") {
                "DISTINCT "
            } else {
                ""
            };
            let from = columns.get(end..).unwrap_or_default();
            format!("SELECT {distinct}…{from}")
        }
        _ => statement.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_in_paths_are_left_out() {
        for (path, kept) in [
            ("/recipes/12/", "/recipes/*/"),
            ("/api/v1/users/ada", "/api/v1/users/ada"),
            ("/u/3f2a-91bc/edit?token=x", "/u/*/edit"),
            ("/é/", "/*/"),
            ("", ""),
        ] {
            assert_eq!(url_path(path), format!("{kept}{UNRESOLVED}"));
        }
    }

    #[test]
    fn statements_keep_neither_literals_nor_the_number_of_values() {
        for (statement, kept) in [
            (
                "SELECT a FROM t WHERE b = 'it''s' AND c=12",
                "SELECT a FROM t WHERE b = ? AND c=?",
            ),
            (
                "SELECT a FROM t1 WHERE b IN (%s, %s, %s)",
                "SELECT a FROM t1 WHERE b IN (?)",
            ),
            (
                "INSERT INTO t VALUES (%s,%s), (%s,%s)",
                "INSERT INTO t VALUES (?)",
            ),
            (
                "SELECT a\n FROM t -- secret\n WHERE b=$1::int",
                "SELECT a FROM t WHERE b=?::int",
            ),
            (
                "SELECT a FROM t WHERE b = :name AND c = %(x)s",
                "SELECT a FROM t WHERE b = ? AND c = ?",
            ),
            ("SELECT /* x */ a FROM \"t'1\"", "SELECT a FROM \"t'1\""),
            ("UPDATE t SET x = -1.5e3", "UPDATE t SET x = -?"),
            ("SELECT 'open", "SELECT ?"),
        ] {
            assert_eq!(sql(statement), kept, "{statement}");
        }
        let long = "SELECT DISTINCT \"t\".\"one\", \"t\".\"two\", \"t\".\"three\", \"t\".\"four\" FROM \"t\" WHERE \"t\".\"id\" = %s";
        assert_eq!(
            sql(long),
            "SELECT DISTINCT … FROM \"t\" WHERE \"t\".\"id\" = ?"
        );
    }

    #[test]
    fn a_long_statement_is_cut_at_a_character() {
        let long = "é".repeat(1000);
        assert_eq!(sql(&long).chars().count(), MAX_STATEMENT + 1);
    }
}
