//! Where in the application's own code something is called.

use crate::model::{FrameId, FrameKind, Interner, TargetStr};
use crate::output::Category;

/// A line of the application.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct CallSite {
    /// As `co_filename` has it, and from the outermost package on.
    pub file: TargetStr,
    pub short_file: TargetStr,
    pub line: u32,
    pub function: TargetStr,
}

impl CallSite {
    pub(super) fn of(frame: FrameId, interner: &Interner) -> CallSite {
        let frame = interner.frame(frame);
        let function = interner.function(frame.function);
        CallSite {
            file: interner.text(function.file).clone(),
            short_file: interner.text(function.short_file).clone(),
            line: frame.line,
            function: interner.text(function.name).clone(),
        }
    }
}

/// Whether a frame is of the application's own code.
pub(super) fn is_application(frame: FrameId, interner: &Interner) -> bool {
    let function = interner.function(interner.frame(frame).function);
    let text = |id| interner.text(id).untrusted();
    function.kind == FrameKind::Python
        && Category::of_file(text(function.file), text(function.short_file))
            == Category::Application
}
