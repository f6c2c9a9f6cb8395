//! What the user reads: what we tell while we work goes to standard error, what was asked for to
//! standard output; none of it can steer the terminal.

use std::fmt::{Display, Write as _};
use std::io::{IsTerminal, Write as _};

use anyhow::Context;

use crate::model::{TargetStr, is_unsafe_to_show};
use crate::record::Program;

/// Text that is safe to show: whatever could steer a terminal, cannot be seen or turns the direction of
/// reading is spelled out.
#[must_use]
pub fn escape(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for char in text.chars() {
        if is_unsafe_to_show(char) {
            // A `String` takes everything.
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

/// Text that is safe to show, cut after so many characters.
#[must_use]
pub fn shortened(text: &str, longest: usize) -> String {
    let line = escape(text);
    match line.char_indices().nth(longest) {
        Some((end, _)) => format!("{}...", &line[..end]),
        None => line,
    }
}

/// Tells the user something, in lines of their own.
pub fn say(text: impl Display) {
    let mut stderr = std::io::stderr().lock();
    for line in text.to_string().lines() {
        // Who closed our standard error does not want to be told.
        let _ = writeln!(stderr, "spyhole> {}", escape(line));
    }
}

/// Writes what was asked for, which goes to standard output.
///
/// # Errors
/// When that cannot be written; whoever reads it may stop when he has seen enough.
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

/// Shows what a program wrote, if that was kept.
pub fn show_captured(program: &mut Program) {
    if program.is_captured() {
        say(format_args!("'{}' wrote:", program.name()));
        // What it wrote goes out as it would have without us; if it cannot, nobody reads it.
        let _ = program.copy_captured(&mut std::io::stderr().lock());
    }
}

/// Tells the user what went wrong, with its causes.
pub fn complain(error: &anyhow::Error) {
    let mut causes: Vec<String> = Vec::new();
    for cause in error.chain() {
        let cause = cause.to_string();
        // Some errors print their source themselves.
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
