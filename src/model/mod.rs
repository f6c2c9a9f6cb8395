//! The words that every stage shares. Nothing here knows how a sample is taken or shown.

mod command;
mod counting;
mod ids;
mod interner;
mod sample;
mod text;
mod ticks;

pub use command::Program;
pub use counting::{Counting, HaltMethod, Halting};
pub use ids::{
    Addr, CodeAddr, FrameId, FunctionId, Nanos, Pid, ProcessId, StackId, TextId, ThreadId,
    ThreadKey, Tid,
};
pub use interner::{
    Frame, Function, Growth, Interner, Process, PythonVersion, Stack, TOO_MANY, Thread,
};
pub use sample::{GilState, Proof, Sample, Tick, TickOutcome};
pub use text::TargetStr;
pub(crate) use text::own_escape;
pub use ticks::Ticks;
