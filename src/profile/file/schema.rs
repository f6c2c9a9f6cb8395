//! The messages of a profile file: pprof's, as far as they are used, and ours. What stands for a
//! text is its place in the string table.
//!
//! Ours have numbers that pprof does not use, and whoever reads pprof skips what it does not know.

use prost::Message;

/// The fields of the whole.
pub(super) mod field {
    pub const SAMPLE_TYPE: u32 = 1;
    pub const SAMPLE: u32 = 2;
    pub const MAPPING: u32 = 3;
    pub const LOCATION: u32 = 4;
    pub const FUNCTION: u32 = 5;
    pub const STRING: u32 = 6;
    pub const TIME_NANOS: u32 = 9;
    pub const DURATION_NANOS: u32 = 10;
    pub const PERIOD_TYPE: u32 = 11;
    pub const PERIOD: u32 = 12;
    pub const COMMENT: u32 = 13;
    pub const DEFAULT_SAMPLE_TYPE: u32 = 14;
    /// A number, and first in the file.
    pub const FORMAT: u32 = 7700;
    pub const RECORDING: u32 = 7701;
    pub const PROCESS: u32 = 7702;
    pub const THREAD: u32 = 7703;
    pub const RUNS: u32 = 7704;
    /// Last in the file.
    pub const END: u32 = 7705;
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct ValueType {
    #[prost(int64, tag = "1")]
    pub r#type: i64,
    #[prost(int64, tag = "2")]
    pub unit: i64,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Sample {
    /// Innermost first.
    #[prost(uint64, repeated, tag = "1")]
    pub location_id: Vec<u64>,
    /// Samples, wall and CPU nanoseconds.
    #[prost(int64, repeated, tag = "2")]
    pub value: Vec<i64>,
    #[prost(message, repeated, tag = "3")]
    pub label: Vec<Label>,
    /// Ours: which of the threads.
    #[prost(uint32, tag = "7700")]
    pub thread: u32,
    /// Ours: how many of the samples could not be proven whole.
    #[prost(uint64, tag = "7701")]
    pub unproven: u64,
    /// Ours: how many of the labels, the last ones, are the samples' own. Those before them tell of
    /// the process and the thread.
    #[prost(uint32, tag = "7702")]
    pub own_labels: u32,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Label {
    #[prost(int64, tag = "1")]
    pub key: i64,
    #[prost(int64, tag = "2")]
    pub str: i64,
    #[prost(int64, tag = "3")]
    pub num: i64,
    /// Ours: key and text as they are in the program, where the above are not.
    #[prost(int64, optional, tag = "7700")]
    pub own_key: Option<i64>,
    #[prost(int64, optional, tag = "7701")]
    pub own_str: Option<i64>,
}

/// The program as a whole: some readers want one.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Mapping {
    #[prost(uint64, tag = "1")]
    pub id: u64,
    #[prost(int64, tag = "5")]
    pub filename: i64,
    #[prost(bool, tag = "7")]
    pub has_functions: bool,
    #[prost(bool, tag = "8")]
    pub has_filenames: bool,
    #[prost(bool, tag = "9")]
    pub has_line_numbers: bool,
}

/// A frame. Ids count from 1, in the order of the file.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Location {
    #[prost(uint64, tag = "1")]
    pub id: u64,
    #[prost(uint64, tag = "2")]
    pub mapping_id: u64,
    #[prost(message, repeated, tag = "4")]
    pub line: Vec<Line>,
}

#[derive(Clone, Copy, PartialEq, Message)]
pub(super) struct Line {
    #[prost(uint64, tag = "1")]
    pub function_id: u64,
    #[prost(int64, tag = "2")]
    pub line: i64,
}

/// Ids count from 1, in the order of the file.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Function {
    #[prost(uint64, tag = "1")]
    pub id: u64,
    #[prost(int64, tag = "2")]
    pub name: i64,
    #[prost(int64, tag = "3")]
    pub system_name: i64,
    #[prost(int64, tag = "4")]
    pub filename: i64,
    #[prost(int64, tag = "5")]
    pub start_line: i64,
    /// Ours.
    #[prost(int64, tag = "7700")]
    pub short_file: i64,
    /// Ours: its place in `FrameKind::ALL`. Files of before have none.
    #[prost(uint32, optional, tag = "7701")]
    pub kind: Option<u32>,
    /// Ours: name and file as they are in the program, where the above are not.
    #[prost(int64, optional, tag = "7702")]
    pub own_name: Option<i64>,
    #[prost(int64, optional, tag = "7703")]
    pub own_filename: Option<i64>,
}

/// What was recorded, and how.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Recording {
    #[prost(int64, tag = "1")]
    pub spyhole: i64,
    #[prost(int32, tag = "2")]
    pub pid: i32,
    #[prost(int64, repeated, tag = "3")]
    pub command: Vec<i64>,
    #[prost(message, optional, tag = "4")]
    pub python: Option<Python>,
    #[prost(int64, tag = "5")]
    pub engine: i64,
    #[prost(uint32, tag = "6")]
    pub rate: u32,
    /// Nanoseconds since 1970.
    #[prost(sint64, tag = "7")]
    pub started: i64,
    #[prost(uint64, tag = "8")]
    pub duration: u64,
    #[prost(uint64, optional, tag = "9")]
    pub cpu: Option<u64>,
    #[prost(uint64, optional, tag = "10")]
    pub cpu_outside: Option<u64>,
    #[prost(message, optional, tag = "20")]
    pub ending: Option<Ending>,
    #[prost(message, optional, tag = "11")]
    pub ticks: Option<Ticks>,
    /// By their place in `HaltMethod::ALL`.
    #[prost(uint32, repeated, tag = "18")]
    pub halted: Vec<u32>,
    /// By its place in `Counting::ALL`.
    #[prost(uint32, tag = "19")]
    pub counting: u32,
    #[prost(int64, repeated, tag = "17")]
    pub notes: Vec<i64>,
}

#[derive(Clone, Copy, PartialEq, Message)]
pub(super) struct Python {
    /// `PY_VERSION_HEX`
    #[prost(fixed32, tag = "1")]
    pub hex: u32,
    #[prost(bool, tag = "2")]
    pub free_threaded: bool,
}

/// How the program ended; with neither, it is not known how.
#[derive(Clone, Copy, PartialEq, Message)]
pub(super) struct Ending {
    #[prost(sint32, optional, tag = "1")]
    pub code: Option<i32>,
    #[prost(sint32, optional, tag = "2")]
    pub signal: Option<i32>,
}

#[derive(Clone, Copy, PartialEq, Message)]
pub(super) struct Ticks {
    #[prost(uint64, tag = "1")]
    pub expected: u64,
    #[prost(uint64, tag = "2")]
    pub sampled: u64,
    #[prost(uint64, tag = "3")]
    pub idle: u64,
    #[prost(uint64, tag = "4")]
    pub missed: u64,
    #[prost(uint64, tag = "5")]
    pub lost: u64,
    #[prost(uint64, tag = "6")]
    pub unproven: u64,
    #[prost(uint64, tag = "7")]
    pub looks: u64,
    #[prost(uint64, tag = "8")]
    pub samples: u64,
    #[prost(uint64, tag = "9")]
    pub lost_threads: u64,
    #[prost(uint64, tag = "10")]
    pub left_out_idle: u64,
    #[prost(uint64, tag = "11")]
    pub left_out_gil: u64,
    #[prost(uint64, tag = "12")]
    pub pauses: u64,
    #[prost(uint64, tag = "13")]
    pub pauses_refused: u64,
    /// Nanoseconds, as the others that follow.
    #[prost(uint64, tag = "14")]
    pub open_time: u64,
    #[prost(uint64, tag = "15")]
    pub gap_time: u64,
    #[prost(uint64, tag = "16")]
    pub lost_time: u64,
    #[prost(uint64, tag = "17")]
    pub left_out_cpu: u64,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Process {
    #[prost(int32, tag = "1")]
    pub pid: i32,
    /// Which of the processes, also of those that come later.
    #[prost(uint32, optional, tag = "2")]
    pub parent: Option<u32>,
    #[prost(int64, repeated, tag = "3")]
    pub command: Vec<i64>,
    #[prost(message, optional, tag = "4")]
    pub python: Option<Python>,
    #[prost(uint32, optional, tag = "5")]
    pub generation: Option<u32>,
}

#[derive(Clone, Copy, PartialEq, Message)]
pub(super) struct Thread {
    #[prost(int32, tag = "1")]
    pub pid: i32,
    #[prost(uint64, tag = "2")]
    pub python_id: u64,
    #[prost(int32, optional, tag = "3")]
    pub tid: Option<i32>,
    #[prost(uint64, tag = "4")]
    pub started: u64,
    /// Which of the processes.
    #[prost(uint32, tag = "5")]
    pub process: u32,
    #[prost(int64, optional, tag = "6")]
    pub name: Option<i64>,
}

/// A piece of the timeline, column by column: the runs of one thread after those of another, each
/// in the order of time.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Runs {
    /// Which of the samples: thread and stack are its.
    #[prost(uint32, repeated, tag = "1")]
    pub sample: Vec<u32>,
    /// Nanoseconds from the end of the run before it in this piece, or from the start of the recording;
    /// negative where another thread's run was before.
    #[prost(sint64, repeated, tag = "2")]
    pub gap: Vec<i64>,
    #[prost(uint64, repeated, tag = "3")]
    pub length: Vec<u64>,
    #[prost(uint64, repeated, tag = "4")]
    pub samples: Vec<u64>,
}

/// Tells that nothing is missing, or what.
#[derive(Clone, Copy, PartialEq, Message)]
pub(super) struct End {
    /// How many the file holds.
    #[prost(uint64, tag = "1")]
    pub samples: u64,
    #[prost(uint64, tag = "2")]
    pub runs: u64,
    /// Runs that are missing, and why.
    #[prost(uint64, tag = "3")]
    pub dropped: u64,
    #[prost(int64, optional, tag = "4")]
    pub failure: Option<i64>,
    /// Names, lines or stacks that found no room are told as one.
    #[prost(bool, tag = "5")]
    pub full: bool,
    /// Label sets that found no room are told as one.
    #[prost(bool, tag = "6")]
    pub labels_full: bool,
}
