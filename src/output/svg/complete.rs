//! Adds to inferno's document what inferno was not given: names, colours, legend and notes.

use std::borrow::Cow;
use std::io::{self, Write};

use quick_xml::events::{BytesEnd, BytesStart, BytesText, Event};
use quick_xml::{Reader, Writer};

use super::{FONT_SIZE, Graph, LegendEntry};
use crate::model::visible_text;
use crate::output::naming::PathElement;
use crate::profile::tree::NodeId;

/// Height that the legend adds above the boxes, and each note below them.
const LEGEND_HEIGHT: usize = 22;
const NOTE_HEIGHT: usize = 16;

/// Widths in the legend: of a colour sample, of a character, and between two entries.
const LEGEND_SAMPLE: i64 = 18;
const LEGEND_CHARACTER: i64 = 7;
const LEGEND_GAP: i64 = 14;

/// The most notes that are shown.
const NOTES: usize = 8;

/// The width of a character and of all boxes together, as inferno assumes them until the browser
/// measures.
const CHARACTER_WIDTH: f64 = 7.1;
const BOXES_WIDTH: f64 = 1180.0;

/// Copies inferno's document and completes it.
pub(super) fn complete(graph: &dyn Graph, laid_out: &[u8], out: &mut dyn Write) -> io::Result<()> {
    // A note may quote the target.
    let visible = |note: String| visible_text(&note).into_owned();
    let completer = Completer {
        graph,
        notes: graph.notes().into_iter().take(NOTES).map(visible).collect(),
    };
    completer.copy(laid_out, out)
}

struct Completer<'a> {
    graph: &'a dyn Graph,
    notes: Vec<String>,
}

impl Completer<'_> {
    fn copy(&self, laid_out: &[u8], out: &mut dyn Write) -> io::Result<()> {
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
                event => self.copy_event(&mut document, event, &mut writer)?,
            }
        }
    }

    fn copy_event(
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
                document.node = self.graph.drawn().node_of_title(&text);
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
                let tag = match self.graph.fill(document.node) {
                    Some(fill) => changed(&tag, &[("fill", &fill)])?,
                    None => tag,
                };
                writer.write_event(Event::Empty(tag))
            }
            Event::Start(tag) if document.in_frames && tag.name().as_ref() == b"text" => {
                document.in_label = true;
                writer.write_event(Event::Start(tag))
            }
            Event::Text(_) if document.in_label => Ok(()),
            Event::End(tag) if document.in_label => {
                document.in_label = false;
                let drawn = self.graph.drawn();
                let label = truncated(drawn.tree.label(document.node), document.fitting);
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
                writer.write_event(Event::Text(BytesText::from_escaped(self.graph.style())))?;
                writer.write_event(Event::End(tag))
            }
            other => writer.write_event(other),
        }
    }

    /// The first `svg` element is the document itself, the second holds the boxes.
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
            let notes = self.notes.len() * NOTE_HEIGHT;
            document.height = laid_out + LEGEND_HEIGHT + notes;
            document.notes_top = laid_out + LEGEND_HEIGHT - FONT_SIZE / 2;
            let height = document.height.to_string();
            let view = format!("0 0 1200 {height}");
            let changes: [(&str, &str); 2] = [("height", &height), ("viewBox", &view)];
            return writer.write_event(Event::Start(changed(tag, &changes)?));
        }
        self.write_legend(writer)?;
        for (index, note) in self.notes.iter().enumerate() {
            let y = (document.notes_top + index * NOTE_HEIGHT).to_string();
            let place = [("class", "note"), ("x", "10"), ("y", &y)];
            write_text(writer, &place, note)?;
        }
        document.in_frames = true;
        let down = LEGEND_HEIGHT.to_string();
        writer.write_event(Event::Start(changed(tag, &[("y", &down)])?))
    }

    fn write_legend(&self, writer: &mut Writer<&mut dyn Write>) -> io::Result<()> {
        let entries = self.graph.legend();
        let width = |entry: &LegendEntry| {
            let sample = if entry.fill.is_some() {
                LEGEND_SAMPLE
            } else {
                0
            };
            sample + entry.text.chars().count() as i64 * LEGEND_CHARACTER + LEGEND_GAP
        };
        let total: i64 = entries.iter().map(width).sum();

        // Placed relative to the middle, where it stays whatever the width is.
        let group = [
            ("class", "legend"),
            ("x", "50%"),
            ("y", "58"),
            ("overflow", "visible"),
        ];
        writer.write_event(Event::Start(BytesStart::new("svg").with_attributes(group)))?;
        let mut x = (LEGEND_GAP - total) / 2;
        for entry in &entries {
            let mut text_x = x;
            if let Some(fill) = &entry.fill {
                let x = x.to_string();
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
            write_text(
                writer,
                &[("x", &text_x.to_string()), ("y", "12")],
                &entry.text,
            )?;
            x += width(entry);
        }
        writer.write_event(Event::End(BytesEnd::new("svg")))
    }

    /// The tooltip of a box. The script takes everything before the last `(` for the label, so nothing
    /// after that may hold one.
    fn tooltip(&self, id: NodeId) -> String {
        let drawn = self.graph.drawn();
        let mut text = format!("{} ({}", drawn.tree.label(id), self.graph.figures(id));
        if let Some(PathElement::Frame(frame)) = drawn.tree.element(id) {
            let file = drawn.names.full_file(frame).replace('(', "\\x28");
            if !file.is_empty() {
                text.push('\n');
                text.push_str(&file);
                if let Some(line) = drawn.names.line(frame) {
                    text.push_str(&format!(":{line}"));
                }
            }
        }
        text.push(')');
        text
    }
}

/// The current position in inferno's document.
#[derive(Default)]
struct Document {
    /// Height of the whole document; 0 until it is known.
    height: usize,
    notes_top: usize,
    in_frames: bool,
    in_title: bool,
    in_label: bool,
    node: NodeId,
    /// The number of characters that fit into the box.
    fitting: usize,
}

fn truncated(label: &str, fitting: usize) -> Cow<'_, str> {
    if label.chars().count() <= fitting {
        return Cow::Borrowed(label);
    }
    // There must be room for one character and two dots.
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

/// The tag with these attributes replaced or added.
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
