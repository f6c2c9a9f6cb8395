//! Which functions begin a request or task. The answer is kept for each function.

use rustc_hash::FxHashMap;

use crate::frameworks;
use crate::model::{FrameId, FunctionId, Interner};

/// Where to look for frames that begin a request or task.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WorkSearch {
    /// Not needed.
    Off,
    /// Functions that are known to begin one.
    Functions,
    /// These functions, and the outermost frame of a stack, since the process's program calls the
    /// application from C.
    FunctionsAndOutermost,
}

/// Remembers the answer for each function.
#[derive(Debug)]
pub(super) struct WorkFunctions {
    search: WorkSearch,
    answers: FxHashMap<FunctionId, bool>,
}

impl WorkFunctions {
    pub(super) fn new(search: WorkSearch) -> WorkFunctions {
        WorkFunctions {
            search,
            answers: FxHashMap::default(),
        }
    }

    /// Whether a request or task begins with this frame.
    pub(super) fn begins_with(
        &mut self,
        frame: FrameId,
        is_outermost: bool,
        interner: &Interner,
    ) -> bool {
        if self.search == WorkSearch::Off {
            return false;
        }
        let id = interner.frame(frame).function;
        let text = |id| interner.text(id).untrusted();
        if is_outermost && self.search == WorkSearch::FunctionsAndOutermost {
            return frameworks::begins_application_call(text(interner.function(id).name));
        }
        *self.answers.entry(id).or_insert_with(|| {
            let function = interner.function(id);
            frameworks::is_work_frame(text(function.file), text(function.name))
        })
    }
}
