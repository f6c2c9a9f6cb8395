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
//! - [`profile`]: call tree, values, timeline, and the file that holds them
//! - [`sampler`]: the clock and the loop
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

pub mod check;
pub mod cli;
pub mod cpython;
pub mod engine;
pub mod frameworks;
pub mod memory;
pub mod model;
pub mod output;
pub mod profile;
pub mod sampler;
pub mod survey;
mod sys;
pub mod target;
