//! A line that is typed.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::model::is_unsafe_to_show;

/// Longer ones are no names of files, nor filters.
const LONGEST: usize = 4096;

/// A line that is typed at its end.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct LineEditor {
    text: String,
}

impl LineEditor {
    #[must_use]
    pub fn new(text: String) -> LineEditor {
        LineEditor { text }
    }

    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether the key was one that changes the line.
    pub fn key(&mut self, key: KeyEvent) -> bool {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Char('u') if control => self.text.clear(),
            KeyCode::Char('h') if control => drop(self.text.pop()),
            KeyCode::Backspace => drop(self.text.pop()),
            KeyCode::Char(char) if !control && !is_unsafe_to_show(char) => {
                if self.text.len() < LONGEST {
                    self.text.push(char);
                }
            }
            _ => return false,
        }
        true
    }
}
