//! JSON for `chrome://tracing` and <https://ui.perfetto.dev>: an array of events, one at the begin and
//! one at the end of each frame, in microseconds from the start of the recording. A frame lasts as long
//! as consecutive runs of its thread share it with the same labels, and ends where nothing of the thread
//! is counted. Labels are among the arguments of each frame.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde::Serialize;

use super::naming::Names;
use super::{About, Format, OutputError, RenderOptions, title};
use crate::model::{FrameId, LabelSetId, Nanos, ThreadId, visible};
use crate::profile::Profile;

#[derive(Serialize)]
struct Event<'a, A> {
    args: A,
    cat: &'a str,
    name: &'a str,
    ph: &'a str,
    pid: i32,
    tid: u64,
    /// Microseconds.
    ts: u64,
}

#[derive(Serialize)]
struct FrameArgs<'a> {
    filename: &'a str,
    line: Option<u32>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    labels: &'a BTreeMap<String, String>,
}

#[derive(Serialize)]
struct NameArgs<'a> {
    name: &'a str,
}

/// JSON for `chrome://tracing` and <https://ui.perfetto.dev>.
#[derive(Clone, Copy, Debug)]
pub struct ChromeTrace;

impl Format for ChromeTrace {
    fn about(&self) -> &'static About {
        &About {
            name: "chrometrace",
            summary: "JSON for chrome://tracing and ui.perfetto.dev",
            noun: "chrome trace",
            endings: &["json"],
            default_unit: None,
            needs_thread_names: true,
            needs_timeline: true,
            keeps_up_to_date: false,
            hint: Some("Visit chrome://tracing or https://ui.perfetto.dev/ to view"),
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
        let mut events = Events { out, first: true };
        for (_, process) in profile.interner.processes() {
            // The whole command line may hold secrets.
            let name = title::program(&process.command);
            events.name("process_name", process.pid.0, 0, &name)?;
        }
        for thread in profile.timeline().threads() {
            write_thread(profile, names, thread, &mut events)?;
        }
        events.end()?;
        Ok(())
    }
}

fn write_thread(
    profile: &Profile,
    names: Names<'_>,
    thread: ThreadId,
    events: &mut Events<'_>,
) -> io::Result<()> {
    let mut track = Track::new(names, thread);
    let name = names
        .thread_name(thread)
        .unwrap_or_else(|| names.thread_number(thread));
    events.name("thread_name", track.pid, track.tid, &name)?;

    // A gap up to this long between two runs does not mean that the thread was idle.
    let slack = Nanos(profile.recording.period().0 / 2);
    let mut stack: Vec<FrameId> = Vec::new();
    for run in profile.timeline().runs(thread) {
        let run = run?;
        let mut next: Vec<FrameId> = profile.interner.frames_of(run.stack).collect();
        next.reverse();
        let goes_on = run.start <= track.end.saturating_add(slack);
        let shared = if goes_on && run.labels == track.labels {
            track.shared(&stack, &next)
        } else {
            0
        };
        // Runs may overlap slightly if a clock was off. An event must never go back in time.
        let start = run.start.max(track.now);
        let ended = if goes_on {
            start
        } else {
            track.end.max(track.now)
        };
        track.emit(events, "E", stack[shared..].iter().rev(), ended)?;
        track.set_labels(run.labels);
        track.emit(events, "B", next[shared..].iter(), start)?;
        track.end = run.start.saturating_add(run.length);
        stack = next;
    }
    let end = track.end.max(track.now);
    track.emit(events, "E", stack.iter().rev(), end)
}

/// Writes the events of one thread.
struct Track<'a> {
    names: Names<'a>,
    pid: i32,
    tid: u64,
    /// The labels of the frames that have begun, and their text.
    labels: LabelSetId,
    label_texts: BTreeMap<String, String>,
    /// The end of the last run.
    end: Nanos,
    /// The time of the last event.
    now: Nanos,
}

impl<'a> Track<'a> {
    fn new(names: Names<'a>, thread: ThreadId) -> Track<'a> {
        let key = names.interner.thread(thread).key;
        Track {
            names,
            pid: key.pid.0,
            tid: key
                .tid
                .map_or(key.python_id, |tid| u64::from(tid.0.unsigned_abs())),
            labels: LabelSetId::EMPTY,
            label_texts: BTreeMap::new(),
            end: Nanos::ZERO,
            now: Nanos::ZERO,
        }
    }

    fn set_labels(&mut self, labels: LabelSetId) {
        if self.labels != labels {
            let interner = self.names.interner;
            let text = |id| visible(interner.text(id)).into_owned();
            let texts = interner.labels(labels).iter();
            self.label_texts = texts.map(|it| (text(it.key), text(it.value))).collect();
            self.labels = labels;
        }
    }

    /// The number of frames, from the root on, whose names are equal.
    fn shared(&self, a: &[FrameId], b: &[FrameId]) -> usize {
        let same = |a: FrameId, b: FrameId| {
            a == b
                || (self.names.line(a) == self.names.line(b)
                    && self.names.function_name(a) == self.names.function_name(b)
                    && self.names.full_file(a) == self.names.full_file(b))
        };
        a.iter().zip(b).take_while(|&(&a, &b)| same(a, b)).count()
    }

    fn emit<'f>(
        &mut self,
        events: &mut Events<'_>,
        phase: &str,
        frames: impl Iterator<Item = &'f FrameId>,
        at: Nanos,
    ) -> io::Result<()> {
        self.now = at;
        for &frame in frames {
            events.write(&Event {
                args: FrameArgs {
                    filename: &self.names.full_file(frame),
                    line: self.names.line(frame),
                    labels: &self.label_texts,
                },
                cat: "python",
                name: &self.names.function_name(frame),
                ph: phase,
                pid: self.pid,
                tid: self.tid,
                ts: at.0 / 1000,
            })?;
        }
        Ok(())
    }
}

/// A JSON array that is written one event at a time.
struct Events<'a> {
    out: &'a mut dyn Write,
    first: bool,
}

impl Events<'_> {
    fn name(&mut self, of: &str, pid: i32, tid: u64, name: &str) -> io::Result<()> {
        self.write(&Event {
            args: NameArgs { name },
            cat: "__metadata",
            name: of,
            ph: "M",
            pid,
            tid,
            ts: 0,
        })
    }

    fn write<A: Serialize>(&mut self, event: &Event<'_, A>) -> io::Result<()> {
        self.out.write_all(if self.first { b"[" } else { b",\n" })?;
        self.first = false;
        self.out.write_all(serde_json::to_string(event)?.as_bytes())
    }

    fn end(self) -> io::Result<()> {
        self.out
            .write_all(if self.first { b"[]\n" } else { b"]\n" })
    }
}
