//! Names made to hurt, in functions, files, threads, labels and arguments: every output must still be read
//! by a real reader of its format, and show each name in its escaped form.

mod profiles;

use std::collections::BTreeMap;
use std::io::Cursor;

use profiles::{Builder, options_with, render, render_difference};
use quick_xml::events::Event;
use spyhole::output::{ChromeTrace, Flamegraph, Raw, RenderOptions, Speedscope};
use spyhole::profile::Profile;

/// A name as a target may have it, and as every output shows it, collapsed stacks apart.
const NAMES: &[(&str, &str)] = &[
    (
        "\x1b]0;owned\x07\x1b[31mred",
        "\\x1b]0;owned\\x07\\x1b[31mred",
    ),
    ("\u{9b}31m", "\\x9b31m"),
    (
        "</script><script>alert(1)</script>",
        "</script><script>alert(1)</script>",
    ),
    ("]]><x>&amp;&lt;&#0;", "]]><x>&amp;&lt;&#0;"),
    ("\u{202e}gnp.exe\u{2066}", "\\u202egnp.exe\\u2066"),
    ("a\nb 99\r\nc 5", "a\\nb 99\\r\\nc 5"),
    ("a;b;c", "a;b;c"),
    ("f 12", "f 12"),
    ("g 12 13", "g 12 13"),
    ("h 1.5", "h 1.5"),
    ("99", "99"),
    ("# comment", "# comment"),
    (" leading and trailing ", " leading and trailing "),
    ("\"quoted\" 'both' `ways` \\", "\"quoted\" 'both' `ways` \\"),
    ("null\0byte\u{fffe}\u{ffff}", "null\\x00byte\\ufffe\\uffff"),
    (r"lone \udcff surrogate", r"lone \udcff surrogate"),
    ("tab\tand\u{2028}line\u{85}", "tab\\tand\\u2028line\\x85"),
    ("zero\u{200b}width\u{feff}", "zero\\u200bwidth\\ufeff"),
    ("имя 💩 名前 e\u{301}", "имя 💩 名前 e\u{301}"),
    ("jit_[j]", "jit_[j]"),
    ("-", "-"),
    ("--", "--"),
    ("n0000000001", "n0000000001"),
    ("(((((", "((((("),
    ("", ""),
];

fn with_roots() -> RenderOptions {
    options_with(|it| {
        it.threads = true;
        it.processes = true;
    })
}

/// Each name once as a bare function without a file, which makes it a leaf of its own, once with
/// itself as file, once as a thread's name, once as key and value of a label, and all of them as
/// arguments.
fn hostile() -> Profile {
    let command: Vec<&str> = ["python", "app.py"]
        .into_iter()
        .chain(NAMES.iter().map(|(name, _)| *name))
        .collect();
    let mut builder = Builder::new(7, &command);
    let process = builder.process(7, None, &command);
    for (index, (name, _)) in NAMES.iter().enumerate() {
        let tick = index as u64;
        let thread = builder.thread(process, 100 + index as i32, Some(name));
        let bare = builder.stack(&[(name, "", "", 0, 0)]);
        let filed = builder.stack(&[(name, name, name, 1, 3), (name, name, name, 1, 0)]);
        builder.label(&[(name, name)]);
        builder.sample(thread, bare, 2 * tick);
        builder.sample(thread, filed, 2 * tick + 1);
    }
    builder.profile.recording.notes = NAMES.iter().map(|(name, _)| (*name).to_owned()).collect();
    builder.finish(2 * NAMES.len() as u64)
}

fn shown_function(shown: &str) -> String {
    if shown.is_empty() {
        "<unnamed>".to_owned()
    } else {
        shown.to_owned()
    }
}

/// The label of a frame that has the name also as its file.
fn filed_label(shown: &str, line: Option<u32>) -> String {
    let name = shown_function(shown);
    match line {
        Some(line) => format!("{name} ({shown}:{line})"),
        None if shown.is_empty() => name,
        None => format!("{name} ({shown})"),
    }
}

fn thread_label(index: usize, shown: &str) -> String {
    format!("thread ({}): {shown}", 100 + index)
}

fn assert_nothing_unseen(text: &str) {
    for c in text.chars() {
        let unseen = (c.is_control() && c != '\n')
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}');
        assert!(!unseen, "{c:?} in the output");
    }
}

#[test]
fn collapsed_stacks_keep_frames_and_counts_apart() {
    let text = render(&Raw, &hostile(), &with_roots());
    assert_nothing_unseen(&text);

    let mut lines = BTreeMap::new();
    for line in text.lines() {
        let (stack, count) = line.rsplit_once(' ').expect("a count");
        assert_eq!(count, "1", "{line}");
        lines.insert(stack.split(';').map(str::to_owned).collect::<Vec<_>>(), ());
    }
    assert_eq!(lines.len(), 2 * NAMES.len());
    // Only the space before a number, or at the end, of the last frame is written otherwise.
    let semicolon = |text: String| text.replace(';', "\\x3b");
    for (index, (_, shown)) in NAMES.iter().enumerate() {
        let thread = semicolon(thread_label(index, shown));
        let leaf = match *shown {
            "f 12" => "f\\x2012".to_owned(),
            "g 12 13" => "g 12\\x2013".to_owned(),
            "h 1.5" => "h\\x201.5".to_owned(),
            "a\\nb 99\\r\\nc 5" => "a\\nb 99\\r\\nc\\x205".to_owned(),
            " leading and trailing " => " leading and trailing\\x20".to_owned(),
            other => semicolon(shown_function(other)),
        };
        let bare = lines
            .keys()
            .find(|frames| frames.len() == 3 && frames[1] == thread);
        assert_eq!(bare.map(|frames| frames[2].clone()), Some(leaf));
        let filed = lines
            .keys()
            .find(|frames| frames.len() == 4 && frames[1] == thread);
        let filed = filed.unwrap_or_else(|| panic!("the stack of {shown} is broken"));
        assert_eq!(filed[2], semicolon(filed_label(shown, Some(3))));
        assert_eq!(filed[3], semicolon(filed_label(shown, None)));
    }
}

/// inferno's own parser, for which a second number makes a differential profile and `# ` a comment.
#[test]
fn inferno_reads_every_collapsed_stack_as_what_it_is() {
    for options in [with_roots(), RenderOptions::default()] {
        let text = render(&Raw, &hostile(), &options);
        let mut svg = Vec::new();
        let mut inferno = inferno::flamegraph::Options::default();
        inferno::flamegraph::from_reader(&mut inferno, Cursor::new(&text), &mut svg)
            .expect("collapsed stacks");
        let svg = String::from_utf8(svg).expect("UTF-8");
        let samples = 2 * NAMES.len();
        assert!(
            svg.contains(&format!("total_samples=\"{samples}\"")),
            "some line was not read"
        );
        assert!(
            !svg.contains("%; "),
            "some line was taken for a differential one"
        );
    }
}

#[test]
fn the_flamegraph_is_xml_and_its_tooltips_hold_the_names() {
    assert_tooltips(&render(&Flamegraph, &hostile(), &with_roots()));
}

#[test]
fn so_is_the_flamegraph_of_a_difference() {
    let mut changed = hostile();
    changed.recording.notes.clear();
    assert_tooltips(&render_difference(&hostile(), &changed, &with_roots()));
}

fn assert_tooltips(text: &str) {
    assert_nothing_unseen(text);
    let mut titles = Vec::new();
    let mut scripts = 0;
    let mut reader = quick_xml::Reader::from_str(text);
    reader.config_mut().check_comments = true;
    let mut title = None;
    loop {
        match reader.read_event().expect("well-formed XML") {
            Event::Eof => break,
            Event::Start(tag) if tag.name().as_ref() == b"title" => title = Some(String::new()),
            Event::Start(tag) if tag.name().as_ref() == b"script" => scripts += 1,
            Event::Text(text) => {
                if let Some(title) = &mut title {
                    title.push_str(&text.decode().expect("UTF-8"));
                }
            }
            Event::GeneralRef(entity) => {
                let entity = entity.decode().expect("UTF-8");
                let entity = format!("&{entity};");
                let plain = quick_xml::escape::unescape(&entity).expect("a known entity");
                if let Some(title) = &mut title {
                    title.push_str(&plain);
                }
            }
            Event::End(tag) if tag.name().as_ref() == b"title" => titles.extend(title.take()),
            _ => {}
        }
    }
    assert_eq!(scripts, 1);
    for (index, (_, shown)) in NAMES.iter().enumerate() {
        for label in [
            shown_function(shown),
            filed_label(shown, Some(3)),
            filed_label(shown, None),
            thread_label(index, shown),
        ] {
            let found = titles
                .iter()
                .find(|title| title.starts_with(&format!("{label} (")));
            let title = found.unwrap_or_else(|| panic!("no tooltip for {label}"));
            // What the script shows in a box is the tooltip without its last parentheses.
            let (shown, _) = title.rsplit_once('(').expect("figures");
            assert_eq!(shown, format!("{label} "));
        }
    }
}

#[test]
fn speedscope_holds_the_names() {
    let text = render(&Speedscope, &hostile(), &with_roots());
    assert_nothing_unseen(&text);
    let json: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let frames = json["shared"]["frames"].as_array().expect("frames");
    let profiles = json["profiles"].as_array().expect("profiles");
    for (index, (_, shown)) in NAMES.iter().enumerate() {
        let name = shown_function(shown);
        assert!(
            frames
                .iter()
                .any(|frame| frame["name"] == *name && frame["file"] == *shown)
        );
        let title = format!("Process 7 Thread {} \"{shown}\"", 100 + index);
        assert!(
            profiles.iter().any(|profile| profile["name"] == *title),
            "{title}"
        );
    }
}

#[test]
fn chrometrace_holds_the_names() {
    let text = render(&ChromeTrace, &hostile(), &with_roots());
    assert_nothing_unseen(&text);
    let json: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let events = json.as_array().expect("an array");
    for (_, shown) in NAMES {
        let name = shown_function(shown);
        assert!(
            events
                .iter()
                .any(|e| e["name"] == *name && e["args"]["filename"] == *shown)
        );
        let labelled = |e: &serde_json::Value| e["args"]["labels"][shown] == *shown;
        assert!(shown.is_empty() || events.iter().any(labelled), "{shown}");
        let is_thread = |e: &&serde_json::Value| e["name"] == "thread_name";
        assert!(
            events
                .iter()
                .filter(is_thread)
                .any(|e| e["args"]["name"] == *shown)
        );
    }
}
