//! A file is read as it was written, and anything else is an error.

use std::io::Read;

use flate2::read::GzDecoder;
use proptest::prelude::*;
use prost::Message;

use super::schema::{self, field};
use super::{ReadError, read, write};
use crate::model::{
    Counting, Ending, Frame, FrameKind, Function, GilState, HaltMethod, Interner, Label,
    LabelSetId, Nanos, Pid, Process, ProcessId, Program, Proof, PythonVersion, Sample, StackId,
    TargetStr, ThreadKey, Ticks, Tid, is_unsafe_to_show, visible,
};
use crate::profile::{Profile, Recording, Run, UNPROVEN, Values};

const HOSTILE: &str = "a;b\n\u{1b}[2J<\u{202e}\0";

/// One sample of an artificial recording.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::profile) struct Step {
    pub thread: u32,
    pub stack: u32,
    /// Number of the label set; 0 is none.
    pub labels: u32,
    pub step: u64,
    pub cpu: u64,
    pub unproven: bool,
}

impl Arbitrary for Step {
    type Parameters = ();
    type Strategy = BoxedStrategy<Step>;

    fn arbitrary_with((): ()) -> BoxedStrategy<Step> {
        (
            0..5_u32,
            0..40_u32,
            0..5_u32,
            0..3_000_000_u64,
            any::<u32>(),
            any::<bool>(),
        )
            .prop_map(|(thread, stack, labels, step, cpu, unproven)| Step {
                thread,
                stack,
                labels,
                step,
                cpu: cpu.into(),
                unproven,
            })
            .boxed()
    }
}

pub(in crate::profile) fn empty() -> Profile {
    let words = [
        "/usr/bin/python3",
        "-u",
        "manage.py",
        "runserver",
        "--key",
        "secret",
    ];
    let command = words.map(TargetStr::new).to_vec();
    let recording = Recording {
        python: Some(PythonVersion::from_hex(0x030f_00c2, true)),
        engine: "cpython".to_owned(),
        duration: Nanos(12_345),
        cpu: Some(Nanos(0)),
        cpu_outside: Some(Nanos(16)),
        labels_read: true,
        ending: Some(Ending::Signal(9)),
        ticks: Ticks {
            looks: 7,
            expected: 21,
            sampled: 1,
            idle: 2,
            missed: 3,
            lost: 15,
            samples: 4,
            unproven: 5,
            lost_threads: 6,
            left_out_idle: 10,
            left_out_gil: 11,
            pauses: 8,
            pauses_refused: 9,
            open_time: Nanos(12),
            gap_time: Nanos(13),
            lost_time: Nanos(14),
            left_out_cpu: Nanos(15),
        },
        halted: vec![HaltMethod::Nothing, HaltMethod::OnItsCpu],
        counting: Counting::Gil,
        notes: vec!["A note.".to_owned(), HOSTILE.to_owned()],
        ..Recording::starting_now(Pid(7), command, 1000)
    };
    let mut profile = Profile::new(recording).expect("a temporary file");
    for (parent, generation) in [(Some(1), Some(2)), (None, None)] {
        profile.interner.add_process(Process {
            pid: Pid(7),
            parent: parent.map(ProcessId::from_index),
            command: ["python", "-c", "secret"].map(TargetStr::new).to_vec(),
            python: generation.map(|_| PythonVersion::from_hex(0x030b_07f0, false)),
            generation,
        });
    }
    profile
}

/// Adds samples after the existing ones.
pub(in crate::profile) fn added(profile: &mut Profile, steps: &[Step]) {
    let last = profile.total().wall;
    added_after(profile, last, steps);
}

/// The same; `last` is the time of the last sample.
pub(in crate::profile) fn added_after(profile: &mut Profile, last: Nanos, steps: &[Step]) {
    let mut at = last;
    for step in steps {
        at = Nanos(at.0 + step.step);
        let interner = &mut profile.interner;
        let key = ThreadKey {
            pid: Pid(7),
            python_id: u64::MAX - u64::from(step.thread),
            tid: (step.thread > 0).then(|| Tid(step.thread.cast_signed())),
            started: 5,
        };
        let thread = interner.intern_thread(key, ProcessId::from_index(step.thread % 2));
        if step.thread > 1 {
            let name = interner.intern_text(&TargetStr::new(format!("{HOSTILE}{}", step.thread)));
            interner.name_thread(thread, name);
        }
        let mut stack = StackId::EMPTY;
        for depth in 0..step.stack % 7 {
            let mut text = |what| {
                let text = format!("{what}{HOSTILE}{}", (step.stack + depth) % 11);
                interner.intern_text(&TargetStr::new(text))
            };
            let function = Function {
                kind: FrameKind::ALL[depth as usize % 3],
                name: text("name"),
                file: text("/a/file"),
                short_file: text("file"),
                first_line: step.stack / 3,
            };
            let function = interner.intern_function(function);
            let frame = interner.intern_frame(Frame {
                function,
                line: step.stack,
            });
            stack = interner.intern_stack(stack, frame);
        }
        let labels = label_set(interner, step.labels);
        profile.add(&Sample {
            thread,
            stack,
            labels,
            at,
            wall: Nanos(step.step),
            cpu: Nanos(step.cpu),
            on_cpu: true,
            at_work: false,
            gil: GilState::Holds,
            proof: if step.unproven {
                Proof::Unproven
            } else {
                Proof::Proven
            },
        });
    }
}

/// A set of one to three labels. Some keys are those that the file itself uses.
fn label_set(interner: &mut Interner, number: u32) -> LabelSetId {
    let keys = ["thread", "route", HOSTILE];
    let labels = keys.into_iter().take(number as usize).map(|key| Label {
        key: interner.intern_text(&TargetStr::new(key)),
        value: interner.intern_text(&TargetStr::new(format!("{HOSTILE}{number}"))),
    });
    let labels: Vec<_> = labels.collect();
    interner.intern_labels(labels)
}

pub(in crate::profile) fn written(profile: &Profile) -> Vec<u8> {
    let comments = ["A comment.".to_owned(), HOSTILE.to_owned()];
    let mut bytes = Vec::new();
    write(profile, &comments, &mut bytes).expect("written");
    bytes
}

fn unzipped(bytes: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    GzDecoder::new(bytes).read_to_end(&mut plain).expect("gzip");
    plain
}

fn filled(steps: &[Step]) -> Profile {
    let mut profile = empty();
    added(&mut profile, steps);
    profile
}

fn some_steps(count: u32) -> Vec<Step> {
    let step = |number: u32| Step {
        thread: number % 5,
        stack: number % 37,
        labels: number % 3,
        step: u64::from(number) * 1001 % 2_000_000,
        cpu: 500,
        unproven: number.is_multiple_of(7),
    };
    (0..count).map(step).collect()
}

/// Everything that outputs use of a profile, by name.
#[derive(PartialEq, Debug)]
pub(in crate::profile) struct Contents {
    recording: Recording,
    processes: Vec<Process>,
    threads: Vec<(ThreadKey, ProcessId, Option<String>)>,
    /// Thread, frames, labels and values.
    pub entries: Vec<(u32, Vec<FrameTexts>, LabelTexts, Values)>,
    /// One thread after another.
    runs: Vec<(Run, Vec<FrameTexts>, LabelTexts)>,
}

/// Kind, names and numbers of a frame.
type FrameTexts = (FrameKind, [String; 3], [u32; 2]);

/// Keys and values.
type LabelTexts = Vec<[String; 2]>;

pub(in crate::profile) fn contents(profile: &Profile) -> Contents {
    let interner = &profile.interner;
    let text = |id| interner.text(id).untrusted().to_owned();
    let frames = |stack| -> Vec<_> {
        let frames = interner.frames_of(stack).map(|frame| {
            let frame = interner.frame(frame);
            let function = interner.function(frame.function);
            (
                function.kind,
                [function.name, function.file, function.short_file].map(text),
                [function.first_line, frame.line],
            )
        });
        frames.collect()
    };
    let labels = |set| -> LabelTexts {
        let labels = interner.labels(set).iter();
        labels
            .map(|label| [label.key, label.value].map(text))
            .collect()
    };
    let mut recording = profile.recording.clone();
    recording.command = Program::of(&recording.command).words;
    let processes = interner.processes().map(|(_, process)| Process {
        command: Program::of(&process.command).words,
        ..process.clone()
    });
    let threads = interner
        .threads()
        .map(|(_, thread)| (thread.key, thread.process, thread.name.map(text)));
    let entries = profile.entries().map(|entry| {
        (
            entry.thread().index() as u32,
            frames(entry.stack()),
            labels(entry.labels()),
            entry.values(),
        )
    });
    let timeline = profile.timeline();
    let runs = timeline.threads().flat_map(|thread| timeline.runs(thread));
    let runs = runs.map(|run| {
        let run = run.expect("readable");
        let without_handles = Run {
            stack: StackId::EMPTY,
            labels: LabelSetId::EMPTY,
            ..run
        };
        (without_handles, frames(run.stack), labels(run.labels))
    });
    Contents {
        recording,
        processes: processes.collect(),
        threads: threads.collect(),
        entries: entries.collect(),
        runs: runs.collect(),
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read_and_written_again_as_it_was(
        steps in prop::collection::vec(any::<Step>(), 0..300),
    ) {
        let profile = filled(&steps);
        let bytes = written(&profile);
        let again = read(bytes.as_slice()).expect("a profile");
        prop_assert_eq!(contents(&again), contents(&profile));
        prop_assert_eq!(&written(&again), &bytes);
        let plain = read(unzipped(&bytes).as_slice()).expect("a profile");
        prop_assert_eq!(&written(&plain), &bytes);
    }

    #[test]
    fn a_file_with_bits_turned_over_is_an_error_or_a_profile(
        flips in prop::collection::vec((any::<prop::sample::Index>(), 0..8_u32), 1..6),
        zipped in any::<bool>(),
    ) {
        let mut bytes = written(&filled(&some_steps(60)));
        if !zipped {
            bytes = unzipped(&bytes);
        }
        for (at, bit) in flips {
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
        }
        if let Ok(profile) = read(bytes.as_slice()) {
            contents(&profile);
        }
    }

    #[test]
    fn bytes_of_any_kind_are_an_error(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(read(bytes.as_slice()).is_err());
    }
}

#[test]
fn a_timeline_of_many_pieces_is_read_as_it_was() {
    let profile = filled(&some_steps(30_000));
    assert!(profile.timeline().run_count() > 20_000);
    let bytes = written(&profile);
    let again = read(bytes.as_slice()).expect("a profile");
    assert!(contents(&again) == contents(&profile));
    assert!(written(&again) == bytes);
}

#[test]
fn what_is_missing_of_the_timeline_is_told_again() {
    let mut profile = filled(&some_steps(10));
    profile.timeline.set_failure("No space left".to_owned(), 4);
    profile.interner.set_full();
    profile.interner.set_labels_full();
    let again = read(written(&profile).as_slice()).expect("a profile");
    let timeline = again.timeline();
    assert_eq!(timeline.dropped(), 4);
    assert_eq!(
        timeline.failure().map(ToString::to_string).as_deref(),
        Some("No space left")
    );
    assert!(again.interner.is_full() && again.interner.labels_are_full());
}

#[test]
fn of_command_lines_only_what_titles_show_is_in_the_file() {
    let bytes = unzipped(&written(&filled(&some_steps(10))));
    let has = |text: &str| {
        bytes
            .windows(text.len())
            .any(|window| window == text.as_bytes())
    };
    assert!(has("manage.py") && has("runserver"));
    assert!(!has("secret"));
}

#[test]
fn a_file_that_ends_too_early_says_so_wherever_it_ends() {
    let zipped = written(&filled(&some_steps(15)));
    let plain = unzipped(&zipped);
    for len in 2..zipped.len() {
        let result = read(&zipped[..len]);
        assert!(
            matches!(result, Err(ReadError::Truncated)),
            "{len} {result:?}"
        );
    }
    // The first field takes four bytes, so shorter files are not recognised as ours.
    for len in 4..plain.len() {
        let result = read(&plain[..len]);
        assert!(
            matches!(result, Err(ReadError::Truncated)),
            "{len} {result:?}"
        );
    }
}

#[test]
fn what_is_no_profile_of_ours_is_told_apart() {
    for other in [
        "",
        "\0",
        "<?xml version=\"1.0\"?>",
        "{\"a\": 1}",
        "main;work 12\n",
        "\x1f",
    ] {
        let result = read(other.as_bytes());
        assert!(
            matches!(result, Err(ReadError::NoProfile)),
            "{other:?} {result:?}"
        );
    }
    // A pprof file with one empty sample and the empty string.
    let result = read(&[0x12, 0, 0x32, 0][..]);
    assert!(matches!(result, Err(ReadError::Foreign)), "{result:?}");

    let mut later = unzipped(&written(&filled(&some_steps(10))));
    assert_eq!(later[3], 1);
    later[3] = 2;
    let result = read(later.as_slice());
    assert!(matches!(result, Err(ReadError::Later(2))), "{result:?}");
}

#[test]
fn a_damaged_archive_or_something_after_the_end_is_damage() {
    let zipped = written(&filled(&some_steps(10)));
    let mut turned = zipped.clone();
    // A bit of the checksum is flipped.
    let at = turned.len() - 6;
    turned[at] ^= 1;
    let mut followed = zipped.clone();
    followed.extend_from_slice(b"more than a header");
    let twice = [zipped.as_slice(), &zipped].concat();
    for bytes in [turned, followed, twice] {
        let result = read(bytes.as_slice());
        assert!(matches!(result, Err(ReadError::Damaged(_))), "{result:?}");
    }
}

/// Reads a file of these fields, after those that every file has.
fn file(fields: &[(u32, &dyn Field)]) -> Result<Profile, ReadError> {
    let mut bytes = Vec::new();
    prost::encoding::encode_key(field::FORMAT, prost::encoding::WireType::Varint, &mut bytes);
    bytes.push(1);
    for (field, value) in fields {
        value.encode_as(*field, &mut bytes);
    }
    read(bytes.as_slice())
}

trait Field {
    fn encode_as(&self, field: u32, bytes: &mut Vec<u8>);
}

impl<M: Message> Field for M {
    fn encode_as(&self, field: u32, bytes: &mut Vec<u8>) {
        prost::encoding::message::encode(field, self, bytes);
    }
}

struct Text(&'static str);

impl Field for Text {
    fn encode_as(&self, field: u32, bytes: &mut Vec<u8>) {
        prost::encoding::bytes::encode(field, &self.0.as_bytes().to_vec(), bytes);
    }
}

#[test]
fn what_does_not_fit_together_is_damage() {
    use field::*;
    // `()` is encoded as an empty message, which is also an empty string.
    let recording = schema::Recording::default();
    let process = schema::Process::default();
    let thread = schema::Thread::default();
    let sample = schema::Sample {
        value: vec![1, 1, 1],
        ..Default::default()
    };
    let runs = schema::Runs {
        sample: vec![0],
        gap: vec![0],
        length: vec![1],
        samples: vec![1],
    };
    let end = schema::End {
        samples: 1,
        runs: 1,
        ..Default::default()
    };
    let whole: Vec<(u32, &dyn Field)> = vec![
        (STRING, &()),
        (RECORDING, &recording),
        (PROCESS, &process),
        (THREAD, &thread),
        (SAMPLE, &sample),
        (RUNS, &runs),
        (END, &end),
    ];
    assert_eq!(file(&whole).expect("a profile").total().count, 1);
    // Each field in turn is missing, doubled, or swapped with the next.
    for at in 0..whole.len() {
        let mut less = whole.clone();
        less.remove(at);
        assert!(file(&less).is_err(), "{at}");
        let mut swapped = whole.clone();
        swapped.swap(at, (at + 1) % whole.len());
        // Processes may come before the recording.
        assert!(at == 1 || file(&swapped).is_err(), "{at}");
    }
    for at in [1, 3, 4, 5, 6] {
        let mut more = whole.clone();
        more.insert(at, whole[at]);
        assert!(file(&more).is_err(), "{at}");
    }
    let damaged = |at: usize, value: &dyn Field| {
        let mut fields = whole.clone();
        fields[at].1 = value;
        let result = file(&fields);
        assert!(matches!(result, Err(ReadError::Damaged(_))), "{result:?}");
    };
    damaged(
        1,
        &schema::Recording {
            engine: 1,
            ..recording.clone()
        },
    );
    damaged(
        1,
        &schema::Recording {
            engine: -1,
            ..recording.clone()
        },
    );
    damaged(
        1,
        &schema::Recording {
            counting: 4,
            ..recording.clone()
        },
    );
    damaged(
        1,
        &schema::Recording {
            notes: vec![9],
            ..recording.clone()
        },
    );
    // A process that is its own parent, and a parent that does not exist.
    damaged(
        2,
        &schema::Process {
            parent: Some(0),
            ..process.clone()
        },
    );
    damaged(
        2,
        &schema::Process {
            parent: Some(1),
            ..process.clone()
        },
    );
    damaged(
        3,
        &schema::Thread {
            process: 1,
            ..thread
        },
    );
    damaged(
        4,
        &schema::Sample {
            thread: 1,
            ..sample.clone()
        },
    );
    damaged(
        4,
        &schema::Sample {
            location_id: vec![1],
            ..sample.clone()
        },
    );
    damaged(
        4,
        &schema::Sample {
            location_id: vec![0],
            ..sample.clone()
        },
    );
    damaged(
        4,
        &schema::Sample {
            unproven: 2,
            ..sample.clone()
        },
    );
    damaged(
        4,
        &schema::Sample {
            own_labels: 1,
            ..sample.clone()
        },
    );
    damaged(
        4,
        &schema::Sample {
            own_labels: 1,
            label: vec![schema::Label {
                str: 9,
                ..Default::default()
            }],
            ..sample.clone()
        },
    );
    damaged(
        4,
        &schema::Sample {
            value: vec![1, 1],
            ..sample.clone()
        },
    );
    damaged(
        4,
        &schema::Sample {
            value: vec![1, -1, 1],
            ..sample.clone()
        },
    );
    damaged(
        5,
        &schema::Runs {
            sample: vec![1],
            ..runs.clone()
        },
    );
    damaged(
        5,
        &schema::Runs {
            gap: Vec::new(),
            ..runs.clone()
        },
    );
    damaged(
        5,
        &schema::Runs {
            samples: vec![2],
            ..runs.clone()
        },
    );
    damaged(
        5,
        &schema::Runs {
            gap: vec![-1],
            ..runs.clone()
        },
    );
    damaged(
        6,
        &schema::End {
            failure: Some(4),
            ..end
        },
    );
}

#[test]
fn of_a_file_that_tells_no_kinds_what_has_no_file_is_structure() {
    let kind = |filename, kind| {
        let function = schema::Function {
            id: 1,
            filename,
            kind,
            ..Default::default()
        };
        let line = schema::Line {
            function_id: 1,
            line: 1,
        };
        let location = schema::Location {
            id: 1,
            mapping_id: 1,
            line: vec![line],
        };
        let sample = schema::Sample {
            location_id: vec![1],
            value: vec![1, 1, 1],
            ..Default::default()
        };
        let end = schema::End {
            samples: 1,
            ..Default::default()
        };
        let profile = file(&[
            (field::STRING, &()),
            (field::STRING, &Text("a.py")),
            (field::RECORDING, &schema::Recording::default()),
            (field::PROCESS, &schema::Process::default()),
            (field::THREAD, &schema::Thread::default()),
            (field::FUNCTION, &function),
            (field::LOCATION, &location),
            (field::SAMPLE, &sample),
            (field::END, &end),
        ])?;
        let kinds = contents(&profile)
            .entries
            .into_iter()
            .flat_map(|(_, frames, ..)| frames)
            .map(|(kind, ..)| kind);
        Ok::<Vec<_>, ReadError>(kinds.collect())
    };
    assert_eq!(kind(0, None).unwrap(), [FrameKind::Structure]);
    assert_eq!(kind(1, None).unwrap(), [FrameKind::Python]);
    assert_eq!(kind(1, Some(1)).unwrap(), [FrameKind::Native]);
    assert_eq!(kind(0, Some(0)).unwrap(), [FrameKind::Python]);
    assert!(matches!(kind(0, Some(3)), Err(ReadError::Damaged(_))));
}

#[test]
fn what_no_recording_holds_is_refused() {
    let recording = schema::Recording::default();
    let chain = |number: u32| schema::Process {
        parent: number.checked_sub(1),
        ..Default::default()
    };
    let chain: Vec<_> = (0..2000).map(chain).collect();
    let mut fields: Vec<(u32, &dyn Field)> =
        vec![(field::STRING, &()), (field::RECORDING, &recording)];
    fields.extend(
        chain
            .iter()
            .map(|process| (field::PROCESS, process as &dyn Field)),
    );
    let end = schema::End::default();
    fields.push((field::END, &end));
    assert!(matches!(file(&fields), Err(ReadError::TooLarge(_))));
}

/// A file as pprof sees it, without unknown fields.
#[derive(Clone, PartialEq, Message)]
struct File {
    #[prost(message, repeated, tag = "1")]
    sample_type: Vec<schema::ValueType>,
    #[prost(message, repeated, tag = "2")]
    sample: Vec<schema::Sample>,
    #[prost(message, repeated, tag = "3")]
    mapping: Vec<schema::Mapping>,
    #[prost(message, repeated, tag = "4")]
    location: Vec<schema::Location>,
    #[prost(message, repeated, tag = "5")]
    function: Vec<schema::Function>,
    #[prost(string, repeated, tag = "6")]
    string_table: Vec<String>,
    #[prost(int64, tag = "9")]
    time_nanos: i64,
    #[prost(int64, tag = "10")]
    duration_nanos: i64,
    #[prost(message, optional, tag = "11")]
    period_type: Option<schema::ValueType>,
    #[prost(int64, tag = "12")]
    period: i64,
    #[prost(int64, repeated, tag = "13")]
    comment: Vec<i64>,
    #[prost(int64, tag = "14")]
    default_sample_type: i64,
}

/// Two threads, each twice in `inner` called from `outer`; one of these samples is unproven.
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
        let function = interner.intern_function(Function {
            kind: FrameKind::Python,
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
        let labels = label_set(&mut profile.interner, 2);
        for proof in [Proof::Proven, Proof::Unproven] {
            profile.add(&Sample {
                thread,
                stack,
                labels,
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

fn decoded(profile: &Profile) -> File {
    let bytes = unzipped(&written(profile));
    File::decode(bytes.as_slice()).expect("a profile.proto")
}

#[test]
fn all_that_was_counted_is_in_it() {
    let profile = profile();
    let file = decoded(&profile);
    let sum = |value: usize| file.sample.iter().map(|sample| sample.value[value]).sum();
    let total = profile.total();
    let sums: [i64; 3] = [sum(0), sum(1), sum(2)];
    let expected = [total.count, total.wall.0, total.cpu.0].map(u64::cast_signed);
    assert_eq!(sums, expected);
    assert_eq!(file.sample.len(), profile.entries().len());
    assert_eq!(file.period, 10_000_000);
    assert!(file.time_nanos > 0 && file.comment.len() == 2);
    let names = file.sample_type.iter().map(|it| it.r#type);
    let names: Vec<_> = names
        .map(|index| file.string_table[usize::try_from(index).unwrap()].as_str())
        .collect();
    assert_eq!(names, ["samples", "wall", "cpu"]);
}

#[test]
fn stacks_are_innermost_first_with_names_that_can_be_seen() {
    let hostile = visible(&TargetStr::new(HOSTILE)).into_owned();
    let file = decoded(&profile());
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
    let stack = |sample: &schema::Sample| sample.location_id.iter().map(|id| name(*id)).collect();
    let stacks: Vec<Vec<_>> = file.sample.iter().map(stack).collect();
    let proven = vec![(hostile.as_str(), 9, 8), ("outer", 3, 2)];
    let mut unproven = proven.clone();
    unproven.push((UNPROVEN, 0, 0));
    assert_eq!(
        stacks,
        [&proven, &unproven, &proven, &unproven].map(Clone::clone)
    );

    let labels = |sample: &schema::Sample| -> Vec<_> {
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
        label("thread", 0, &hostile),
        label("route", 0, &format!("{hostile}2")),
        label("thread", 0, &format!("{hostile}2")),
    ];
    assert_eq!(labels(&file.sample[2]), expected);
}

/// Without escaping the escapes themselves, both would be shown as the same text.
const ALIKE: [&str; 2] = ["a\u{1b}[31m", r"a\x1b[31m"];

#[test]
fn whoever_reads_pprof_sees_no_control_characters_and_we_read_the_names_themselves() {
    let mut profile = profile();
    let interner = &mut profile.interner;
    let frames = ALIKE.map(|name| {
        let name = interner.intern_text(&TargetStr::new(name));
        let function = interner.intern_function(Function {
            kind: FrameKind::Python,
            name,
            file: name,
            short_file: name,
            first_line: 1,
        });
        interner.intern_frame(Frame { function, line: 1 })
    });
    let stack = frames.into_iter().fold(StackId::EMPTY, |stack, frame| {
        interner.intern_stack(stack, frame)
    });
    let (thread, _) = interner.threads().next().expect("a thread");
    let labels = label_set(interner, 3);
    profile.add(&Sample {
        thread,
        stack,
        labels,
        at: Nanos(20),
        wall: Nanos(1),
        cpu: Nanos(1),
        on_cpu: true,
        at_work: false,
        gil: GilState::Holds,
        proof: Proof::Proven,
    });
    let file = decoded(&profile);
    let functions = file.function.iter();
    let of_functions = functions.flat_map(|it| [it.name, it.system_name, it.filename]);
    let labels = file.sample.iter().flat_map(|sample| &sample.label);
    let of_labels = labels.flat_map(|it| [it.key, it.str]);
    let of_mappings = file.mapping.iter().map(|it| it.filename);
    let comments = file.comment.iter().copied();
    let shown: Vec<&str> = of_functions
        .chain(of_labels)
        .chain(of_mappings)
        .chain(comments)
        .map(|index| file.string_table[usize::try_from(index).unwrap()].as_str())
        .collect();
    for text in &shown {
        assert!(!text.contains(is_unsafe_to_show), "{text:?}");
    }
    let names = [r"a\x1b[31m", r"a\x5cx1b[31m"];
    assert!(names.iter().all(|name| shown.contains(name)), "{shown:?}");
    let read = read(written(&profile).as_slice()).expect("a profile");
    assert_eq!(contents(&read), contents(&profile));
}
