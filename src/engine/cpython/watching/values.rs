//! The texts of labels, by numbers, so that a look compares and copies no text.

use rustc_hash::FxHashMap;

use crate::model::TargetStr;

/// The number of a label's key.
pub type LabelKey = u16;

/// The number of a label's value.
pub type LabelValue = u32;

/// More values than this are not told apart: further ones are left out.
const MAX_VALUES: usize = 100_000;

/// All values that were seen.
#[derive(Debug, Default)]
pub struct LabelValues {
    numbers: FxHashMap<TargetStr, LabelValue>,
    texts: Vec<TargetStr>,
}

impl LabelValues {
    /// The number of a text; `None` if there are too many already.
    pub fn number(&mut self, text: &TargetStr) -> Option<LabelValue> {
        if let Some(known) = self.numbers.get(text) {
            return Some(*known);
        }
        if self.texts.len() >= MAX_VALUES {
            return None;
        }
        let number = LabelValue::try_from(self.texts.len()).ok()?;
        self.texts.push(text.clone());
        self.numbers.insert(text.clone(), number);
        Some(number)
    }

    /// The text with this number.
    pub fn text(&self, number: LabelValue) -> Option<&TargetStr> {
        self.texts.get(number as usize)
    }
}
