//! Which functions run once a request or task, asked once of each.

use rustc_hash::FxHashMap;

use crate::model::{FrameId, FunctionId, Interner};

/// Remembers the answer for each function met so far.
#[derive(Debug)]
pub(super) struct WorkFunctions {
    is_work: Option<fn(&str, &str) -> bool>,
    answers: FxHashMap<FunctionId, bool>,
}

impl WorkFunctions {
    pub(super) fn new(is_work: Option<fn(&str, &str) -> bool>) -> WorkFunctions {
        WorkFunctions {
            is_work,
            answers: FxHashMap::default(),
        }
    }

    /// Whether a request or task begins with this frame.
    pub(super) fn begins_with(&mut self, frame: FrameId, interner: &Interner) -> bool {
        let Some(is_work) = self.is_work else {
            return false;
        };
        let id = interner.frame(frame).function;
        *self.answers.entry(id).or_insert_with(|| {
            let function = interner.function(id);
            let text = |id| interner.text(id).untrusted();
            is_work(text(function.file), text(function.name))
        })
    }
}
