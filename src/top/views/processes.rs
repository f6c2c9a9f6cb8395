//! Processes, the busiest first: workers, and those that a reloader started one after the other.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::busy::Busy;
use crate::top::app::App;
use crate::top::rows;

pub fn draw(buffer: &mut Buffer, area: Rect, app: &mut App) {
    let busy = Busy {
        id: "Process",
        label: "Program",
        counts_threads: true,
        fetch: rows::processes,
    };
    busy.draw(buffer, area, app);
}
