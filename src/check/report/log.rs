//! Text for the log of a CI job, in which runners look for commands.

use crate::output::visible_text;

/// Makes text visible and harmless to runners that recognise commands anywhere in a line: `##[...]` is
/// one of GitHub's and Azure's, `##vso[...]` Azure's, `##teamcity[...]` TeamCity's. GitHub's `::` acts
/// only at the start of a line, where no text from the target is ever put.
pub(super) fn inert(text: &str) -> String {
    let text = visible_text(text);
    let mut inert = String::with_capacity(text.len());
    for c in text.chars() {
        if c == '#' && inert.ends_with('#') {
            inert.push_str("\\x23");
        } else {
            inert.push(c);
        }
    }
    inert
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_runner_finds_a_command_in_a_line() {
        assert_eq!(inert("a ##[error]b"), "a #\\x23[error]b");
        assert_eq!(inert("###vso[task]"), "#\\x23#vso[task]");
        assert_eq!(inert("# one #2"), "# one #2");
        assert_eq!(inert("a\n::error::b"), "a\\n::error::b");
    }
}
