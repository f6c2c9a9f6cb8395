//! What a dump tells of asyncio's tasks and of greenlets.

mod await_tree;
mod json;
mod text;

pub use json::{Greenlet, Task, greenlets, tasks};
pub use text::{notes, write_greenlets, write_tasks};
