//! Functions by their own time and with what they called.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::code;
use crate::top::app::App;
use crate::top::rows;

pub fn draw(buffer: &mut Buffer, area: Rect, app: &mut App) {
    code::draw(
        buffer,
        area,
        app,
        "  Function (file:first line)",
        rows::functions,
    );
}
