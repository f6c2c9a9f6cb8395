//! pandas. Looked up in 2.2.

use super::{Called, FramePattern, Framework, Mistake};

pub(super) const PANDAS: Framework = Framework {
    mistakes: &[Mistake {
        rule: "pandas-row-by-row",
        frames: &[FramePattern::new("pandas/core/frame.py", &["iterrows"])],
        called: Called::Directly,
        verb: "makes a Series of each row",
        remedy: "work on whole columns; where rows are needed, itertuples() makes them far faster",
        ..Mistake::NOTHING
    }],
    ..Framework::NOTHING
};
