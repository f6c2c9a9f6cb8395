//! A flamegraph to zoom and search in a browser, callers above callees.
//!
//! inferno lays it out and brings what makes it move. It is given a number for each box, not a
//! name, so no name can be taken for syntax; names, tooltips, colours, legend and style are put in
//! afterwards. The width of a box is wall time unless asked otherwise: a late tick does not distort it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{self, Write};

use inferno::flamegraph::{Direction, Options, TextTruncateDirection, from_lines};
use quick_xml::events::{BytesEnd, BytesStart, BytesText, Event};
use quick_xml::{Reader, Writer};
use rustc_hash::FxHashMap;

use super::category::Category;
use super::escape::visible;
use super::naming::{Names, Place};
use super::palette::{Shade, style};
use super::title::{counted, quality, seconds, title};
use super::tree::{Descend, NodeId, Tree};
use super::{OutputError, RenderOptions, Unit};
use crate::model::TargetStr;
use crate::profile::Profile;

/// Boxes narrower than this share of the whole are left out.
const NARROWEST: f64 = 0.001;

const FONT_SIZE: usize = 12;
const FRAME_HEIGHT: usize = 18;

/// What the legend adds to the height above the boxes, and a note below them.
const LEGEND_HEIGHT: usize = 22;
const NOTE_HEIGHT: usize = 16;

/// Widths within the legend: of a sample of colour, a character, and what is between two entries.
const LEGEND_SAMPLE: i64 = 18;
const LEGEND_CHARACTER: i64 = 7;
const LEGEND_GAP: i64 = 14;

/// Notes that are shown.
const NOTES: usize = 8;

/// How wide a character of the font is, and how wide the boxes are together, as long as no browser
/// has measured: inferno's own figures.
const CHARACTER_WIDTH: f64 = 7.1;
const BOXES_WIDTH: f64 = 1180.0;

pub(super) fn write(
    profile: &Profile,
    options: &RenderOptions,
    out: &mut dyn Write,
) -> Result<(), OutputError> {
    let tree = Tree::new(profile, options);
    let names = Names {
        interner: &profile.interner,
        options,
    };
    let unit = options.unit.unwrap_or(Unit::Wall);
    let graph = Graph {
        unit,
        weights: tree.weights(|own| unit.of(own)),
        categories: categories(&tree, names),
        names,
        tree,
        profile,
    };
    let mut laid_out = Vec::new();
    from_lines(
        &mut graph.inferno_options(),
        graph.lines().iter().map(String::as_str),
        &mut laid_out,
    )?;
    graph.furnish(&laid_out, out)?;
    Ok(())
}

/// The category of each node.
fn categories(tree: &Tree, names: Names<'_>) -> Vec<Category> {
    let mut known = FxHashMap::default();
    let of_node = |id| match tree.node(id).place {
        Some(Place::Frame(frame)) => *known.entry(frame).or_insert_with(|| {
            Category::of_file(&names.full_file(frame), &names.short_file(frame))
        }),
        _ => Category::Structure,
    };
    tree.ids().map(of_node).collect()
}

struct Graph<'a> {
    unit: Unit,
    tree: Tree,
    /// Of each node with all below it.
    weights: Vec<u64>,
    categories: Vec<Category>,
    names: Names<'a>,
    profile: &'a Profile,
}

impl Graph<'_> {
    fn inferno_options(&self) -> Options<'static> {
        let mut options = Options::default();
        options.direction = Direction::Inverted;
        options.title = title(self.profile);
        let quality = quality(self.profile);
        options.subtitle = Some(match self.unit {
            Unit::Wall => quality,
            Unit::Samples => format!("{quality} · widths are samples"),
            Unit::Cpu => format!("{quality} · widths are CPU time"),
        });
        options.font_size = FONT_SIZE;
        options.frame_height = FRAME_HEIGHT;
        options.text_truncate_direction = TextTruncateDirection::Right;
        // What is too narrow is left out before.
        options.min_width = 0.0;
        options.name_type = String::new();
        options.deterministic = true;
        options
    }

    /// Collapsed stacks of node numbers, in the order of the tree. What is too narrow for a box of
    /// its own counts for its caller.
    fn lines(&self) -> Vec<String> {
        let least = (self.weight(Tree::ROOT) as f64 * NARROWEST).ceil() as u64;
        let mut lines = Vec::new();
        let mut path = String::new();
        self.tree.walk(|id, depth| {
            if self.weight(id) < least {
                return Descend::No;
            }
            if depth > 0 {
                path.truncate((depth - 1) * NAME_LENGTH);
                path.push_str(&number_name(id));
            }
            let shown = self
                .tree
                .node(id)
                .children
                .iter()
                .map(|&child| self.weight(child));
            let shown: u64 = shown.filter(|&weight| weight >= least).sum();
            let own = self.weight(id) - shown;
            if own > 0 && depth > 0 {
                // Without the semicolon that ends the last name.
                lines.push(format!("{} {own}", &path[..path.len() - 1]));
            }
            Descend::Yes
        });
        lines
    }

    fn weight(&self, id: NodeId) -> u64 {
        self.weights[id.index()]
    }

    /// Copies what inferno wrote and puts in what it was not told.
    fn furnish(&self, laid_out: &[u8], out: &mut dyn Write) -> io::Result<()> {
        let mut reader = Reader::from_reader(laid_out);
        let mut writer = Writer::new(out);
        let mut buffer = Vec::new();
        let mut document = Document::default();
        loop {
            buffer.clear();
            match reader
                .read_event_into(&mut buffer)
                .map_err(io::Error::other)?
            {
                Event::Eof => return Ok(()),
                event => self.furnish_event(&mut document, event, &mut writer)?,
            }
        }
    }

    fn furnish_event(
        &self,
        document: &mut Document,
        event: Event<'_>,
        writer: &mut Writer<&mut dyn Write>,
    ) -> io::Result<()> {
        match event {
            Event::Start(tag) if tag.name().as_ref() == b"title" => {
                document.in_title = true;
                writer.write_event(Event::Start(tag))
            }
            Event::Text(text) if document.in_title => {
                document.node = parse_number_name(&text);
                writer.write_event(Event::Text(BytesText::new(&self.tooltip(document.node))))
            }
            Event::End(tag) if tag.name().as_ref() == b"title" => {
                document.in_title = false;
                writer.write_event(Event::End(tag))
            }
            Event::Empty(tag) if document.in_frames && tag.name().as_ref() == b"rect" => {
                let width = attribute(&tag, "width")?.unwrap_or_default();
                let share: f64 = width.trim_end_matches('%').parse().unwrap_or(0.0);
                document.fitting = (share / 100.0 * BOXES_WIDTH / CHARACTER_WIDTH) as usize;
                let fill = self.shade(document.node).light();
                writer.write_event(Event::Empty(changed(&tag, &[("fill", &fill)])?))
            }
            Event::Start(tag) if document.in_frames && tag.name().as_ref() == b"text" => {
                document.in_label = true;
                writer.write_event(Event::Start(tag))
            }
            Event::Text(_) if document.in_label => Ok(()),
            Event::End(tag) if document.in_label => {
                document.in_label = false;
                let label = truncated(self.tree.label(document.node), document.fitting);
                writer.write_event(Event::Text(BytesText::new(&label)))?;
                writer.write_event(Event::End(tag))
            }
            Event::Start(tag) if tag.name().as_ref() == b"svg" => {
                self.open_svg(document, &tag, writer)
            }
            Event::Empty(tag)
                if attribute(&tag, "fill")?.as_deref() == Some("url(#background)") =>
            {
                let height = document.height.to_string();
                writer.write_event(Event::Empty(changed(&tag, &[("height", &height)])?))
            }
            Event::Start(tag) if tag.name().as_ref() == b"text" => {
                let tag = match attribute(&tag, "id")?.as_deref() {
                    Some("details" | "matched") => moved_down(&tag)?,
                    _ => tag,
                };
                writer.write_event(Event::Start(tag))
            }
            Event::End(tag) if tag.name().as_ref() == b"style" => {
                writer.write_event(Event::Text(BytesText::from_escaped(style())))?;
                writer.write_event(Event::End(tag))
            }
            other => writer.write_event(other),
        }
    }

    /// The first is the document itself, the second holds the boxes.
    fn open_svg(
        &self,
        document: &mut Document,
        tag: &BytesStart<'_>,
        writer: &mut Writer<&mut dyn Write>,
    ) -> io::Result<()> {
        if document.height == 0 {
            let laid_out: usize = attribute(tag, "height")?
                .and_then(|height| height.parse().ok())
                .ok_or_else(|| io::Error::other("inferno's SVG has no height"))?;
            let notes = self.notes().count() * NOTE_HEIGHT;
            document.height = laid_out + LEGEND_HEIGHT + notes;
            document.notes_top = laid_out + LEGEND_HEIGHT - FONT_SIZE / 2;
            let height = document.height.to_string();
            let view = format!("0 0 1200 {height}");
            let changes: [(&str, &str); 2] = [("height", &height), ("viewBox", &view)];
            return writer.write_event(Event::Start(changed(tag, &changes)?));
        }
        self.write_legend(writer)?;
        for (index, note) in self.notes().enumerate() {
            let y = (document.notes_top + index * NOTE_HEIGHT).to_string();
            let place = [("class", "note"), ("x", "10"), ("y", &y)];
            write_text(writer, &place, &note)?;
        }
        document.in_frames = true;
        let down = LEGEND_HEIGHT.to_string();
        writer.write_event(Event::Start(changed(tag, &[("y", &down)])?))
    }

    fn notes(&self) -> impl Iterator<Item = String> {
        // A note may quote the target.
        let visible = |note: &String| visible(&TargetStr::new(note.as_str())).into_owned();
        self.profile.recording.notes.iter().take(NOTES).map(visible)
    }

    /// For each category that was met its colour, and its share of the time on its own account.
    fn write_legend(&self, writer: &mut Writer<&mut dyn Write>) -> io::Result<()> {
        let mut own: BTreeMap<Category, u64> = BTreeMap::new();
        for id in self.tree.ids() {
            *own.entry(self.category(id)).or_default() += self.unit.of(self.tree.node(id).own);
        }
        let all = self.weight(Tree::ROOT).max(1) as f64;
        let mut entries = vec![(None, "own time:".to_owned())];
        for category in Category::OF_CODE {
            if let Some(&own) = own.get(&category) {
                let share = 100.0 * own as f64 / all;
                entries.push((Some(category), format!("{} {share:.1}%", category.title())));
            }
        }
        let width = |category: Option<Category>, text: &str| {
            let sample = if category.is_some() { LEGEND_SAMPLE } else { 0 };
            sample + text.chars().count() as i64 * LEGEND_CHARACTER + LEGEND_GAP
        };
        let total: i64 = entries
            .iter()
            .map(|(category, text)| width(*category, text))
            .sum();

        // Placed from the middle, so that it stays there whatever the width.
        let group = [
            ("class", "legend"),
            ("x", "50%"),
            ("y", "58"),
            ("overflow", "visible"),
        ];
        writer.write_event(Event::Start(BytesStart::new("svg").with_attributes(group)))?;
        let mut x = (LEGEND_GAP - total) / 2;
        for (category, text) in &entries {
            let mut text_x = x;
            if let Some(category) = *category {
                let (fill, x) = (Shade::typical(category).light(), x.to_string());
                let place = [
                    ("x", x.as_str()),
                    ("y", "2"),
                    ("width", "12"),
                    ("height", "12"),
                ];
                let mut sample = BytesStart::new("rect").with_attributes(place);
                sample.push_attribute(("fill", fill.as_str()));
                writer.write_event(Event::Empty(sample))?;
                text_x += LEGEND_SAMPLE;
            }
            write_text(writer, &[("x", &text_x.to_string()), ("y", "12")], text)?;
            x += width(*category, text);
        }
        writer.write_event(Event::End(BytesEnd::new("svg")))
    }

    /// What a box says when pointed at. The script takes what stands before the last `(` for the
    /// box's label, so there is none after it.
    fn tooltip(&self, id: NodeId) -> String {
        let total = self.tree.node(id).total;
        let share = 100.0 * self.weight(id) as f64 / self.weight(Tree::ROOT).max(1) as f64;
        let mut text = format!(
            "{} ({}, {}, {share:.2}%",
            self.tree.label(id),
            counted(total.count, "sample"),
            match self.unit {
                Unit::Samples | Unit::Wall => seconds(total.wall),
                Unit::Cpu => format!("{} of CPU time", seconds(total.cpu)),
            },
        );
        if total.unproven > 0 {
            text.push_str(&format!(", {} unproven", total.unproven));
        }
        if let Some(Place::Frame(frame)) = self.tree.node(id).place {
            let file = self.names.full_file(frame).replace('(', "\\x28");
            if !file.is_empty() {
                text.push('\n');
                text.push_str(&file);
                if let Some(line) = self.names.line(frame) {
                    text.push_str(&format!(":{line}"));
                }
            }
        }
        text.push(')');
        text
    }

    fn category(&self, id: NodeId) -> Category {
        self.categories[id.index()]
    }

    fn shade(&self, id: NodeId) -> Shade {
        let name = match self.tree.node(id).place {
            // Lines of one function have one colour.
            Some(Place::Frame(frame)) => Cow::Owned(self.names.function_name(frame)),
            _ => Cow::Borrowed(self.tree.label(id)),
        };
        Shade::of(self.category(id), &name)
    }
}

/// Where we are in inferno's document.
#[derive(Default)]
struct Document {
    /// Of the whole; 0 before it is known.
    height: usize,
    notes_top: usize,
    in_frames: bool,
    in_title: bool,
    in_label: bool,
    node: NodeId,
    /// Characters that fit into the box.
    fitting: usize,
}

/// A node as a frame's name, semicolon included.
fn number_name(id: NodeId) -> String {
    format!("n{:010};", id.index())
}

const NAME_LENGTH: usize = 12;

/// The node that a title of inferno's is about; the one at the top, where it has a name of
/// inferno's own.
fn parse_number_name(title: &[u8]) -> NodeId {
    let digits = title
        .strip_prefix(b"n")
        .and_then(|rest| rest.get(..NAME_LENGTH - 2));
    let number = digits.and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
    number.map_or(Tree::ROOT, NodeId::from_index)
}

fn truncated(label: &str, fitting: usize) -> Cow<'_, str> {
    if label.chars().count() <= fitting {
        return Cow::Borrowed(label);
    }
    // Room for one character and two dots at least.
    if fitting < 3 {
        return Cow::Borrowed("");
    }
    let mut short: String = label.chars().take(fitting - 2).collect();
    short.push_str("..");
    Cow::Owned(short)
}

fn write_text(
    writer: &mut Writer<&mut dyn Write>,
    attributes: &[(&str, &str)],
    text: &str,
) -> io::Result<()> {
    let start = BytesStart::new("text").with_attributes(attributes.iter().copied());
    writer.write_event(Event::Start(start))?;
    writer.write_event(Event::Text(BytesText::new(text)))?;
    writer.write_event(Event::End(BytesEnd::new("text")))
}

fn attribute(tag: &BytesStart<'_>, name: &str) -> io::Result<Option<String>> {
    let attribute = tag.try_get_attribute(name).map_err(io::Error::other)?;
    Ok(attribute.map(|attribute| String::from_utf8_lossy(&attribute.value).into_owned()))
}

/// The tag with these attributes, replaced or added.
fn changed(tag: &BytesStart<'_>, changes: &[(&str, &str)]) -> io::Result<BytesStart<'static>> {
    let name = String::from_utf8_lossy(tag.name().as_ref()).into_owned();
    let mut result = BytesStart::new(name);
    for attribute in tag.attributes() {
        let attribute = attribute.map_err(io::Error::other)?;
        let key = attribute.key.as_ref();
        if !changes.iter().any(|(name, _)| name.as_bytes() == key) {
            result.push_attribute(attribute);
        }
    }
    result.extend_attributes(changes.iter().copied());
    Ok(result)
}

fn moved_down(tag: &BytesStart<'_>) -> io::Result<BytesStart<'static>> {
    let y: f64 = attribute(tag, "y")?
        .and_then(|y| y.parse().ok())
        .unwrap_or(0.0);
    changed(tag, &[("y", &format!("{:.2}", y + LEGEND_HEIGHT as f64))])
}
