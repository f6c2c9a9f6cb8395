//! JSON for <https://www.speedscope.app>: a profile of sampled stacks per thread, in the order of time.
//! The format is described at <https://www.speedscope.app/file-format-schema.json>.
//!
//! The format has no labels, so stacks that differ only in these look the same. It has no gaps either, so
//! the samples of a thread follow each other even if the thread was idle in between.

use std::io::{self, Write};

use rustc_hash::FxHashMap;
use serde::Serialize;

use super::naming::Names;
use super::{About, Format, OutputError, RenderOptions, title};
use crate::model::{FrameId, Nanos, StackId, ThreadId};
use crate::profile::{Profile, Run, Timeline};

#[derive(Serialize, PartialEq, Eq, Hash, Clone)]
struct Frame {
    name: String,
    file: String,
    line: Option<u32>,
    col: Option<u32>,
}

/// JSON for <https://www.speedscope.app>.
#[derive(Clone, Copy, Debug)]
pub struct Speedscope;

impl Format for Speedscope {
    fn about(&self) -> &'static About {
        &About {
            name: "speedscope",
            summary: "JSON for speedscope.app",
            noun: "speedscope file",
            endings: &["json"],
            default_unit: None,
            needs_thread_names: true,
            needs_timeline: true,
            keeps_up_to_date: false,
            hint: Some("Visit https://www.speedscope.app/ to view"),
        }
    }

    fn write(
        &self,
        profile: &Profile,
        options: &RenderOptions,
        out: &mut dyn Write,
    ) -> Result<(), OutputError> {
        let names = Names {
            interner: &profile.interner,
            options,
        };
        let mut frames = Frames::new(names);
        let mut threads: Vec<(String, ThreadId)> = profile
            .timeline()
            .threads()
            .map(|thread| (thread_title(names, thread), thread))
            .collect();
        threads.sort();

        // Written piece by piece, since the runs may not fit into memory.
        write!(
            out,
            r#"{{"$schema":"https://www.speedscope.app/file-format-schema.json","activeProfileIndex":null,"exporter":{},"name":{},"profiles":["#,
            json(concat!("spyhole@", env!("CARGO_PKG_VERSION")))?,
            json(&title::title(profile))?,
        )?;
        for (index, (name, thread)) in threads.iter().enumerate() {
            if index > 0 {
                out.write_all(b",")?;
            }
            write_thread(profile.timeline(), *thread, name, &mut frames, out)?;
        }
        out.write_all(br#"],"shared":{"frames":"#)?;
        out.write_all(json(&frames.list)?.as_bytes())?;
        out.write_all(b"}}\n")?;
        Ok(())
    }
}

fn write_thread(
    timeline: &Timeline,
    thread: ThreadId,
    name: &str,
    frames: &mut Frames<'_>,
    out: &mut dyn Write,
) -> Result<(), OutputError> {
    write!(
        out,
        r#"{{"type":"sampled","name":{},"unit":"seconds","startValue":0.0,"samples":["#,
        json(name)?
    )?;
    let mut total = Nanos::ZERO;
    write_list(timeline.runs(thread), out, |run| {
        total = total.saturating_add(run.length);
        json(&frames.of(run.stack))
    })?;
    out.write_all(br#"],"weights":["#)?;
    write_list(timeline.runs(thread), out, |run| {
        json(&run.length.as_secs_f64())
    })?;
    write!(out, r#"],"endValue":{}}}"#, json(&total.as_secs_f64())?)?;
    Ok(())
}

fn write_list(
    runs: impl Iterator<Item = io::Result<Run>>,
    out: &mut dyn Write,
    mut item: impl FnMut(&Run) -> io::Result<String>,
) -> io::Result<()> {
    for (index, run) in runs.enumerate() {
        if index > 0 {
            out.write_all(b",")?;
        }
        out.write_all(item(&run?)?.as_bytes())?;
    }
    Ok(())
}

fn thread_title(names: Names<'_>, thread: ThreadId) -> String {
    let number = names.thread_number(thread);
    let title = match names.thread_name(thread) {
        Some(name) => format!("Thread {number} \"{name}\""),
        None => format!("Thread {number}"),
    };
    if names.options.processes {
        let pid = names.interner.thread(thread).key.pid;
        format!("Process {pid} {title}")
    } else {
        title
    }
}

fn json<T: Serialize + ?Sized>(value: &T) -> io::Result<String> {
    Ok(serde_json::to_string(value)?)
}

/// The frames that profiles refer to by index, each once.
struct Frames<'a> {
    names: Names<'a>,
    list: Vec<Frame>,
    positions: FxHashMap<Frame, usize>,
    known: FxHashMap<FrameId, usize>,
}

impl<'a> Frames<'a> {
    fn new(names: Names<'a>) -> Frames<'a> {
        Frames {
            names,
            list: Vec::new(),
            positions: FxHashMap::default(),
            known: FxHashMap::default(),
        }
    }

    /// The indices of a stack's frames, root first.
    fn of(&mut self, stack: StackId) -> Vec<usize> {
        let mut positions: Vec<usize> = self
            .names
            .interner
            .frames_of(stack)
            .map(|frame| self.position(frame))
            .collect();
        positions.reverse();
        positions
    }

    fn position(&mut self, id: FrameId) -> usize {
        if let Some(&position) = self.known.get(&id) {
            return position;
        }
        let frame = Frame {
            name: self.names.function_name(id),
            file: self.names.full_file(id),
            line: self.names.line(id),
            col: None,
        };
        let position = *self.positions.entry(frame).or_insert_with_key(|frame| {
            self.list.push(frame.clone());
            self.list.len() - 1
        });
        self.known.insert(id, position);
        position
    }
}
