//! Patterns for names in rules.

use regex::Regex;

/// A name in which `*` stands for anything.
#[derive(Clone, Debug)]
pub struct Pattern {
    text: String,
    regex: Regex,
    last_part: Option<Box<Pattern>>,
}

/// Why a text is not a pattern.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PatternError {
    Empty,
    TooLong,
}

impl Pattern {
    /// `boundary` matches what may precede a match that is not the whole text.
    ///
    /// # Errors
    /// When the text is empty or too long.
    pub(super) fn new(text: &str, boundary: &str) -> Result<Pattern, PatternError> {
        if text.is_empty() {
            return Err(PatternError::Empty);
        }
        let escaped = regex::escape(text).replace(r"\*", ".*");
        let regex = Regex::new(&format!(r"(?s)(?:^|{boundary}){escaped}$"));
        let last_part = match text.rsplit_once('.') {
            Some((_, last)) if !last.is_empty() => Some(Box::new(Pattern::new(last, boundary)?)),
            _ => None,
        };
        Ok(Pattern {
            text: text.to_owned(),
            regex: regex.map_err(|_| PatternError::TooLong)?,
            last_part,
        })
    }

    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }

    /// The part after the last dot, if there is a dot: for interpreters that do not tell the class of a
    /// function.
    #[must_use]
    pub fn last_part(&self) -> Option<&Pattern> {
        self.last_part.as_deref()
    }

    /// The text as it was written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}
