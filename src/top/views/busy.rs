//! Who was busy: what the tables of threads and of processes share.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::{WIDE, put, table};
use crate::output::Names;
use crate::top::app::App;
use crate::top::rows::{BusyRow, Part, Rows, percent, spent};
use crate::top::seen::{Seen, share};

/// What tells the one table from the other.
pub struct Busy {
    /// The headings of the first column and of the last.
    pub id: &'static str,
    pub label: &'static str,
    /// Whether a wide table has a column for the number of threads.
    pub counts_threads: bool,
    pub fetch: fn(&Seen, Names<'_>, Part<'_>) -> Rows<BusyRow>,
}

impl Busy {
    pub fn draw(&self, buffer: &mut Buffer, area: Rect, app: &mut App) {
        let is_wide = area.width >= WIDE;
        let draw_row = |buffer: &mut Buffer, at: Rect, app: &App, row: &BusyRow| {
            let part = |time| percent(share(time, app.seen.interval));
            let text = self.columns(
                is_wide,
                [
                    &row.id,
                    &part(row.now.cpu),
                    &part(row.now.holds_gil),
                    &part(row.now.at_work),
                    &row.threads.to_string(),
                    &spent(row.cpu),
                ],
            );
            let x = put(buffer, at, 0, &text, Style::new());
            put(buffer, at, x + 1, &row.label, Style::new());
        };
        let columns = [self.id, "%CPU", "%GIL", "%Request", "Threads", "CPUTime"];
        let heading = format!("{} {}", self.columns(is_wide, columns), self.label);
        table(
            buffer,
            area,
            app,
            &heading,
            |app, first, most| self.rows(app, first, most),
            draw_row,
        );
    }

    /// A row up to its last column, with a blank at the end.
    fn columns(&self, is_wide: bool, [id, cpu, gil, at_work, threads, time]: [&str; 6]) -> String {
        let mut text = format!("{id:>9} {cpu:>7} {gil:>7} ");
        if is_wide {
            text += &format!("{at_work:>8} ");
            if self.counts_threads {
                text += &format!("{threads:>7} ");
            }
            text += &format!("{time:>9} ");
        }
        text
    }

    fn rows(&self, app: &App, first: usize, most: usize) -> Rows<BusyRow> {
        let Some(interner) = app.seen.interner() else {
            return Rows {
                rows: Vec::new(),
                count: 0,
            };
        };
        let names = Names {
            interner,
            options: &app.options,
        };
        let part = Part {
            first,
            most,
            filter: &app.wanted(),
        };
        (self.fetch)(&app.seen, names, part)
    }
}
