//! spyhole looks into a running Python process and shows where its time goes.
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
//! - `cli`: arguments, one file a command
//! - [`check`]: judges profiles by rules, and reports to CI
//! - [`output`]: one file a format
//! - [`record`]: what to record, into which sinks; starting programs, signals, files kept up to date
//! - [`sampler`]: the clock and the loop
//! - [`profile`]: call tree, values, timeline, and the file that holds them
//! - [`survey`]: which Python processes there are, what each is for, which one is meant
//! - [`engine`]: what a sampler drives, and its two kinds
//! - [`frameworks`]: all that is known of Django, Flask, gunicorn and others: data, a file a framework
//! - [`cpython`]: all knowledge of CPython
//! - [`target`]: processes: find, describe, permissions, children
//! - [`memory`]: reading another address space
//! - `sys`: all unsafe code and system calls
//! - [`model`]: the words everyone shares
//!
//! Invariants: outside `engine/cpython` and [`cpython`] nobody sees an address; nothing outside
//! `sys` is unsafe; text from a target is a [`model::TargetStr`] and is escaped by each output.

#[cfg(feature = "internals")]
pub mod check;
#[cfg(not(feature = "internals"))]
mod check;
#[cfg(feature = "cli")]
pub mod cli;
#[cfg(feature = "internals")]
pub mod cpython;
#[cfg(not(feature = "internals"))]
mod cpython;
#[cfg(feature = "internals")]
pub mod engine;
#[cfg(not(feature = "internals"))]
mod engine;
mod frameworks;
#[cfg(feature = "internals")]
pub mod memory;
#[cfg(not(feature = "internals"))]
mod memory;
#[cfg(feature = "internals")]
pub mod model;
#[cfg(not(feature = "internals"))]
mod model;
#[cfg(feature = "internals")]
pub mod output;
#[cfg(not(feature = "internals"))]
mod output;
#[cfg(feature = "internals")]
pub mod profile;
#[cfg(not(feature = "internals"))]
mod profile;
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
