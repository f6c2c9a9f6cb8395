//! spyhole looks into a running Python process and shows where its time goes.
//!
//! Record a program for a second and draw a flamegraph:
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use spyhole::{Flamegraph, Launch, RecordOptions, Recorder, RenderOptions};
//!
//! let mut options = RecordOptions::default();
//! options.duration = Some(std::time::Duration::from_secs(1));
//! let program = Launch::new(["python3", "-c", "while True: sum(range(1000))"]);
//! let recorded = Recorder::new(options).start(&program, &(), &mut [])?.finish()?;
//! let mut svg = Vec::new();
//! spyhole::write(&Flamegraph, &recorded.profile, &RenderOptions::default(), &mut svg)?;
//! assert!(svg.starts_with(b"<?xml"));
//! # Ok(())
//! # }
//! ```
//!
//! [`find`] tells which process is meant, [`Recorder::attach`] records one that runs, [`check`] judges what
//! was recorded. None of this needs the default features: `cli` is the program, and `py-spy` the engine
//! for Pythons that our own does not know.
//!
//! # How it is laid out
//!
//! ```text
//!  find         open             tick: read, unwind, resolve          count            show
//!  target/ ───> Engine::open ──> Engine::tick(&mut Interner, ──────>  Profile, ─────>  output/
//!  which        where its state  &mut Vec<Sample>)                    Timeline         SVG, ...
//!  process      lives, which     who ran where, for how long          call tree,         check/
//!               layout                                                labels, weights    verdicts
//! ```
//!
//! Data goes one way, left to right. Rooms, from the top; imports run downwards:
//!
//! - `cli`: arguments, one file a command, and words for people
//! - [`check`]: judges profiles by rules, and reports to CI
//! - [`insight`]: says what a profile means: mistakes that it proves
//! - [`dump`]: one moment of a process, or its last, every thread with its stack
//! - `top`: what a process does from moment to moment, on a screen or as tables
//! - [`output`]: one file a format
//! - [`record`]: what to record, into which sinks; starting programs, signals, files kept up to date
//! - `sampler`: the clock and the loop
//! - `survey`: which Python processes there are, what each is for, which one is meant
//! - `engine`: what a sampler drives, and its two kinds
//! - `frameworks`: all that is known of Django, Flask, gunicorn and others, what is read of their variables
//!   and which mistakes are made with them: data, a file a framework
//! - [`profile`]: call tree, values, labels, timeline, and the file that holds them
//! - `cpython`: all knowledge of CPython
//! - `target`: processes: find, describe, permissions, children; core files, which are what is left of them
//! - `memory`: reading another address space
//! - `sys`: all unsafe code and system calls
//! - `model`: the words everyone shares
//!
//! Invariants: outside `engine/cpython` and `cpython` nobody sees an address; nothing outside `sys` is
//! unsafe, and only `target` beside it makes system calls and reads `/proc`; text from a target is a
//! [`TargetStr`] and is escaped by each output. `tests/architecture.rs` holds the order of imports and these.
//!
//! The feature `internals` opens all rooms to this crate's own tests and benches.

pub mod check;
#[cfg(feature = "cli")]
pub mod cli;
#[cfg(feature = "internals")]
pub mod cpython;
#[cfg(not(feature = "internals"))]
mod cpython;
pub mod dump;
#[cfg(feature = "internals")]
pub mod engine;
#[cfg(not(feature = "internals"))]
mod engine;
mod frameworks;
pub mod insight;
#[cfg(feature = "internals")]
pub mod memory;
#[cfg(not(feature = "internals"))]
mod memory;
#[cfg(feature = "internals")]
pub mod model;
#[cfg(not(feature = "internals"))]
mod model;
pub mod output;
pub mod profile;
pub mod record;
#[cfg(feature = "internals")]
pub mod sampler;
#[cfg(not(feature = "internals"))]
mod sampler;
mod survey;
mod sys;
#[cfg(feature = "internals")]
pub mod target;
#[cfg(not(feature = "internals"))]
mod target;
#[cfg(feature = "cli")]
mod top;

pub use model::{
    Counting, Ending, Frame, FrameId, FrameKind, Function, FunctionId, GilState, HaltMethod,
    Halting, Interner, Label, LabelSetId, Nanos, Pid, Process, ProcessId, Proof, PythonVersion,
    Sample, Stack, StackId, TargetStr, TextId, Thread, ThreadId, ThreadKey, Ticks, Tid,
};
pub use output::{
    ChromeTrace, Flamegraph, Format, LineMode, OutputError, Pprof, Raw, RenderOptions, Speedscope,
    Unit, write,
};
pub use profile::Profile;
pub use record::{Launch, RecordError, RecordOptions, Recorded, Recorder};
pub use sampler::{
    EngineChoice, Engines, Follow, News, OpenFailure, Outage, OutageKind, Refused, Report, SoFar,
    Stop,
};
pub use survey::{Choice, FindError, Found, PickError, Survey, Wanted, find};
pub use target::core::{Core, CoreError, CoreSignal, SignalCause};
pub use target::{Halted, Identity, diagnosis};
