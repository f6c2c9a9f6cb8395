//! pprof's format, gzipped: for `go tool pprof`, Pyroscope, Parca, speedscope and others
//! (<https://github.com/google/pprof/blob/main/proto/profile.proto>).
//!
//! Names are as they are in the program: nothing in them can break the format. Each sample has all three
//! values, whatever the unit of other formats; process and thread are labels.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use prost::Message;
use rustc_hash::{FxHashMap, FxHashSet};

use super::{OutputError, title};
use crate::model::{FrameId, FunctionId, Interner, TargetStr, ThreadId};
use crate::profile::{Profile, UNPROVEN};

#[derive(Clone, PartialEq, Message)]
struct File {
    #[prost(message, repeated, tag = "1")]
    sample_type: Vec<ValueType>,
    #[prost(message, repeated, tag = "2")]
    sample: Vec<Sample>,
    #[prost(message, repeated, tag = "3")]
    mapping: Vec<Mapping>,
    #[prost(message, repeated, tag = "4")]
    location: Vec<Location>,
    #[prost(message, repeated, tag = "5")]
    function: Vec<Function>,
    #[prost(string, repeated, tag = "6")]
    string_table: Vec<String>,
    #[prost(int64, tag = "9")]
    time_nanos: i64,
    #[prost(int64, tag = "10")]
    duration_nanos: i64,
    #[prost(message, optional, tag = "11")]
    period_type: Option<ValueType>,
    #[prost(int64, tag = "12")]
    period: i64,
    #[prost(int64, repeated, tag = "13")]
    comment: Vec<i64>,
    #[prost(int64, tag = "14")]
    default_sample_type: i64,
}

#[derive(Clone, PartialEq, Message)]
struct ValueType {
    #[prost(int64, tag = "1")]
    r#type: i64,
    #[prost(int64, tag = "2")]
    unit: i64,
}

#[derive(Clone, PartialEq, Message)]
struct Sample {
    /// Innermost first.
    #[prost(uint64, repeated, tag = "1")]
    location_id: Vec<u64>,
    #[prost(int64, repeated, tag = "2")]
    value: Vec<i64>,
    #[prost(message, repeated, tag = "3")]
    label: Vec<Label>,
}

#[derive(Clone, PartialEq, Message)]
struct Label {
    #[prost(int64, tag = "1")]
    key: i64,
    #[prost(int64, tag = "2")]
    str: i64,
    #[prost(int64, tag = "3")]
    num: i64,
}

/// The program as a whole: some readers want one.
#[derive(Clone, PartialEq, Message)]
struct Mapping {
    #[prost(uint64, tag = "1")]
    id: u64,
    #[prost(int64, tag = "5")]
    filename: i64,
    #[prost(bool, tag = "7")]
    has_functions: bool,
    #[prost(bool, tag = "8")]
    has_filenames: bool,
    #[prost(bool, tag = "9")]
    has_line_numbers: bool,
}

#[derive(Clone, PartialEq, Message)]
struct Location {
    #[prost(uint64, tag = "1")]
    id: u64,
    #[prost(uint64, tag = "2")]
    mapping_id: u64,
    #[prost(message, repeated, tag = "4")]
    line: Vec<Line>,
}

#[derive(Clone, PartialEq, Message)]
struct Line {
    #[prost(uint64, tag = "1")]
    function_id: u64,
    #[prost(int64, tag = "2")]
    line: i64,
}

#[derive(Clone, PartialEq, Message)]
struct Function {
    #[prost(uint64, tag = "1")]
    id: u64,
    #[prost(int64, tag = "2")]
    name: i64,
    #[prost(int64, tag = "3")]
    system_name: i64,
    #[prost(int64, tag = "4")]
    filename: i64,
    #[prost(int64, tag = "5")]
    start_line: i64,
}

/// The only mapping.
const PROGRAM: u64 = 1;

pub(super) fn write(profile: &Profile, out: &mut dyn Write) -> Result<(), OutputError> {
    let file = Builder::new(&profile.interner).build(profile);
    let mut zipped = GzEncoder::new(out, Compression::default());
    zipped.write_all(&file.encode_to_vec())?;
    zipped.finish()?;
    Ok(())
}

/// Puts a file together.
struct Builder<'a> {
    interner: &'a Interner,
    strings: FxHashMap<String, i64>,
    file: File,
    frames: FxHashSet<FrameId>,
    functions: FxHashSet<FunctionId>,
}

impl<'a> Builder<'a> {
    fn new(interner: &'a Interner) -> Builder<'a> {
        let mut builder = Builder {
            interner,
            strings: FxHashMap::default(),
            file: File::default(),
            frames: FxHashSet::default(),
            functions: FxHashSet::default(),
        };
        // The format wants it first.
        builder.string("");
        builder
    }

    fn string(&mut self, text: &str) -> i64 {
        if let Some(&index) = self.strings.get(text) {
            return index;
        }
        let index = self.file.string_table.len() as i64;
        self.file.string_table.push(text.to_owned());
        self.strings.insert(text.to_owned(), index);
        index
    }

    fn value_type(&mut self, name: &str, unit: &str) -> ValueType {
        ValueType {
            r#type: self.string(name),
            unit: self.string(unit),
        }
    }

    fn build(mut self, profile: &Profile) -> File {
        let recording = &profile.recording;
        for (name, unit) in [
            ("samples", "count"),
            ("wall", "nanoseconds"),
            ("cpu", "nanoseconds"),
        ] {
            let value_type = self.value_type(name, unit);
            self.file.sample_type.push(value_type);
        }
        self.file.default_sample_type = self.string("wall");
        self.file.period_type = Some(self.value_type("wall", "nanoseconds"));
        self.file.period = signed(recording.period().0);
        self.file.time_nanos = i64::try_from(recording.started.as_nanosecond()).unwrap_or(0);
        self.file.duration_nanos = signed(recording.duration.0);
        let filename = recording.command.first().map_or("", TargetStr::untrusted);
        let filename = self.string(filename);
        self.file.mapping.push(Mapping {
            id: PROGRAM,
            filename,
            has_functions: true,
            has_filenames: true,
            has_line_numbers: true,
        });
        for comment in comments(profile) {
            let comment = self.string(&comment);
            self.file.comment.push(comment);
        }
        for ((thread, stack), values) in profile.entries() {
            let frames = self.interner.frames_of(stack);
            let location_id = frames.map(|frame| self.location(frame)).collect();
            let label = self.labels(thread);
            self.file.sample.push(Sample {
                location_id,
                value: vec![
                    signed(values.count),
                    signed(values.wall.0),
                    signed(values.cpu.0),
                ],
                label,
            });
        }
        self.file
    }

    /// Ids may not be 0.
    fn location(&mut self, frame: FrameId) -> u64 {
        let id = frame.index() as u64 + 1;
        if self.frames.insert(frame) {
            let known = self.interner.frame(frame);
            let line = Line {
                function_id: self.function(known.function),
                line: known.line.into(),
            };
            self.file.location.push(Location {
                id,
                mapping_id: PROGRAM,
                line: vec![line],
            });
        }
        id
    }

    fn function(&mut self, function: FunctionId) -> u64 {
        let id = function.index() as u64 + 1;
        if self.functions.insert(function) {
            let known = self.interner.function(function);
            let interner = self.interner;
            let name = self.string(interner.text(known.name).untrusted());
            let filename = self.string(interner.text(known.file).untrusted());
            self.file.function.push(Function {
                id,
                name,
                system_name: name,
                filename,
                start_line: known.first_line.into(),
            });
        }
        id
    }

    fn labels(&mut self, thread: ThreadId) -> Vec<Label> {
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
            let (key, str) = (self.string("thread"), interner.text(name).untrusted());
            let str = self.string(str);
            labels.push(Label { key, str, num: 0 });
        }
        labels
    }

    fn number(&mut self, key: &str, num: i64) -> Label {
        let key = self.string(key);
        Label { key, str: 0, num }
    }
}

/// What was recorded and how well, a line each.
fn comments(profile: &Profile) -> Vec<String> {
    let ticks = profile.recording.ticks;
    vec![
        title::title(profile),
        title::quality(profile),
        format!(
            "looks expected {}, with samples {}, idle {}, missed {}, lost {}",
            ticks.expected, ticks.sampled, ticks.idle, ticks.missed, ticks.lost
        ),
        format!("stacks below {UNPROVEN} could not be proven to be of one moment"),
        format!("spyhole {}", env!("CARGO_PKG_VERSION")),
    ]
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::GzDecoder;

    use super::*;
    use crate::model::{
        Frame, Function as OurFunction, GilState, Nanos, Pid, Process, Proof, Sample as OurSample,
        StackId, ThreadKey, Tid,
    };
    use crate::profile::Recording;

    const HOSTILE: &str = "a;b\n\u{1b}[2J<\u{202e}\0";

    /// Two threads, each twice in `inner` called from `outer`, once of these unproven.
    fn profile() -> Profile {
        let recording = Recording::starting_now(Pid(7), vec![TargetStr::new("python3")], 100);
        let mut profile = Profile::new(recording).expect("a temporary file");
        let interner = &mut profile.interner;
        let process = interner.add_process(Process {
            pid: Pid(7),
            parent: None,
            command: Vec::new(),
            python: None,
            generation: Some(2),
        });
        let mut stack = StackId::EMPTY;
        for (name, line) in [("outer", 3), (HOSTILE, 9)] {
            let name = interner.intern_text(&TargetStr::new(name));
            let function = interner.intern_function(OurFunction {
                name,
                file: name,
                short_file: name,
                first_line: line - 1,
            });
            let frame = interner.intern_frame(Frame { function, line });
            stack = interner.intern_stack(stack, frame);
        }
        for tid in [7, 8] {
            let key = ThreadKey {
                pid: Pid(7),
                python_id: tid as u64,
                tid: Some(Tid(tid)),
                started: 0,
            };
            let thread = profile.interner.intern_thread(key, process);
            let name = profile.interner.intern_text(&TargetStr::new(HOSTILE));
            profile.interner.name_thread(thread, name);
            for proof in [Proof::Proven, Proof::Unproven] {
                profile.add(&OurSample {
                    thread,
                    stack,
                    at: Nanos(10),
                    wall: Nanos(1_000_000),
                    cpu: Nanos(250),
                    on_cpu: true,
                    at_work: false,
                    gil: GilState::Holds,
                    proof,
                });
            }
        }
        profile
    }

    fn written(profile: &Profile) -> File {
        let mut zipped = Vec::new();
        write(profile, &mut zipped).expect("writes");
        let mut bytes = Vec::new();
        let mut unzipped = GzDecoder::new(zipped.as_slice());
        unzipped.read_to_end(&mut bytes).expect("gzip");
        File::decode(bytes.as_slice()).expect("a profile.proto")
    }

    #[test]
    fn all_that_was_counted_is_in_it() {
        let profile = profile();
        let file = written(&profile);
        let sum = |value: usize| file.sample.iter().map(|sample| sample.value[value]).sum();
        let total = profile.total();
        let sums: [i64; 3] = [sum(0), sum(1), sum(2)];
        let expected = [total.count, total.wall.0, total.cpu.0].map(signed);
        assert_eq!(sums, expected);
        assert_eq!(file.sample.len(), profile.entries().len());
        assert_eq!(file.period, 10_000_000);
    }

    #[test]
    fn stacks_are_innermost_first_with_names_as_they_are() {
        let file = written(&profile());
        let string = |index: i64| file.string_table[usize::try_from(index).unwrap()].as_str();
        assert_eq!(string(0), "");
        let name = |location: u64| {
            let mut locations = file.location.iter().filter(|it| it.id == location);
            let line = &locations.next().expect("defined").line[0];
            assert!(locations.next().is_none(), "defined twice");
            let mut functions = file.function.iter().filter(|it| it.id == line.function_id);
            let function = functions.next().expect("defined");
            assert!(functions.next().is_none(), "defined twice");
            (string(function.name), line.line, function.start_line)
        };
        let stack = |sample: &Sample| sample.location_id.iter().map(|id| name(*id)).collect();
        let stacks: Vec<Vec<_>> = file.sample.iter().map(stack).collect();
        let proven = vec![(HOSTILE, 9, 8), ("outer", 3, 2)];
        let mut unproven = proven.clone();
        unproven.push((UNPROVEN, 0, 0));
        assert_eq!(
            stacks,
            [&proven, &unproven, &proven, &unproven].map(Clone::clone)
        );

        let labels = |sample: &Sample| -> Vec<_> {
            let labels = sample.label.iter();
            labels
                .map(|it| (string(it.key).to_owned(), it.num, string(it.str).to_owned()))
                .collect()
        };
        let label = |key: &str, num, str: &str| (key.to_owned(), num, str.to_owned());
        let expected = [
            label("pid", 7, ""),
            label("generation", 2, ""),
            label("tid", 8, ""),
            label("thread", 0, HOSTILE),
        ];
        assert_eq!(labels(&file.sample[2]), expected);
    }
}
