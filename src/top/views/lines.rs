//! The same as of functions, line by line.

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
        "  Line: function (file:line)",
        rows::lines,
    );
}
