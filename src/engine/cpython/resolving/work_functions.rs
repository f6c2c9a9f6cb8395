//! Which functions run once a request or task, asked once of each.

use rustc_hash::FxHashMap;

use crate::frameworks;
use crate::model::{Counting, FrameId, FunctionId, Interner};

/// Remembers the answer for each function met so far.
#[derive(Debug)]
pub(super) struct WorkFunctions {
    /// Only where threads within a request or task count even while they wait.
    is_asked: bool,
    answers: FxHashMap<FunctionId, bool>,
}

impl WorkFunctions {
    pub(super) fn new(counting: Counting) -> WorkFunctions {
        WorkFunctions {
            is_asked: counting == Counting::Work,
            answers: FxHashMap::default(),
        }
    }

    /// Whether a request or task begins with this frame.
    pub(super) fn begins_with(&mut self, frame: FrameId, interner: &Interner) -> bool {
        if !self.is_asked {
            return false;
        }
        let id = interner.frame(frame).function;
        *self.answers.entry(id).or_insert_with(|| {
            let function = interner.function(id);
            let text = |id| interner.text(id).untrusted();
            frameworks::is_work_frame(text(function.file), text(function.name))
        })
    }
}
