//! Tables of functions and of lines.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::{WIDE, put, table};
use crate::output::{LineMode, Names, RenderOptions};
use crate::top::app::App;
use crate::top::rows::{CodeRow, Part, Rows, SortBy};
use crate::top::seen::Seen;

/// Columns of one figure.
const COLUMN: usize = 9;

/// Which rows there are, of code of one grain.
type Fetch = fn(&Seen, Names<'_>, SortBy, Part<'_>) -> Rows<CodeRow>;

pub fn draw(buffer: &mut Buffer, area: Rect, app: &mut App, what: &str, fetch: Fetch) {
    let columns = columns(area.width, app.sort);
    let mut heading = String::new();
    for column in columns {
        let mark = if *column == app.sort { "▾" } else { "" };
        let title = format!("{mark}{}", column.title());
        heading += &format!("{title:>COLUMN$} ");
    }
    heading += what;
    table(
        buffer,
        area,
        app,
        &heading,
        |app, first, most| {
            let Some(interner) = app.seen.interner() else {
                return Rows {
                    rows: Vec::new(),
                    count: 0,
                };
            };
            let options = RenderOptions {
                lines: LineMode::Current,
                ..app.options
            };
            let names = Names {
                interner,
                options: &options,
            };
            let part = Part {
                first,
                most,
                filter: &app.wanted(),
            };
            fetch(&app.seen, names, app.sort, part)
        },
        |buffer, at, app, row| {
            let mut x = 0;
            for column in columns {
                let cell = column.cell(row.figures, app.seen.interval);
                x += put(buffer, at, x, &format!("{cell:>COLUMN$} "), Style::new());
            }
            let style = app.palette.code(row.category, &row.label);
            x += put(buffer, at, x, " ", style);
            put(buffer, at, x + 1, &row.label, Style::new());
        },
    );
}

/// Where not all have room, the two of the kind by which is sorted.
fn columns(width: u16, sort: SortBy) -> &'static [SortBy] {
    match (width >= WIDE, sort) {
        (true, _) => &SortBy::ALL,
        (false, SortBy::OwnNow | SortBy::TotalNow) => &[SortBy::OwnNow, SortBy::TotalNow],
        (false, SortBy::Own | SortBy::Total) => &[SortBy::Own, SortBy::Total],
    }
}
