//! Writes a profile file, piece by piece.

use std::io::{self, Write};

use flate2::Compression;
use flate2::write::GzEncoder;
use prost::Message;
use prost::encoding::{WireType, encode_key, encode_varint, message};
use rustc_hash::FxHashMap;

use super::convert::place;
use super::schema::{self, field};
use super::{FORMAT, LARGEST, MOST_RUNS};
use crate::model::{
    Counting, FrameId, FrameKind, FunctionId, HaltMethod, Interner, Program, TargetStr, Thread,
    ThreadId, visible, visible_text,
};
use crate::profile::{Entry, Profile, Recording};

/// The id of the only mapping.
const PROGRAM: u64 = 1;

/// Runs per message.
const RUNS_A_PIECE: usize = 1000;

/// Bytes that are reserved for what comes after the timeline, and for a last piece of it.
const RESERVE: u64 = 1 << 20;

/// Bytes per write to `out`.
const BYTES_A_WRITE: usize = 64 << 10;

/// Writes the profile, with comments that describe the recording to readers of pprof.
///
/// # Errors
/// When `out` cannot be written or the timeline's spill file cannot be read.
pub fn write(profile: &Profile, comments: &[String], out: &mut dyn Write) -> io::Result<()> {
    // Better compression takes eight times as long and saves a tenth.
    let mut zipped = GzEncoder::new(out, Compression::fast());
    let mut writer = Writer::new(&profile.interner, &mut zipped);
    writer.head(&profile.recording, comments)?;
    for (_, process) in profile.interner.processes() {
        writer.process(process)?;
    }
    for (_, thread) in profile.interner.threads() {
        writer.thread(thread)?;
    }
    for entry in profile.entries() {
        writer.sample(entry)?;
    }
    let missing = writer.timeline(profile, LARGEST - RESERVE)?;
    writer.end(profile, &missing)?;
    zipped.finish()?;
    Ok(())
}

/// What was written of the timeline and what was not.
#[derive(Debug, Default)]
struct Timeline {
    runs: u64,
    dropped: u64,
    failure: Option<String>,
}

/// Writes each item before the first reference to it.
struct Writer<'a, W> {
    interner: &'a Interner,
    out: W,
    /// Encoded, but not yet written to `out`.
    buffer: Vec<u8>,
    /// Bytes written to `out` so far.
    flushed: u64,
    strings: FxHashMap<Box<str>, i64>,
    functions: FxHashMap<FunctionId, u64>,
    locations: FxHashMap<FrameId, u64>,
}

impl<'a, W: Write> Writer<'a, W> {
    fn new(interner: &'a Interner, out: W) -> Writer<'a, W> {
        Writer {
            interner,
            out,
            buffer: Vec::with_capacity(2 * BYTES_A_WRITE),
            flushed: 0,
            strings: FxHashMap::default(),
            functions: FxHashMap::default(),
            locations: FxHashMap::default(),
        }
    }

    fn put(&mut self, field: u32, message: &impl Message) -> io::Result<()> {
        message::encode(field, message, &mut self.buffer);
        if self.buffer.len() >= BYTES_A_WRITE {
            self.flush()?;
        }
        Ok(())
    }

    fn put_number(&mut self, field: u32, number: u64) {
        encode_key(field, WireType::Varint, &mut self.buffer);
        encode_varint(number, &mut self.buffer);
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.write_all(&self.buffer)?;
        self.flushed += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    fn string(&mut self, text: &str) -> i64 {
        if let Some(&index) = self.strings.get(text) {
            return index;
        }
        let index = self.strings.len() as i64;
        self.strings.insert(text.into(), index);
        encode_key(field::STRING, WireType::LengthDelimited, &mut self.buffer);
        encode_varint(text.len() as u64, &mut self.buffer);
        self.buffer.extend_from_slice(text.as_bytes());
        index
    }

    /// The text as readers of pprof may print it and, if that differs, the original.
    fn shown(&mut self, text: &TargetStr) -> (i64, Option<i64>) {
        let shown = visible(text);
        let own = (shown != text.untrusted()).then(|| self.string(text.untrusted()));
        (self.string(&shown), own)
    }

    fn words(&mut self, command: &[TargetStr]) -> Vec<i64> {
        let words = Program::of(command).words;
        words
            .iter()
            .map(|word| self.string(word.untrusted()))
            .collect()
    }

    fn value_type(&mut self, field: u32, name: &str, unit: &str) -> io::Result<()> {
        let value_type = schema::ValueType {
            r#type: self.string(name),
            unit: self.string(unit),
        };
        self.put(field, &value_type)
    }

    fn head(&mut self, recording: &Recording, comments: &[String]) -> io::Result<()> {
        self.put_number(field::FORMAT, FORMAT);
        // pprof requires it to be the first string.
        self.string("");
        for (name, unit) in [
            ("samples", "count"),
            ("wall", "nanoseconds"),
            ("cpu", "nanoseconds"),
        ] {
            self.value_type(field::SAMPLE_TYPE, name, unit)?;
        }
        let wall = self.string("wall");
        self.put_number(field::DEFAULT_SAMPLE_TYPE, wall.cast_unsigned());
        self.value_type(field::PERIOD_TYPE, "wall", "nanoseconds")?;
        let started = i64::try_from(recording.started.as_nanosecond()).unwrap_or(0);
        self.put_number(field::PERIOD, recording.period().0);
        self.put_number(field::TIME_NANOS, started.cast_unsigned());
        self.put_number(
            field::DURATION_NANOS,
            signed(recording.duration.0).cast_unsigned(),
        );
        for comment in comments {
            let comment = self.string(&visible_text(comment));
            self.put_number(field::COMMENT, comment.cast_unsigned());
        }
        self.recording(recording, started)
    }

    fn recording(&mut self, recording: &Recording, started: i64) -> io::Result<()> {
        let words = Program::of(&recording.command).words;
        let mapping = schema::Mapping {
            id: PROGRAM,
            filename: words.first().map_or(0, |word| self.shown(word).0),
            has_functions: true,
            has_filenames: true,
            has_line_numbers: true,
        };
        self.put(field::MAPPING, &mapping)?;
        let message = schema::Recording {
            spyhole: self.string(&recording.spyhole),
            pid: recording.pid.0,
            command: self.words(&recording.command),
            python: recording.python.map(schema::Python::from),
            engine: self.string(&recording.engine),
            rate: recording.rate,
            started,
            duration: recording.duration.0,
            cpu: recording.cpu.map(|cpu| cpu.0),
            ending: recording.ending.map(schema::Ending::from),
            cpu_outside: recording.cpu_outside.map(|cpu| cpu.0),
            ticks: Some(recording.ticks.into()),
            halted: recording
                .halted
                .iter()
                .map(|it| place(&HaltMethod::ALL, it))
                .collect(),
            counting: place(&Counting::ALL, &recording.counting),
            labels_read: recording.labels_read,
            notes: recording
                .notes
                .iter()
                .map(|note| self.string(note))
                .collect(),
        };
        self.put(field::RECORDING, &message)
    }

    fn process(&mut self, process: &crate::model::Process) -> io::Result<()> {
        let message = schema::Process {
            pid: process.pid.0,
            parent: process.parent.map(|parent| narrow(parent.index())),
            command: self.words(&process.command),
            python: process.python.map(schema::Python::from),
            generation: process.generation,
        };
        self.put(field::PROCESS, &message)
    }

    fn thread(&mut self, thread: &Thread) -> io::Result<()> {
        let interner = self.interner;
        let message = schema::Thread {
            pid: thread.key.pid.0,
            python_id: thread.key.python_id,
            tid: thread.key.tid.map(|tid| tid.0),
            started: thread.key.started,
            process: narrow(thread.process.index()),
            name: thread
                .name
                .map(|name| self.string(interner.text(name).untrusted())),
        };
        self.put(field::THREAD, &message)
    }

    fn sample(&mut self, entry: &Entry) -> io::Result<()> {
        let interner = self.interner;
        let mut location_id = Vec::new();
        for frame in interner.frames_of(entry.stack()) {
            location_id.push(self.location(frame)?);
        }
        let mut label = self.labels_of_thread(entry.thread());
        let own_labels = interner.labels(entry.labels());
        for own in own_labels {
            let (key, own_key) = self.shown(interner.text(own.key));
            let (str, own_str) = self.shown(interner.text(own.value));
            label.push(schema::Label {
                key,
                str,
                num: 0,
                own_key,
                own_str,
            });
        }
        let values = entry.values();
        let message = schema::Sample {
            location_id,
            value: vec![
                signed(values.count),
                signed(values.wall.0),
                signed(values.cpu.0),
            ],
            label,
            thread: narrow(entry.thread().index()),
            unproven: values.unproven,
            own_labels: narrow(own_labels.len()),
        };
        self.put(field::SAMPLE, &message)
    }

    fn location(&mut self, frame: FrameId) -> io::Result<u64> {
        if let Some(&id) = self.locations.get(&frame) {
            return Ok(id);
        }
        let known = self.interner.frame(frame);
        let line = schema::Line {
            function_id: self.function(known.function)?,
            line: known.line.into(),
        };
        let id = self.locations.len() as u64 + 1;
        self.locations.insert(frame, id);
        let message = schema::Location {
            id,
            mapping_id: PROGRAM,
            line: vec![line],
        };
        self.put(field::LOCATION, &message)?;
        Ok(id)
    }

    fn function(&mut self, function: FunctionId) -> io::Result<u64> {
        if let Some(&id) = self.functions.get(&function) {
            return Ok(id);
        }
        let interner = self.interner;
        let known = interner.function(function);
        let id = self.functions.len() as u64 + 1;
        self.functions.insert(function, id);
        let (name, own_name) = self.shown(interner.text(known.name));
        let (filename, own_filename) = self.shown(interner.text(known.file));
        let message = schema::Function {
            id,
            name,
            system_name: name,
            filename,
            start_line: known.first_line.into(),
            short_file: self.string(interner.text(known.short_file).untrusted()),
            kind: Some(place(&FrameKind::ALL, &known.kind)),
            own_name,
            own_filename,
        };
        self.put(field::FUNCTION, &message)?;
        Ok(id)
    }

    fn labels_of_thread(&mut self, thread: ThreadId) -> Vec<schema::Label> {
        let interner = self.interner;
        let thread = interner.thread(thread);
        let process = interner.process(thread.process);
        let mut labels = vec![self.number("pid", process.pid.0.into())];
        if let Some(generation) = process.generation {
            labels.push(self.number("generation", generation.into()));
        }
        if let Some(tid) = thread.key.tid {
            labels.push(self.number("tid", tid.0.into()));
        }
        if let Some(name) = thread.name {
            let (str, _) = self.shown(interner.text(name));
            let key = self.string("thread");
            labels.push(schema::Label {
                key,
                str,
                ..schema::Label::default()
            });
        }
        labels
    }

    fn number(&mut self, key: &str, num: i64) -> schema::Label {
        let key = self.string(key);
        schema::Label {
            key,
            num,
            ..schema::Label::default()
        }
    }

    /// Writes as many runs as fit into a file of `largest` bytes.
    fn timeline(&mut self, profile: &Profile, largest: u64) -> io::Result<Timeline> {
        let timeline = profile.timeline();
        let mut written = Timeline {
            runs: 0,
            dropped: timeline.dropped(),
            failure: timeline.failure().map(ToString::to_string),
        };
        let mut piece = Piece::default();
        for thread in timeline.threads() {
            for run in timeline.runs(thread) {
                let run = run?;
                let position = profile.position(run.key());
                let position = position.ok_or(io::ErrorKind::InvalidData)?;
                let bytes = self.flushed + self.buffer.len() as u64;
                if bytes >= largest || written.runs >= MOST_RUNS {
                    written.dropped += 1;
                    written
                        .failure
                        .get_or_insert_with(|| "the file would be too large".to_owned());
                    continue;
                }
                written.runs += 1;
                piece.push(narrow(position), run);
                if piece.runs.sample.len() >= RUNS_A_PIECE {
                    self.put(field::RUNS, &piece.runs)?;
                    piece = Piece::default();
                }
            }
        }
        if !piece.runs.sample.is_empty() {
            self.put(field::RUNS, &piece.runs)?;
        }
        Ok(written)
    }

    fn end(&mut self, profile: &Profile, timeline: &Timeline) -> io::Result<()> {
        let message = schema::End {
            samples: profile.entries().len() as u64,
            runs: timeline.runs,
            dropped: timeline.dropped,
            failure: timeline.failure.as_ref().map(|why| self.string(why)),
            full: profile.interner.is_full(),
            labels_full: profile.interner.labels_are_full(),
        };
        self.put(field::END, &message)?;
        self.flush()
    }
}

/// The runs of one message.
#[derive(Default)]
struct Piece {
    runs: schema::Runs,
    end: u64,
}

impl Piece {
    fn push(&mut self, sample: u32, run: crate::profile::Run) {
        self.runs.sample.push(sample);
        // This wraps, and the reader's sum wraps back.
        let gap = run.start.0.wrapping_sub(self.end).cast_signed();
        self.runs.gap.push(gap);
        self.runs.length.push(run.length.0);
        self.runs.samples.push(run.samples);
        self.end = run.start.0.wrapping_add(run.length.0);
    }
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Tables have fewer than 2^32 entries, and so does a profile that fits into memory.
fn narrow(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::file::tests::{Step, added, empty};

    #[test]
    fn of_a_timeline_that_is_too_long_the_beginning_is_written() {
        let mut profile = empty();
        let step = |number: u32| Step {
            stack: number % 2,
            ..Step::default()
        };
        added(&mut profile, &(0..250).map(step).collect::<Vec<_>>());
        let mut writer = Writer::new(&profile.interner, io::sink());
        let written = writer.timeline(&profile, 1).unwrap();
        // The first piece is started before any byte is written.
        assert_eq!((written.runs, written.dropped), (250, 0));
        let written = writer.timeline(&profile, 1).unwrap();
        assert_eq!((written.runs, written.dropped), (0, 250));
        assert!(written.failure.is_some());
    }
}
