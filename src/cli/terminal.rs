//! Output for the user: messages go to standard error, results to standard output. Nothing in it can
//! control the terminal.

use std::fmt::{Display, Write as _};
use std::io::{IsTerminal, Write as _};

use anyhow::Context;

use crate::model::{TargetStr, is_unsafe_to_show};
use crate::record::Program;

/// Text that is safe to show. Characters that could control a terminal, are invisible, or change the
/// reading direction are escaped.
#[must_use]
pub fn escape(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for char in text.chars() {
        if is_unsafe_to_show(char) {
            // Writing to a `String` cannot fail.
            let _ = write!(shown, "{}", char.escape_default());
        } else {
            shown.push(char);
        }
    }
    shown
}

/// A command line, safe to show and not too long.
#[must_use]
pub fn command_line(command: &[TargetStr]) -> String {
    const LONGEST: usize = 120;
    shortened(&TargetStr::joined(command), LONGEST)
}

/// Text that is safe to show, cut after `longest` characters.
#[must_use]
pub fn shortened(text: &str, longest: usize) -> String {
    let line = escape(text);
    match line.char_indices().nth(longest) {
        Some((end, _)) => format!("{}...", &line[..end]),
        None => line,
    }
}

/// Shows messages to the user, a line each.
pub fn say(text: impl Display) {
    let mut stderr = std::io::stderr().lock();
    for line in text.to_string().lines() {
        // If standard error was closed, nobody wants the message.
        let _ = writeln!(stderr, "spyhole> {}", escape(line));
    }
}

/// Writes results to standard output.
///
/// # Errors
/// When it cannot be written. A closed pipe is no error: the reader may have seen enough.
pub fn show(text: &str) -> Result<(), anyhow::Error> {
    let mut output = std::io::stdout().lock();
    match output
        .write_all(text.as_bytes())
        .and_then(|()| output.flush())
    {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        written => written.context("standard output cannot be written"),
    }
}

/// Shows the captured output of a program, if it was captured.
pub fn show_captured(program: &mut Program) {
    if program.is_captured() {
        say(format_args!("'{}' wrote:", program.name()));
        // The output goes out unescaped, as without us. An error means that nobody reads it.
        let _ = program.copy_captured(&mut std::io::stderr().lock());
    }
}

/// Shows an error to the user, with its causes.
pub fn complain(error: &anyhow::Error) {
    let mut causes: Vec<String> = Vec::new();
    for cause in error.chain() {
        let cause = cause.to_string();
        // Some errors include their source in their own text.
        if causes.last().is_none_or(|last| !last.ends_with(&cause)) {
            causes.push(cause);
        }
    }
    say(format_args!("Error: {}", causes.join(": ")));
}

/// Whether a line on standard error can be redrawn.
#[must_use]
pub fn can_redraw() -> bool {
    std::io::stderr().is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_steers_a_terminal_passes() {
        let shown = escape("a\x1b[31m\u{9b}b\u{202e}c\u{7f}\r\nä💩");
        assert_eq!(shown, "a\\u{1b}[31m\\u{9b}b\\u{202e}c\\u{7f}\\r\\nä💩");
    }

    #[test]
    fn nothing_that_cannot_be_seen_passes() {
        let shown = escape("a\u{ad}b\u{3164}c\u{200b}\u{ffff}");
        assert_eq!(shown, "a\\u{ad}b\\u{3164}c\\u{200b}\\u{ffff}");
    }

    #[test]
    fn a_long_command_line_is_cut() {
        let line = command_line(&[TargetStr::new("é".repeat(500))]);
        assert_eq!(line.chars().count(), 123);
    }
}
