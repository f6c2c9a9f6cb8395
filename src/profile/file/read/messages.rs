//! Builds the profile from the messages in the fields, and checks each.

use prost::Message;

use super::error::ReadError::{self, Damaged, TooLarge};
use super::fields::Value;
use super::lineage;
use crate::model::{
    Counting, Ending, Frame, FrameId, FrameKind, Function, FunctionId, HaltMethod, Interner, Label,
    Nanos, Pid, Process, ProcessId, PythonVersion, StackId, TargetStr, ThreadId, ThreadKey, Tid,
};
use crate::profile::file::schema::{self, field};
use crate::profile::file::{MOST_RUNS, convert};
use crate::profile::{EntryKey, Profile, Recording, Run, Values};

/// The most frames of one stack.
const DEEPEST_STACK: usize = 1 << 20;

/// The most labels of one sample.
const MOST_LABELS: usize = 1000;

/// The most strings, functions, lines, and stacks of threads, of each.
const MOST_ENTRIES: usize = 8 << 20;

/// The most bytes of all strings, and of all words of command lines.
const MOST_TEXT: usize = 256 << 20;

const MOST_PROCESSES: usize = 1 << 20;

/// Builds the profile from the messages.
#[derive(Default)]
pub struct Reader {
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
    /// Enters the next field.
    pub fn take(&mut self, field: u32, value: Value<'_>) -> Result<(), ReadError> {
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

    /// The profile, once its end was read.
    pub fn finish(self) -> Result<Profile, ReadError> {
        let whole = self.profile.filter(|_| self.is_over);
        whole.ok_or(ReadError::Truncated)
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
            python: message.python.map(PythonVersion::from),
            spyhole: self.own_text(message.spyhole)?,
            engine: self.own_text(message.engine)?,
            rate: message.rate,
            started,
            duration: Nanos(message.duration),
            cpu: message.cpu.map(Nanos),
            ending: message.ending.map(Ending::from),
            cpu_outside: message.cpu_outside.map(Nanos),
            ticks: message.ticks.unwrap_or_default().into(),
            halted: message
                .halted
                .iter()
                .map(|&at| placed(&HaltMethod::ALL, at))
                .collect::<Result<_, _>>()?,
            counting: placed(&Counting::ALL, message.counting)?,
            labels_read: message.labels_read,
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
            python: message.python.map(PythonVersion::from),
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
        lineage::check(&self.processes)?;
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

/// The value at this position of a fixed list.
fn placed<T: Copy>(all: &[T], place: u32) -> Result<T, ReadError> {
    convert::placed(all, place).ok_or(Damaged(
        "which threads were counted, how they were held still, or what a function is",
    ))
}

/// The item with this id. Ids count from 1.
fn numbered<T>(items: &[T], id: u64) -> Option<&T> {
    items.get(usize::try_from(id.checked_sub(1)?).ok()?)
}

fn line(number: i64) -> Result<u32, ReadError> {
    u32::try_from(number).map_err(|_| Damaged("a line's number"))
}
