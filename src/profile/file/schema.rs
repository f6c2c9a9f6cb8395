//! The messages of a profile file: pprof's, as far as they are used, and ours. Texts are indices into the
//! string table.
//!
//! Our fields have numbers that pprof does not use, and readers of pprof skip unknown fields.

use prost::Message;

/// The fields of the file.
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
    /// A number; the first field of the file.
    pub const FORMAT: u32 = 7700;
    pub const RECORDING: u32 = 7701;
    pub const PROCESS: u32 = 7702;
    pub const THREAD: u32 = 7703;
    pub const RUNS: u32 = 7704;
    /// The last field of the file.
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
    /// Number of samples, wall and CPU nanoseconds.
    #[prost(int64, repeated, tag = "2")]
    pub value: Vec<i64>,
    #[prost(message, repeated, tag = "3")]
    pub label: Vec<Label>,
    /// Ours: index of the thread.
    #[prost(uint32, tag = "7700")]
    pub thread: u32,
    /// Ours: number of samples that could not be proven.
    #[prost(uint64, tag = "7701")]
    pub unproven: u64,
    /// Ours: how many of the labels, counted from the last, are the sample's own. Those before them
    /// describe process and thread.
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
    /// Ours: the original key and text, if the visible ones above differ.
    #[prost(int64, optional, tag = "7700")]
    pub own_key: Option<i64>,
    #[prost(int64, optional, tag = "7701")]
    pub own_str: Option<i64>,
}

/// The program as a whole. Some readers need a mapping.
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
    /// Ours: the file from the outermost package on.
    #[prost(int64, tag = "7700")]
    pub short_file: i64,
    /// Ours: index into `FrameKind::ALL`. Older files do not have it.
    #[prost(uint32, optional, tag = "7701")]
    pub kind: Option<u32>,
    /// Ours: the original name and file, if the visible ones above differ.
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
    /// Indices into `HaltMethod::ALL`.
    #[prost(uint32, repeated, tag = "18")]
    pub halted: Vec<u32>,
    /// Index into `Counting::ALL`.
    #[prost(uint32, tag = "19")]
    pub counting: u32,
    #[prost(bool, tag = "21")]
    pub labels_read: bool,
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

/// How the program ended. If neither is set, it is not known.
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
    /// Nanoseconds, as are the fields after it.
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
    /// Index of a process, which may come later in the file.
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
    /// Index of the process.
    #[prost(uint32, tag = "5")]
    pub process: u32,
    #[prost(int64, optional, tag = "6")]
    pub name: Option<i64>,
}

/// A piece of the timeline, in columns: the runs of each thread in the order of time, one thread after
/// another.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Runs {
    /// Index of the sample that has the run's thread and stack.
    #[prost(uint32, repeated, tag = "1")]
    pub sample: Vec<u32>,
    /// Nanoseconds since the end of the previous run in this piece, or since the start of the recording
    /// for the first. It may be negative after a run of another thread.
    #[prost(sint64, repeated, tag = "2")]
    pub gap: Vec<i64>,
    #[prost(uint64, repeated, tag = "3")]
    pub length: Vec<u64>,
    #[prost(uint64, repeated, tag = "4")]
    pub samples: Vec<u64>,
}

/// Says whether anything is missing, and what.
#[derive(Clone, Copy, PartialEq, Message)]
pub(super) struct End {
    /// The number of samples in the file.
    #[prost(uint64, tag = "1")]
    pub samples: u64,
    #[prost(uint64, tag = "2")]
    pub runs: u64,
    /// The number of missing runs, and the reason.
    #[prost(uint64, tag = "3")]
    pub dropped: u64,
    #[prost(int64, optional, tag = "4")]
    pub failure: Option<i64>,
    /// Names, lines or stacks without room in the tables are counted as one.
    #[prost(bool, tag = "5")]
    pub full: bool,
    /// Label sets without room in the table are counted as one.
    #[prost(bool, tag = "6")]
    pub labels_full: bool,
}
