//! Threads, the busiest first.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::busy::Busy;
use crate::top::app::App;
use crate::top::rows;

pub fn draw(buffer: &mut Buffer, area: Rect, app: &mut App) {
    let busy = Busy {
        id: "Thread",
        label: "Name",
        counts_threads: false,
        fetch: rows::threads,
    };
    busy.draw(buffer, area, app);
}
