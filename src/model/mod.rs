//! The types that all stages share. Nothing here knows how a sample is taken or shown.

mod code;
mod command;
mod counting;
mod ending;
mod ids;
mod interner;
mod labels;
pub mod little_endian;
mod process;
mod sample;
mod table;
mod text;
mod ticks;
mod unsafe_chars;
mod version;
mod visible;

pub use code::{Frame, FrameKind, Function, Stack};
pub use command::Program;
pub use counting::{Counting, HaltMethod, Halting};
pub use ending::Ending;
pub use ids::{
    Addr, CodeAddr, FrameId, FunctionId, LabelSetId, Nanos, Pid, ProcessId, StackId, TextId,
    ThreadId, ThreadKey, Tid,
};
#[cfg(any(feature = "cli", feature = "internals"))]
pub use interner::TOO_MANY;
pub use interner::{Growth, Interner};
pub use labels::{Label, MOST_LABEL_SETS, OTHER_LABEL};
pub use process::{Process, Thread};
pub use sample::{GilState, Proof, Sample, Tick, TickOutcome};
pub use text::TargetStr;
pub use ticks::Ticks;
pub use unsafe_chars::is_unsafe_to_show;
pub use version::PythonVersion;
pub use visible::visible;
pub(crate) use visible::{escape_where, push_escape, visible_text};
