//! Threads, the busiest first.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::{WIDE, busy_rows, put, table};
use crate::top::app::App;
use crate::top::rows::{self, BusyRow, percent, spent};
use crate::top::seen::share;

pub fn draw(buffer: &mut Buffer, area: Rect, app: &mut App) {
    let is_wide = area.width >= WIDE;
    let heading = match is_wide {
        true => format!(
            "{:>9} {:>7} {:>7} {:>8} {:>9}  Name",
            "Thread", "%CPU", "%GIL", "%Request", "CPUTime"
        ),
        false => format!("{:>9} {:>7} {:>7}  Name", "Thread", "%CPU", "%GIL"),
    };
    let draw_row = |buffer: &mut Buffer, at: Rect, app: &App, row: &BusyRow| {
        let part = |time| percent(share(time, app.seen.interval));
        let mut text = format!(
            "{:>9} {:>7} {:>7} ",
            row.id,
            part(row.now.cpu),
            part(row.now.holds_gil)
        );
        if is_wide {
            text += &format!("{:>8} {:>9} ", part(row.now.at_work), spent(row.cpu));
        }
        let x = put(buffer, at, 0, &text, Style::new());
        put(buffer, at, x + 1, &row.label, Style::new());
    };
    table(
        buffer,
        area,
        app,
        &heading,
        |app, first, most| busy_rows(app, first, most, rows::threads),
        draw_row,
    );
}
