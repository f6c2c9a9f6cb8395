//! What is above and below the views: who is watched, how busy, how well that is seen, and the keys.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::{ROOMY, bold, put, reversed, row};
use crate::output::{program, quality, title};
use crate::top::app::{App, Mode};
use crate::top::history::History;
use crate::top::keys::View;
use crate::top::rows::percent;

/// Returns how many rows it took.
pub fn draw(buffer: &mut Buffer, area: Rect, app: &App) -> u16 {
    let at = row(area, 0);
    let paused = match app.is_paused {
        true => put(buffer, at, 0, "PAUSED ", app.palette.notice()),
        false => 0,
    };
    put(buffer, at, paused, &who(app), bold());
    if area.height < ROOMY {
        gauges(buffer, row(area, 1), app);
        return 2;
    }
    put(buffer, row(area, 1), 0, &how_well(app), Style::new());
    gauges(buffer, row(area, 2), app);
    tabs(buffer, row(area, 3), app);
    4
}

fn who(app: &App) -> String {
    match (app.seen.profile(), &app.begins) {
        (Some(profile), _) => title(profile),
        (None, Some(recording)) => {
            let program = program(&recording.command);
            format!("{program} · pid {} · {} Hz", recording.pid, recording.rate)
        }
        (None, None) => String::new(),
    }
}

fn how_well(app: &App) -> String {
    app.seen.profile().map_or_else(String::new, quality)
}

/// CPU, GIL and requests: the last figure, and bars of those before.
fn gauges(buffer: &mut Buffer, area: Rect, app: &App) {
    let figures: [(&str, &History); 3] = [
        ("CPU", &app.seen.cpu),
        ("GIL", &app.seen.gil),
        ("Req", &app.seen.at_work),
    ];
    let width = area.width / 3;
    for (index, (name, history)) in (0u16..).zip(figures) {
        let part = Rect {
            x: area.x + index * width,
            width: width.saturating_sub(1),
            ..area
        };
        let text = format!("{name} {:>5} ", percent(history.now()));
        let x = put(buffer, part, 0, &text, Style::new());
        let room = usize::from(part.width.saturating_sub(x));
        put(buffer, part, x, &history.bars(room), app.palette.bars());
    }
}

fn tabs(buffer: &mut Buffer, area: Rect, app: &App) {
    let mut x = 0;
    for view in View::ALL {
        let style = if view == app.view {
            reversed()
        } else {
            Style::new()
        };
        x += put(buffer, area, x, &format!(" {} ", view.title()), style);
    }
}

/// What is typed, what was said, or the keys.
pub fn draw_footer(buffer: &mut Buffer, area: Rect, app: &App) {
    let typed = match &app.mode {
        Mode::Filter { typed, .. } => Some(format!("Filter: {}", typed.text())),
        Mode::Write(typed) => Some(format!("Write to: {}", typed.text())),
        Mode::Commands | Mode::Help(_) => None,
    };
    if let Some(typed) = typed {
        // The end is where is typed, so the beginning is what is cut.
        let room = usize::from(area.width.saturating_sub(1));
        let cut = typed.chars().count().saturating_sub(room);
        let shown: String = typed.chars().skip(cut).collect();
        let x = put(buffer, area, 0, &shown, bold());
        put(buffer, area, x, " ", reversed());
        return;
    }
    match (&app.message, &app.mode) {
        (Some(message), _) => put(buffer, area, 0, message, app.palette.notice()),
        (None, Mode::Help(_)) => put(
            buffer,
            area,
            0,
            "X closes the help, Up and Down scroll",
            bold(),
        ),
        (None, _) => put(
            buffer,
            area,
            0,
            "Q quit  ? help  / filter  Tab view  Space pause  W write  R reset  1-4 sort",
            Style::new(),
        ),
    };
}
