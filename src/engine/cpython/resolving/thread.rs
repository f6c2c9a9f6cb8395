//! What is remembered about a thread from sample to sample.

use super::MISSING_FRAMES;
use super::work_functions::WorkFunctions;
use crate::cpython::frames::{RawFrame, RawStack};
use crate::engine::cpython::code_table::{CodeTable, Meaning};
use crate::engine::cpython::short_file::ShortFiles;
use crate::model::{CodeAddr, Interner, LabelSetId, ProcessId, StackId, ThreadId, ThreadKey};

#[derive(Debug)]
pub(super) struct ResolvedThread {
    pub(super) key: ThreadKey,
    pub(super) id: ThreadId,
    /// The functions of its last stack, root first.
    frames: Vec<ResolvedFrame>,
    /// The generation of the code table that `frames` belong to.
    generation: u64,
    /// Whether the root of the stack is the mark for missing frames.
    cut: bool,
    /// The labels of its last stack.
    pub(super) labels: LabelSetId,
    /// Whether the last stack was proven.
    pub(super) proven: bool,
    /// The number of searches for its name, successful or not.
    pub(super) times_asked_for_name: u32,
    /// The last round in which it was seen.
    pub(super) seen_in: u64,
}

#[derive(Debug)]
struct ResolvedFrame {
    code: CodeAddr,
    instruction: i32,
    may_be_incomplete: bool,
    /// The stack from the root to this frame, or to its caller if this frame is not shown; `None` if
    /// there is no frame to show yet.
    stack: Option<StackId>,
    /// Whether this frame or one of its callers runs a request or task.
    at_work: bool,
}

impl ResolvedFrame {
    /// Whether it is the result of this frame. The address of the frame does not matter.
    fn is(&self, frame: &RawFrame) -> bool {
        self.code == frame.code
            && self.instruction == frame.instruction
            && self.may_be_incomplete == frame.may_be_incomplete
    }
}

impl ResolvedThread {
    pub(super) fn new(
        key: ThreadKey,
        process: ProcessId,
        interner: &mut Interner,
    ) -> ResolvedThread {
        ResolvedThread {
            key,
            id: interner.intern_thread(key, process),
            frames: Vec::new(),
            generation: 0,
            cut: false,
            labels: LabelSetId::EMPTY,
            proven: false,
            times_asked_for_name: 0,
            seen_in: 0,
        }
    }

    /// Its last stack; `None` if it ran no Python.
    pub(super) fn stack(&self) -> Option<StackId> {
        self.frames.last()?.stack
    }

    /// Whether it was within a request or task at its last sample.
    pub(super) fn is_at_work(&self) -> bool {
        self.frames.last().is_some_and(|frame| frame.at_work)
    }

    /// Takes a stack as it was read. The part that it shares with the last one, from the root on, is not
    /// looked up again.
    pub(super) fn update(
        &mut self,
        stack: &RawStack,
        codes: &mut CodeTable,
        interner: &mut Interner,
        short_files: &mut ShortFiles,
        work_functions: &mut WorkFunctions,
    ) {
        let functions = stack.functions().rev();
        let mut shared = functions
            .clone()
            .zip(&self.frames)
            .take_while(|(new, old)| old.is(new))
            .count();
        if self.generation != codes.generation() || self.cut != stack.cut {
            shared = 0;
        }
        self.generation = codes.generation();
        self.cut = stack.cut;
        self.frames.truncate(shared);
        for frame in functions.skip(shared) {
            let Some(meaning) = codes.resolve(frame, interner, short_files) else {
                break;
            };
            let caller = self.stack();
            let (stack, at_work) = match meaning {
                Meaning::Incomplete => (caller, self.is_at_work()),
                Meaning::Frame(id) => {
                    let is_outermost = caller.is_none() && !stack.cut;
                    let at_work =
                        self.is_at_work() || work_functions.begins_with(id, is_outermost, interner);
                    let caller = caller.unwrap_or_else(|| root(stack.cut, interner));
                    (Some(interner.intern_stack(caller, id)), at_work)
                }
            };
            self.frames.push(ResolvedFrame {
                code: frame.code,
                instruction: frame.instruction,
                may_be_incomplete: frame.may_be_incomplete,
                stack,
                at_work,
            });
        }
    }
}

/// The stack to which the first frame is added.
fn root(cut: bool, interner: &mut Interner) -> StackId {
    if !cut {
        return StackId::EMPTY;
    }
    let mark = interner.intern_structure(MISSING_FRAMES);
    interner.intern_stack(StackId::EMPTY, mark)
}
