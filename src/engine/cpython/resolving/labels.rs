//! From the numbers of labels to the label sets of an interner.

use rustc_hash::FxHashMap;

use crate::engine::cpython::watching::{LabelValues, RawLabel};
use crate::frameworks::Watches;
use crate::model::{Interner, Label, LabelSetId, TargetStr};

/// With more sets than this remembered, all are looked up anew.
const MAX_SETS: usize = 20_000;

/// The labels of one sample, with what their numbers stand for.
#[derive(Clone, Copy, Debug)]
pub struct RawLabels<'a> {
    pub labels: &'a [RawLabel],
    pub watches: &'a Watches,
    pub values: &'a LabelValues,
}

/// The sets that were resolved.
#[derive(Debug, Default)]
pub(super) struct LabelSets {
    sets: FxHashMap<Box<[RawLabel]>, LabelSetId>,
}

impl LabelSets {
    pub(super) fn resolve(&mut self, raw: &RawLabels<'_>, interner: &mut Interner) -> LabelSetId {
        if raw.labels.is_empty() {
            return LabelSetId::EMPTY;
        }
        if let Some(known) = self.sets.get(raw.labels) {
            return *known;
        }
        let mut labels = Vec::new();
        for (key, value) in raw.labels {
            if let (Some(key), Some(value)) = (raw.watches.label(*key), raw.values.text(*value)) {
                labels.push(Label {
                    key: interner.intern_text(&TargetStr::new(key.to_owned())),
                    value: interner.intern_text(value),
                });
            }
        }
        let set = interner.intern_labels(labels);
        if self.sets.len() >= MAX_SETS {
            self.sets.clear();
        }
        self.sets.insert(raw.labels.into(), set);
        set
    }
}
