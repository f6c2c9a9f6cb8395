//! Which functions run once a request or task, asked once of each.

use rustc_hash::FxHashMap;

use crate::model::{FrameId, FunctionId, Interner};

/// What is known of the functions met so far.
#[derive(Debug)]
pub(super) struct Work {
    is_work: Option<fn(&str, &str) -> bool>,
    known: FxHashMap<FunctionId, bool>,
}

impl Work {
    pub(super) fn new(is_work: Option<fn(&str, &str) -> bool>) -> Work {
        Work {
            is_work,
            known: FxHashMap::default(),
        }
    }

    /// Whether a request or task begins with this frame.
    pub(super) fn begins_with(&mut self, frame: FrameId, interner: &Interner) -> bool {
        let Some(is_work) = self.is_work else {
            return false;
        };
        let id = interner.frame(frame).function;
        *self.known.entry(id).or_insert_with(|| {
            let function = interner.function(id);
            let text = |id| interner.text(id).untrusted();
            is_work(text(function.file), text(function.name))
        })
    }
}
