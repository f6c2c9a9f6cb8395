//! The flame graph, callers above what they call.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};

use super::{bold, nothing, put, reversed, row};
use crate::model::Nanos;
use crate::output::{Category, Names, program};
use crate::profile::tree::NodeId;
use crate::top::app::App;
use crate::top::flame::{Part, Span, Tree};
use crate::top::rows::{percent, spent};
use crate::top::seen::share;

pub fn draw(buffer: &mut Buffer, area: Rect, app: &mut App) {
    app.flame.prepare(&app.seen);
    let height = usize::from(area.height.saturating_sub(1));
    let first = app.flame.scroll(height);
    let (Some(interner), Some(tree)) = (app.seen.interner(), app.flame.tree()) else {
        put(buffer, row(area, 1), 1, nothing(app), Style::new());
        return;
    };
    let boxes = Boxes {
        names: Names {
            interner,
            options: &app.options,
        },
        tree,
        app,
    };
    let chosen = app.flame.chosen();
    put(buffer, row(area, 0), 0, &boxes.told(chosen), bold());
    let wanted = app.wanted();
    let rows = app.flame.rows(area.width, first + height);
    for (down, cells) in (1u16..).zip(rows.iter().skip(first)) {
        for cell in cells {
            let at = Rect {
                x: area.x + cell.from,
                width: cell.to - cell.from,
                ..row(area, down)
            };
            let (label, mut style) = boxes.label(cell.node);
            if !wanted.is_empty() && label.to_lowercase().contains(&wanted) {
                style = style.add_modifier(Modifier::BOLD | Modifier::UNDERLINED);
            }
            if cell.node == chosen {
                style = reversed().add_modifier(Modifier::BOLD);
            }
            buffer.set_style(at, style);
            // The edge tells neighbours apart where they have the same colour, or none.
            put(buffer, at, 0, "▏", style);
            put(buffer, at, 1, &label, style);
        }
    }
}

struct Boxes<'a> {
    names: Names<'a>,
    tree: &'a Tree,
    app: &'a App,
}

impl Boxes<'_> {
    fn label(&self, node: NodeId) -> (String, Style) {
        let interner = self.names.interner;
        let code = |function, line| {
            let label = self.names.located(function, line);
            let style = self.app.palette.code(self.names.category(function), &label);
            (label, style)
        };
        let other = |label: String| {
            let style = self.app.palette.code(Category::Structure, &label);
            (label, style)
        };
        match self.tree.node(node).key {
            None => other("all".to_owned()),
            Some(Part::Process(process)) => {
                let process = interner.process(process);
                let generation = process.generation;
                let generation = generation.map(|number| format!(", generation {number}"));
                other(format!(
                    "process {} {}{}",
                    process.pid,
                    program(&process.command),
                    generation.unwrap_or_default()
                ))
            }
            Some(Part::Function(function)) => {
                let first_line = interner.function(function).first_line;
                code(function, (first_line != 0).then_some(first_line))
            }
            Some(Part::Line(frame)) => {
                let frame = interner.frame(frame);
                code(frame.function, (frame.line != 0).then_some(frame.line))
            }
            Some(Part::NoFrame) => other("<no Python frame>".to_owned()),
        }
    }

    /// All that there is to say of a box.
    fn told(&self, node: NodeId) -> String {
        let (values, all) = (self.tree.node(node), self.tree.node(Tree::ROOT));
        let (total, own) = (values.total_values.wall, values.self_values.wall);
        let of_all = |time: Nanos| percent(share(time, all.total_values.wall));
        let span = match self.app.flame.span {
            Span::All => "all",
            Span::LastUpdate => "now",
        };
        let zoom = if self.app.flame.is_zoomed() {
            ", zoomed"
        } else {
            ""
        };
        format!(
            "[{span}{zoom}] {} {}, own {}: {}",
            of_all(total),
            spent(total),
            of_all(own),
            self.label(node).0
        )
    }
}
