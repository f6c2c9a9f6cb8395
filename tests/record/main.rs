//! `spyhole record`, by what a developer does with it.

#[path = "../common/mod.rs"]
mod common;
#[path = "../harness/mod.rs"]
mod harness;

mod arguments;
mod attach;
mod output;
mod program;
mod refused;
mod slow_start;
mod so_far;
mod versions;
