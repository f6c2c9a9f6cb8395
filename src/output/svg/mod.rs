//! A flamegraph to zoom and search in a browser, callers above callees.
//!
//! inferno does the layout and provides the script. It is given a number for each box instead of a name,
//! so no name can be taken for syntax. Names, tooltips, colours, legend and style are added afterwards. A
//! [`Graph`] says what to show, of one profile or of the difference of two.

mod complete;
mod difference;
mod drawn;
mod plain;

use std::io::{self, Write};

use inferno::flamegraph::{Direction, Options, TextTruncateDirection, from_lines};

use super::{About, Format, OutputError, RenderOptions, Unit};
use crate::profile::Profile;
use crate::profile::tree::NodeId;
pub(super) use difference::write as write_difference;
use drawn::DrawnTree;
use plain::Plain;

const FONT_SIZE: usize = 12;
const FRAME_HEIGHT: usize = 18;

/// For one profile and for a difference.
const DEFAULT_UNIT: Unit = Unit::Wall;

/// An SVG to zoom and search in a browser.
#[derive(Clone, Copy, Debug)]
pub struct Flamegraph;

impl Format for Flamegraph {
    fn about(&self) -> &'static About {
        &About {
            name: "flamegraph",
            summary: "An SVG to zoom and search in a browser",
            noun: "flamegraph data",
            endings: &["svg"],
            default_unit: Some(DEFAULT_UNIT),
            needs_thread_names: false,
            needs_timeline: false,
            keeps_up_to_date: false,
            hint: None,
        }
    }

    fn write(
        &self,
        profile: &Profile,
        options: &RenderOptions,
        out: &mut dyn Write,
    ) -> Result<(), OutputError> {
        Ok(draw(&Plain::new(profile, options), out)?)
    }
}

/// What to show. All texts are plain and are escaped where they are written.
trait Graph {
    fn drawn(&self) -> &DrawnTree<'_>;

    /// The weight of each node before the change, in a comparison.
    fn before(&self) -> Option<&[u64]>;

    fn title(&self) -> String;

    fn subtitle(&self) -> String;

    /// What the colours mean.
    fn legend(&self) -> Vec<LegendEntry>;

    /// The lines below the boxes. They may quote the target.
    fn notes(&self) -> Vec<String>;

    /// The style sheet that is added to inferno's own.
    fn style(&self) -> String;

    /// The colour of a box; `None` to keep inferno's.
    fn fill(&self, id: NodeId) -> Option<String>;

    /// The figures in a box's tooltip, without any parenthesis.
    fn figures(&self, id: NodeId) -> String;
}

struct LegendEntry {
    /// The colour that is explained, if the entry is about one.
    fill: Option<String>,
    text: String,
}

impl LegendEntry {
    fn text(text: String) -> LegendEntry {
        LegendEntry { fill: None, text }
    }

    fn colour(fill: String, text: String) -> LegendEntry {
        LegendEntry {
            fill: Some(fill),
            text,
        }
    }
}

fn draw(graph: &dyn Graph, out: &mut dyn Write) -> io::Result<()> {
    let lines = graph.drawn().lines(graph.before());
    let mut laid_out = Vec::new();
    from_lines(
        &mut inferno_options(graph),
        lines.iter().map(String::as_str),
        &mut laid_out,
    )?;
    complete::complete(graph, &laid_out, out)
}

fn inferno_options(graph: &dyn Graph) -> Options<'static> {
    let mut options = Options::default();
    options.direction = Direction::Inverted;
    options.title = graph.title();
    options.subtitle = Some(graph.subtitle());
    options.font_size = FONT_SIZE;
    options.frame_height = FRAME_HEIGHT;
    options.text_truncate_direction = TextTruncateDirection::Right;
    // Boxes that are too narrow were left out already.
    options.min_width = 0.0;
    options.name_type = String::new();
    options.deterministic = true;
    options
}
