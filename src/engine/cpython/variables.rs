//! What frames hold besides their line: their variables, read while their threads stand still.
//!
//! Variables are read after the stacks of a look and before it is known whether that look is proven, so
//! that what proves a stack proves its variables, too. The frames nearest to the leaf come first, those of
//! all threads alike, until as much was read as may be: so long at most a thread is held.

use rustc_hash::FxHashMap;

use super::code_table::CodeTable;
use super::reading::{ReadStack, Reader};
use crate::cpython::frames::{FrameKind, RawFrame, RawStack};
use crate::cpython::objects::with_unicode_unit;
use crate::cpython::values::{Limits, Local, Secrets, Values};
use crate::memory::{Snapshot, Source};
use crate::model::{Addr, GilState, Tid};

/// How variables are shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct VariableOptions {
    pub limits: Limits,
    pub secrets: Secrets,
    /// The most reads that the variables of one look take. A read takes some microseconds at most.
    pub reads: u64,
}

/// What is known of a frame that is shown.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct FrameFacts {
    /// An eval loop was entered with it, as far as the frame itself tells (up to 3.11).
    pub is_entry: bool,
    /// It lies next to an entry from C (3.12 on), or is the thread's first.
    pub is_shim_entry: bool,
    /// `None` where they were not asked for, or could not be read.
    pub variables: Option<Vec<Local>>,
}

/// Reads the facts of the frames of each look, where they are asked for.
#[derive(Debug)]
pub struct Variables {
    options: Option<VariableOptions>,
    /// Of each thread, leaf first.
    threads: FxHashMap<ThreadIds, Vec<FrameFacts>>,
    is_cut: bool,
    may_have_moved: bool,
}

impl Variables {
    /// Without options, nothing is read that the look has not read already.
    pub fn new(options: Option<VariableOptions>) -> Variables {
        Variables {
            options,
            threads: FxHashMap::default(),
            is_cut: false,
            may_have_moved: false,
        }
    }

    /// Whether threads must stand still for as long as values are read.
    pub fn reads_values(&self) -> bool {
        self.options.is_some()
    }

    /// Whether the variables of some frames were left out, since as much was read as may be.
    pub fn is_cut(&self) -> bool {
        self.is_cut
    }

    /// Whether some thread went on while values were read: none was to be halted, or not all were.
    pub fn may_have_moved(&self) -> bool {
        self.may_have_moved
    }

    /// Tells that some thread did not stand still while they were read. What it has in common with others
    /// may have changed under them all.
    pub fn tell_moved(&mut self) {
        self.may_have_moved = self.reads_values();
    }

    /// The facts of the frames of a thread.
    pub fn take(&mut self, python_id: u64, tid: Option<Tid>) -> Vec<FrameFacts> {
        self.threads.remove(&(python_id, tid)).unwrap_or_default()
    }

    /// Reads the facts of the last look's frames, from its own moment of the memory.
    pub fn read<S: Source>(&mut self, reader: &mut Reader<Snapshot<S>>, codes: &CodeTable) {
        self.threads.clear();
        self.is_cut = false;
        self.may_have_moved = false;
        let mut stacks = Vec::new();
        for thread in &reader.last_look().threads {
            if let ReadStack::Read(stack) = &thread.stack {
                let shown = shown_frames(stack, codes);
                let facts = shown.iter().map(|(_, facts)| facts.clone()).collect();
                let ids = (thread.state.thread_id, thread.tid);
                self.threads.insert(ids, facts);
                stacks.push(ShownStack {
                    thread: ids,
                    interpreter: thread.state.interpreter,
                    has_gil: thread.gil == GilState::Holds,
                    frames: shown,
                });
            }
        }
        let (Some(options), Some(first)) = (self.options, stacks.first()) else {
            return;
        };
        let interpreter = first.interpreter;
        let mut layout = reader.layout().clone();
        let memory = reader.memory();
        if let Ok(object) = with_unicode_unit(memory, &layout, interpreter) {
            layout.object = object;
        }
        let mut values = Values::new(&layout, options.limits, options.secrets, options.reads);
        for (thread, depth, frame) in in_turn(&stacks) {
            if values.is_spent() {
                self.is_cut = true;
                return;
            }
            let found = values.locals(memory, frame);
            let facts = self.threads.get_mut(&thread);
            if let Some(facts) = facts.and_then(|facts| facts.get_mut(depth)) {
                facts.variables = found.ok();
            }
        }
    }
}

/// A thread by Python's id and the kernel's.
type ThreadIds = (u64, Option<Tid>);

struct ShownStack {
    thread: ThreadIds,
    interpreter: Addr,
    has_gil: bool,
    frames: Vec<(RawFrame, FrameFacts)>,
}

/// The frames of all threads with their depths, those first that are the likeliest to be asked for: of a
/// thread that has a GIL all, then the innermost of all others, and so on outwards.
fn in_turn(stacks: &[ShownStack]) -> impl Iterator<Item = (ThreadIds, usize, &RawFrame)> {
    let deepest = stacks.iter().map(|stack| stack.frames.len()).max();
    let of_holders = stacks
        .iter()
        .filter(|stack| stack.has_gil)
        .flat_map(|stack| {
            let frames = stack.frames.iter().enumerate();
            frames.map(|(depth, (frame, _))| (stack.thread, depth, frame))
        });
    let of_others = (0..deepest.unwrap_or(0)).flat_map(move |depth| {
        let others = stacks.iter().filter(|stack| !stack.has_gil);
        others.filter_map(move |stack| {
            let (frame, _) = stack.frames.get(depth)?;
            Some((stack.thread, depth, frame))
        })
    });
    of_holders.chain(of_others)
}

/// The frames of a stack that are shown, leaf first.
fn shown_frames(stack: &RawStack, codes: &CodeTable) -> Vec<(RawFrame, FrameFacts)> {
    let mut shown: Vec<(RawFrame, FrameFacts)> = Vec::new();
    for frame in &stack.frames {
        if !frame.is_function() {
            if let Some((_, inner)) = shown.last_mut() {
                inner.is_shim_entry = true;
            }
        } else if !codes.hides(frame) {
            let facts = FrameFacts {
                is_entry: frame.kind == FrameKind::Entry,
                ..FrameFacts::default()
            };
            shown.push((*frame, facts));
        }
    }
    if let Some((_, first)) = shown.last_mut() {
        first.is_shim_entry = true;
    }
    shown
}
