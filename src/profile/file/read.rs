//! Reads a profile file. It may come from anywhere, so everything in it is checked, and the memory and
//! disk that it may take are bounded.

use std::io::{self, BufRead, BufReader, Read};

use flate2::bufread::MultiGzDecoder;
use prost::Message;

use super::schema::{self, field};
use super::{FORMAT, LARGEST, MOST_RUNS};
use crate::model::{
    Counting, Ending, Frame, FrameId, FrameKind, Function, FunctionId, HaltMethod, Interner, Label,
    Nanos, Pid, Process, ProcessId, PythonVersion, StackId, TargetStr, ThreadId, ThreadKey, Ticks,
    Tid,
};
use crate::profile::{EntryKey, Profile, Recording, Run, Values};

/// The most bytes of one message: more than the deepest stack that is recorded takes.
const LARGEST_MESSAGE: u64 = 8 << 20;

/// The most frames of one stack.
const DEEPEST_STACK: usize = 1 << 20;

/// The most labels of one sample.
const MOST_LABELS: usize = 1000;

/// The most strings, functions, lines, and stacks of threads, of each.
const MOST_ENTRIES: usize = 8 << 20;

/// The most bytes of all strings, and of all words of command lines.
const MOST_TEXT: usize = 256 << 20;

const MOST_PROCESSES: usize = 1 << 20;

/// The longest chain of recorded processes that started each other.
const LONGEST_LINEAGE: usize = 1000;

/// Why a file could not be read as a profile.
#[derive(thiserror::Error, Debug)]
pub enum ReadError {
    #[error("it is no profile: neither a gzipped nor a plain pprof file")]
    NoProfile,
    #[error("it is a pprof profile that spyhole did not write")]
    Foreign,
    #[error("a later spyhole wrote it, in format {0}; this one reads up to format {FORMAT}")]
    Later(u64),
    #[error("it ends too early: the rest of it is missing")]
    Truncated,
    #[error("it is damaged: {0}")]
    Damaged(&'static str),
    #[error("it holds more than a recording does: {0}")]
    TooLarge(&'static str),
    #[error(transparent)]
    Io(#[from] io::Error),
}

use ReadError::{Damaged, TooLarge};

/// Reads a profile as [`write`](super::write) wrote it, gzipped or not.
///
/// Handles of threads and processes are the same as in the profile that was written; those of texts,
/// functions, frames, stacks and label sets need not be.
///
/// # Errors
/// See [`ReadError`].
pub fn read(mut from: impl Read) -> Result<Profile, ReadError> {
    const GZIP: [u8; 2] = [0x1f, 0x8b];
    let mut start = Vec::new();
    from.by_ref()
        .take(GZIP.len() as u64)
        .read_to_end(&mut start)?;
    let is_zipped = start == GZIP;
    let from = BufReader::new(io::Cursor::new(start).chain(from));
    if is_zipped {
        profile(BufReader::new(MultiGzDecoder::new(from)), is_zipped)
    } else {
        profile(from, is_zipped)
    }
}

fn profile(from: impl BufRead, is_zipped: bool) -> Result<Profile, ReadError> {
    let mut fields = Fields {
        from,
        is_zipped,
        bytes: 0,
        payload: Vec::new(),
    };
    match fields.next() {
        Ok(Some((field::FORMAT, Value::Number(format)))) if format > FORMAT => {
            return Err(ReadError::Later(format));
        }
        Ok(Some((field::FORMAT, Value::Number(_)))) => {}
        first => {
            return Err(why_it_is_not_ours(
                first.map(|first| first.is_some()),
                &mut fields,
            ));
        }
    }
    let mut reader = Reader::default();
    while let Some((field, value)) = fields.next()? {
        reader.take(field, value)?;
    }
    let whole = reader.profile.filter(|_| reader.is_over);
    whole.ok_or(ReadError::Truncated)
}

/// What a file is that does not begin as ours.
fn why_it_is_not_ours(
    first: Result<bool, ReadError>,
    fields: &mut Fields<impl BufRead>,
) -> ReadError {
    let mut next = first;
    let mut any = false;
    loop {
        match next {
            Ok(true) => any = true,
            Ok(false) if any => return ReadError::Foreign,
            Err(ReadError::Truncated) if fields.is_zipped => return ReadError::Truncated,
            Ok(false) | Err(ReadError::Truncated | TooLarge(_) | Damaged(NO_FIELD)) => {
                return ReadError::NoProfile;
            }
            Err(error) => return error,
        }
        next = fields.next().map(|field| field.is_some());
    }
}

const NO_FIELD: &str = "there is something that is no field";

/// The fields of a file in order, in protobuf's encoding.
struct Fields<R> {
    from: R,
    is_zipped: bool,
    bytes: u64,
    /// The content of the last field.
    payload: Vec<u8>,
}

enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    /// A type that our fields do not have.
    Other,
}

impl<R: BufRead> Fields<R> {
    fn next(&mut self) -> Result<Option<(u32, Value<'_>)>, ReadError> {
        if self.from.fill_buf().map_err(unzipped)?.is_empty() {
            return Ok(None);
        }
        let key = self.varint()?;
        let field = u32::try_from(key >> 3).map_err(|_| Damaged(NO_FIELD))?;
        if field == 0 || field >= 1 << 29 {
            return Err(Damaged(NO_FIELD));
        }
        let value = match key & 7 {
            0 => Value::Number(self.varint()?),
            1 => self.bytes(8).map(|_| Value::Other)?,
            2 => {
                let len = self.varint()?;
                Value::Bytes(self.bytes(len)?)
            }
            5 => self.bytes(4).map(|_| Value::Other)?,
            _ => return Err(Damaged(NO_FIELD)),
        };
        Ok(Some((field, value)))
    }

    fn varint(&mut self) -> Result<u64, ReadError> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let mut byte = [0];
            self.from.read_exact(&mut byte).map_err(unzipped)?;
            self.count(1)?;
            let bits = u64::from(byte[0] & 0x7f);
            if bits << shift >> shift != bits {
                break;
            }
            number |= bits << shift;
            if byte[0] < 0x80 {
                return Ok(number);
            }
        }
        Err(Damaged(NO_FIELD))
    }

    fn bytes(&mut self, len: u64) -> Result<&[u8], ReadError> {
        if len > LARGEST_MESSAGE {
            return Err(TooLarge("a field"));
        }
        self.count(len)?;
        self.payload.clear();
        // The buffer grows with the bytes that are there and not with the length that the file states.
        let mut part = self.from.by_ref().take(len);
        let read = part.read_to_end(&mut self.payload).map_err(unzipped)?;
        if (read as u64) < len {
            return Err(ReadError::Truncated);
        }
        Ok(&self.payload)
    }

    fn count(&mut self, bytes: u64) -> Result<(), ReadError> {
        self.bytes += bytes;
        if self.bytes > LARGEST {
            return Err(TooLarge("its size, unzipped"));
        }
        Ok(())
    }
}

/// The error for one that was met while unzipping.
fn unzipped(error: io::Error) -> ReadError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => ReadError::Truncated,
        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => Damaged("its compression"),
        _ => ReadError::Io(error),
    }
}

/// Builds the profile from the messages.
#[derive(Default)]
struct Reader {
    strings: Vec<TargetStr>,
    text: usize,
    /// `None` until the recording was read.
    profile: Option<Profile>,
    /// Entered at the end, since a parent may come after its child.
    processes: Vec<Process>,
    functions: Vec<FunctionId>,
    frames: Vec<FrameId>,
    samples: Vec<EntryKey>,
    /// The sum of all values, checked so that later sums cannot overflow.
    total: Values,
    runs: u64,
    samples_of_runs: u64,
    is_over: bool,
}

impl Reader {
    fn take(&mut self, field: u32, value: Value<'_>) -> Result<(), ReadError> {
        if self.is_over {
            return Err(Damaged("something follows its end"));
        }
        let bytes = match value {
            Value::Bytes(bytes) => bytes,
            Value::Number(_) if field == field::FORMAT => {
                return Err(Damaged("it begins twice"));
            }
            Value::Number(_) | Value::Other => return Ok(()),
        };
        match field {
            field::STRING => self.string(bytes),
            field::RECORDING => self.recording(&decode(bytes, "the recording")?),
            field::PROCESS => self.process(&decode(bytes, "a process")?),
            field::THREAD => self.thread(&decode(bytes, "a thread")?),
            field::FUNCTION => self.function(&decode(bytes, "a function")?),
            field::LOCATION => self.frame(&decode(bytes, "a line")?),
            field::SAMPLE => self.sample(&decode(bytes, "a sample")?),
            field::RUNS => self.timeline(&decode(bytes, "the order in time")?),
            field::END => self.end(decode(bytes, "its end")?),
            _ => Ok(()),
        }
    }

    fn string(&mut self, bytes: &[u8]) -> Result<(), ReadError> {
        let text = str::from_utf8(bytes).map_err(|_| Damaged("a text is not UTF-8"))?;
        self.text += text.len();
        if self.text > MOST_TEXT || self.strings.len() >= MOST_ENTRIES {
            return Err(TooLarge("texts"));
        }
        self.strings.push(TargetStr::new(text));
        Ok(())
    }

    fn text(&self, index: i64) -> Result<&TargetStr, ReadError> {
        let text = usize::try_from(index)
            .ok()
            .and_then(|index| self.strings.get(index));
        text.ok_or(Damaged("a text is not there"))
    }

    fn own_text(&self, index: i64) -> Result<String, ReadError> {
        Ok(self.text(index)?.untrusted().to_owned())
    }

    fn texts(&mut self, indices: &[i64]) -> Result<Vec<TargetStr>, ReadError> {
        let mut texts = Vec::new();
        for &index in indices {
            let text = self.text(index)?.clone();
            // A long string may be referred to many times.
            self.text += text.untrusted().len() + size_of::<TargetStr>();
            if self.text > MOST_TEXT {
                return Err(TooLarge("texts"));
            }
            texts.push(text);
        }
        Ok(texts)
    }

    fn recording(&mut self, message: &schema::Recording) -> Result<(), ReadError> {
        if self.profile.is_some() {
            return Err(Damaged("there are two recordings"));
        }
        let notes = self.texts(&message.notes)?;
        let started = jiff::Timestamp::from_nanosecond(message.started.into())
            .map_err(|_| Damaged("when it was recorded"))?;
        let command = self.texts(&message.command)?;
        let recording = Recording {
            pid: Pid(message.pid),
            command,
            python: message.python.map(python),
            spyhole: self.own_text(message.spyhole)?,
            engine: self.own_text(message.engine)?,
            rate: message.rate,
            started,
            duration: Nanos(message.duration),
            cpu: message.cpu.map(Nanos),
            ending: message.ending.map(ending),
            cpu_outside: message.cpu_outside.map(Nanos),
            ticks: ticks(message.ticks.unwrap_or_default()),
            halted: message
                .halted
                .iter()
                .map(|&at| placed(&HaltMethod::ALL, at))
                .collect::<Result<_, _>>()?,
            counting: placed(&Counting::ALL, message.counting)?,
            notes: notes
                .iter()
                .map(|note| note.untrusted().to_owned())
                .collect(),
        };
        self.profile = Some(Profile::new(recording)?);
        Ok(())
    }

    fn process(&mut self, message: &schema::Process) -> Result<(), ReadError> {
        if self.processes.len() >= MOST_PROCESSES {
            return Err(TooLarge("processes"));
        }
        let command = self.texts(&message.command)?;
        self.processes.push(Process {
            pid: Pid(message.pid),
            parent: message.parent.map(ProcessId::from_index),
            command,
            python: message.python.map(python),
            generation: message.generation,
        });
        Ok(())
    }

    fn thread(&mut self, message: &schema::Thread) -> Result<(), ReadError> {
        let process = ProcessId::from_index(message.process);
        if process.index() >= self.processes.len() {
            return Err(Damaged("a thread's process is not there"));
        }
        let name = message.name.map(|name| self.text(name)).transpose()?;
        let name = name.cloned();
        let interner = self.interner()?;
        let key = ThreadKey {
            pid: Pid(message.pid),
            python_id: message.python_id,
            tid: message.tid.map(Tid),
            started: message.started,
        };
        let position = interner.threads().len();
        let thread = interner.intern_thread(key, process);
        if thread.index() != position {
            return Err(Damaged("a thread is there twice"));
        }
        if let Some(name) = name {
            let name = interner.intern_text(&name);
            interner.name_thread(thread, name);
        }
        Ok(())
    }

    fn function(&mut self, message: &schema::Function) -> Result<(), ReadError> {
        check_next(message.id, self.functions.len())?;
        let own = |own: Option<i64>, shown| self.text(own.unwrap_or(shown)).cloned();
        let name = own(message.own_name, message.name)?;
        let file = own(message.own_filename, message.filename)?;
        let short_file = self.text(message.short_file)?.clone();
        let kind = match message.kind {
            Some(kind) => placed(&FrameKind::ALL, kind)?,
            None if file.is_empty() => FrameKind::Structure,
            None => FrameKind::Python,
        };
        let interner = self.interner()?;
        let function = Function {
            kind,
            name: interner.intern_text(&name),
            file: interner.intern_text(&file),
            short_file: interner.intern_text(&short_file),
            first_line: line(message.start_line)?,
        };
        let function = interner.intern_function(function);
        self.functions.push(function);
        Ok(())
    }

    fn frame(&mut self, message: &schema::Location) -> Result<(), ReadError> {
        check_next(message.id, self.frames.len())?;
        let [
            schema::Line {
                function_id,
                line: number,
            },
        ] = message.line[..]
        else {
            return Err(Damaged("a frame has not one line"));
        };
        let function = *numbered(&self.functions, function_id)
            .ok_or(Damaged("a frame's function is not there"))?;
        let frame = self.interner()?.intern_frame(Frame {
            function,
            line: line(number)?,
        });
        self.frames.push(frame);
        Ok(())
    }

    fn sample(&mut self, message: &schema::Sample) -> Result<(), ReadError> {
        if self.samples.len() >= MOST_ENTRIES {
            return Err(TooLarge("samples"));
        }
        if message.location_id.len() > DEEPEST_STACK {
            return Err(TooLarge("a stack"));
        }
        let own_labels = self.own_labels(message)?;
        let profile = self.profile.as_mut().ok_or(NO_RECORDING)?;
        let thread = ThreadId::from_index(message.thread);
        if thread.index() >= profile.interner.threads().len() {
            return Err(Damaged("a sample's thread is not there"));
        }
        let mut stack = StackId::EMPTY;
        for id in message.location_id.iter().rev() {
            let frame =
                numbered(&self.frames, *id).ok_or(Damaged("a sample's frame is not there"))?;
            stack = profile.interner.intern_stack(stack, *frame);
        }
        let [count, wall, cpu] = message.value[..] else {
            return Err(Damaged("a sample has not three values"));
        };
        let value = |value| u64::try_from(value).map_err(|_| Damaged("a sample's value"));
        let values = Values {
            count: value(count)?,
            wall: Nanos(value(wall)?),
            cpu: Nanos(value(cpu)?),
            unproven: message.unproven,
        };
        if values.unproven > values.count {
            return Err(Damaged("more samples are unproven than there are"));
        }
        self.total = sum(self.total, values).ok_or(Damaged("its samples add up to too much"))?;
        let interner = &mut profile.interner;
        let labels = own_labels.iter().map(|(key, value)| Label {
            key: interner.intern_text(key),
            value: interner.intern_text(value),
        });
        let labels: Vec<_> = labels.collect();
        let key = EntryKey {
            thread,
            stack,
            labels: interner.intern_labels(labels),
        };
        if !profile.push_entry(key, values) {
            return Err(Damaged("a stack is there twice"));
        }
        self.samples.push(key);
        Ok(())
    }

    /// The sample's own labels, without those of its process and thread.
    fn own_labels(
        &self,
        message: &schema::Sample,
    ) -> Result<Vec<(TargetStr, TargetStr)>, ReadError> {
        if message.label.len() > MOST_LABELS {
            return Err(TooLarge("labels of a sample"));
        }
        let count = usize::try_from(message.own_labels).ok();
        let first = count.and_then(|count| message.label.len().checked_sub(count));
        let labels = first.and_then(|first| message.label.get(first..));
        let labels = labels.ok_or(Damaged("a sample's labels are not there"))?;
        let text = |own: Option<i64>, shown| self.text(own.unwrap_or(shown)).cloned();
        let label = |label: &schema::Label| {
            let key = text(label.own_key, label.key)?;
            Ok((key, text(label.own_str, label.str)?))
        };
        labels.iter().map(label).collect()
    }

    fn timeline(&mut self, message: &schema::Runs) -> Result<(), ReadError> {
        let profile = self.profile.as_mut().ok_or(NO_RECORDING)?;
        let count = message.sample.len();
        let columns = [
            message.gap.len(),
            message.length.len(),
            message.samples.len(),
        ];
        if columns != [count; 3] {
            return Err(Damaged("the order in time has uneven columns"));
        }
        self.runs += count as u64;
        if self.runs > MOST_RUNS {
            return Err(TooLarge("the order in time"));
        }
        let mut end = 0_u64;
        let times = message.gap.iter().zip(&message.length);
        let runs = message.sample.iter().zip(times).zip(&message.samples);
        for ((&sample, (&gap, &length)), &samples) in runs {
            let key = usize::try_from(sample)
                .ok()
                .and_then(|sample| self.samples.get(sample));
            let &EntryKey {
                thread,
                stack,
                labels,
            } = key.ok_or(Damaged("a run's sample is not there"))?;
            let start = end.wrapping_add(gap.cast_unsigned());
            end = start
                .checked_add(length)
                .ok_or(Damaged("when something was running"))?;
            self.samples_of_runs = self.samples_of_runs.saturating_add(samples);
            profile.timeline.push_run(Run {
                thread,
                stack,
                labels,
                start: Nanos(start),
                length: Nanos(length),
                samples,
            })?;
        }
        Ok(())
    }

    fn end(&mut self, message: schema::End) -> Result<(), ReadError> {
        if (message.samples, message.runs) != (self.samples.len() as u64, self.runs) {
            return Err(Damaged("not all is there"));
        }
        if self.samples_of_runs > self.total.count {
            return Err(Damaged("the order in time has more samples than there are"));
        }
        check_lineage(&self.processes)?;
        let failure = message.failure.map(|why| self.own_text(why)).transpose()?;
        let profile = self.profile.as_mut().ok_or(NO_RECORDING)?;
        for process in self.processes.drain(..) {
            profile.interner.add_process(process);
        }
        match (profile.interner.is_full(), message.full) {
            (true, false) => return Err(TooLarge("names, lines and stacks")),
            (_, true) => profile.interner.set_full(),
            (false, false) => {}
        }
        match (profile.interner.labels_are_full(), message.labels_full) {
            (true, false) => return Err(TooLarge("label sets")),
            (_, true) => profile.interner.set_labels_full(),
            (false, false) => {}
        }
        if let Some(why) = failure {
            profile.timeline.set_failure(why, message.dropped);
        }
        self.is_over = true;
        Ok(())
    }

    fn interner(&mut self) -> Result<&mut Interner, ReadError> {
        let profile = self.profile.as_mut().ok_or(NO_RECORDING)?;
        Ok(&mut profile.interner)
    }
}

fn sum(a: Values, b: Values) -> Option<Values> {
    Some(Values {
        count: a.count.checked_add(b.count)?,
        wall: Nanos(a.wall.0.checked_add(b.wall.0)?),
        cpu: Nanos(a.cpu.0.checked_add(b.cpu.0)?),
        unproven: a.unproven.checked_add(b.unproven)?,
    })
}

const NO_RECORDING: ReadError = Damaged("what was recorded is not told first");

fn decode<M: Message + Default>(bytes: &[u8], what: &'static str) -> Result<M, ReadError> {
    M::decode(bytes).map_err(|_| Damaged(what))
}

/// Checks that an id is the next one after `count` items.
fn check_next(id: u64, count: usize) -> Result<(), ReadError> {
    if count >= MOST_ENTRIES {
        return Err(TooLarge("functions and lines"));
    }
    if id != count as u64 + 1 {
        return Err(Damaged("ids are not in order"));
    }
    Ok(())
}

/// The item with this id. Ids count from 1.
fn numbered<T>(items: &[T], id: u64) -> Option<&T> {
    items.get(usize::try_from(id.checked_sub(1)?).ok()?)
}

/// The value at this position of a fixed list.
fn placed<T: Copy>(all: &[T], place: u32) -> Result<T, ReadError> {
    let one = usize::try_from(place).ok().and_then(|at| all.get(at));
    one.copied().ok_or(Damaged(
        "which threads were counted, how they were held still, or what a function is",
    ))
}

fn ending(message: schema::Ending) -> Ending {
    match (message.code, message.signal) {
        (Some(code), _) => Ending::Code(code),
        (None, Some(signal)) => Ending::Signal(signal),
        (None, None) => Ending::Unknown,
    }
}

fn ticks(message: schema::Ticks) -> Ticks {
    let schema::Ticks {
        looks,
        expected,
        sampled,
        idle,
        missed,
        lost,
        samples,
        unproven,
        lost_threads,
        left_out_idle,
        left_out_gil,
        pauses,
        pauses_refused,
        open_time,
        gap_time,
        lost_time,
        left_out_cpu,
    } = message;
    Ticks {
        looks,
        expected,
        sampled,
        idle,
        missed,
        lost,
        samples,
        unproven,
        lost_threads,
        left_out_idle,
        left_out_gil,
        pauses,
        pauses_refused,
        open_time: Nanos(open_time),
        gap_time: Nanos(gap_time),
        lost_time: Nanos(lost_time),
        left_out_cpu: Nanos(left_out_cpu),
    }
}

fn line(number: i64) -> Result<u32, ReadError> {
    u32::try_from(number).map_err(|_| Damaged("a line's number"))
}

fn python(message: schema::Python) -> PythonVersion {
    PythonVersion::from_hex(message.hex, message.free_threaded)
}

/// Checks that all parents exist and that no process is its own ancestor.
fn check_lineage(processes: &[Process]) -> Result<(), ReadError> {
    // The number of processes from each up to its root, itself included; 0 if not known yet.
    let mut depths = vec![0_usize; processes.len()];
    for start in 0..processes.len() {
        let mut path = Vec::new();
        let mut at = Some(start);
        let mut depth = loop {
            let Some(index) = at else { break 0 };
            let process = processes.get(index);
            let process = process.ok_or(Damaged("a process's parent is not there"))?;
            if depths[index] > 0 {
                break depths[index];
            }
            if path.len() >= LONGEST_LINEAGE {
                return Err(Damaged("processes that started each other"));
            }
            path.push(index);
            at = process.parent.map(ProcessId::index);
        };
        for index in path.into_iter().rev() {
            depth += 1;
            depths[index] = depth;
        }
        if depth > LONGEST_LINEAGE {
            return Err(TooLarge("processes that started one another"));
        }
    }
    Ok(())
}
