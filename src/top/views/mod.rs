//! Draws the screen, from 40 columns and 10 rows on; on less as much as there is room for.

mod busy;
mod code;
mod flame;
mod functions;
mod header;
mod help;
mod lines;
mod processes;
mod threads;

use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};

use super::app::{App, Mode};
use super::keys::View;
use super::rows::Rows;

/// From so many rows on there is room for more than the necessary.
const ROOMY: u16 = 16;

/// From so many columns on a table shows all of its columns.
const WIDE: u16 = 70;

/// Draws everything.
pub fn draw(frame: &mut Frame<'_>, app: &mut App) {
    let area = frame.area();
    let buffer = frame.buffer_mut();
    app.width = area.width;
    let header = header::draw(buffer, area, app);
    let body = Rect {
        y: area.y + header,
        height: area.height.saturating_sub(header + 1),
        ..area
    };
    match (&app.mode, app.view) {
        (Mode::Help(line), _) => help::draw(buffer, body, *line),
        (_, View::Functions) => functions::draw(buffer, body, app),
        (_, View::Lines) => lines::draw(buffer, body, app),
        (_, View::Threads) => threads::draw(buffer, body, app),
        (_, View::Processes) => processes::draw(buffer, body, app),
        (_, View::Flame) => flame::draw(buffer, body, app),
    }
    if area.height > header {
        header::draw_footer(buffer, row(area, area.height - 1), app);
    }
}

/// The row so many below the top of an area.
fn row(area: Rect, down: u16) -> Rect {
    let height = u16::from(down < area.height);
    Rect {
        y: area.y.saturating_add(down),
        height,
        ..area
    }
}

/// Writes a text into one row, cut where that ends; returns the columns that it took.
fn put(buffer: &mut Buffer, area: Rect, column: u16, text: &str, style: Style) -> u16 {
    let width = area.width.saturating_sub(column);
    if area.height == 0 || width == 0 {
        return 0;
    }
    let x = area.x + column;
    let (end, _) = buffer.set_stringn(x, area.y, text, usize::from(width), style);
    end - x
}

fn bold() -> Style {
    Style::new().add_modifier(Modifier::BOLD)
}

fn reversed() -> Style {
    Style::new().add_modifier(Modifier::REVERSED)
}

/// Draws a table below its heading: `fetch` gives the rows from one on, so many at most, and `draw_row`
/// draws one.
fn table<R>(
    buffer: &mut Buffer,
    area: Rect,
    app: &mut App,
    heading: &str,
    fetch: impl Fn(&App, usize, usize) -> Rows<R>,
    draw_row: impl Fn(&mut Buffer, Rect, &App, &R),
) {
    let height = usize::from(area.height.saturating_sub(1));
    let mut rows = fetch(app, app.first, height);
    let first = app.first;
    app.scroll(rows.count, height);
    if app.first != first {
        rows = fetch(app, app.first, height);
    }
    let mut heading = heading.to_owned();
    if !app.wanted().is_empty() {
        heading += &format!(" with '{}': {}", app.wanted(), rows.count);
    }
    put(buffer, row(area, 0), 0, &heading, bold());
    if rows.count == 0 {
        put(buffer, row(area, 1), 1, nothing(app), Style::new());
    }
    for (down, shown) in (1u16..).zip(&rows.rows) {
        let at = row(area, down);
        draw_row(buffer, at, app, shown);
        if app.first + usize::from(down) == app.chosen + 1 {
            buffer.set_style(at, reversed());
        }
    }
}

/// What stands where there is nothing.
fn nothing(app: &App) -> &'static str {
    match (app.seen.profile(), app.wanted().is_empty()) {
        (None, _) => "Looking ...",
        (Some(_), false) => "Nothing is named so; Esc shows all",
        (Some(_), true) => "No thread was seen at work",
    }
}
