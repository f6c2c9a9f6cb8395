//! What the keys do.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::{bold, put, row};
use crate::top::keys::HELP;

/// Columns of the keys' names.
const KEYS: u16 = 10;

/// From a line on, as many as there is room for.
pub fn draw(buffer: &mut Buffer, area: Rect, first: usize) {
    let height = usize::from(area.height);
    let first = first.min(HELP.len().saturating_sub(height));
    let shown = HELP.iter().skip(first).take(height);
    for (down, (keys, text)) in (0u16..).zip(shown) {
        let at = row(area, down);
        put(buffer, at, 0, keys, bold());
        put(buffer, at, KEYS, text, Style::new());
    }
}
