//! What the time was spent on, for each value of a label.

use rustc_hash::FxHashMap;

use crate::frameworks::{Activity, activity};
use crate::model::{FunctionId, LabelSetId, StackId, TextId};
use crate::profile::{Profile, Values};

/// The samples with one value of a label.
#[derive(Clone, Debug)]
pub struct OfLabel {
    /// `None` for samples without the label.
    pub value: Option<TextId>,
    pub values: Values,
    /// What the samples were at.
    pub at: FxHashMap<Activity, Values>,
}

/// The samples of a profile by the values of a label, those with the most time first.
#[must_use]
pub fn by_label(profile: &Profile, key: &str) -> Vec<OfLabel> {
    let interner = &profile.interner;
    let mut values_of_sets: FxHashMap<LabelSetId, Option<TextId>> = FxHashMap::default();
    let mut activities = Activities::default();
    let mut rows: FxHashMap<Option<TextId>, OfLabel> = FxHashMap::default();
    for entry in profile.entries() {
        let value = *values_of_sets.entry(entry.labels()).or_insert_with(|| {
            let labels = interner.labels(entry.labels()).iter();
            let mut values = labels.filter(|label| interner.text(label.key).untrusted() == key);
            values.next().map(|label| label.value)
        });
        let row = rows.entry(value).or_insert_with(|| OfLabel {
            value,
            values: Values::default(),
            at: FxHashMap::default(),
        });
        row.values += entry.values();
        let at = activities.of(profile, entry.stack());
        *row.at.entry(at).or_default() += entry.values();
    }
    let mut rows: Vec<OfLabel> = rows.into_values().collect();
    rows.sort_by_key(|row| (std::cmp::Reverse(row.values.wall), row.value));
    rows
}

/// What the functions of stacks are at.
#[derive(Default)]
struct Activities {
    functions: FxHashMap<FunctionId, Option<Activity>>,
}

impl Activities {
    /// The activity of the innermost frame that tells one.
    fn of(&mut self, profile: &Profile, stack: StackId) -> Activity {
        let interner = &profile.interner;
        let mut frames = interner.frames_of(stack);
        let found = frames.find_map(|frame| {
            let id = interner.frame(frame).function;
            *self.functions.entry(id).or_insert_with(|| {
                let function = interner.function(id);
                activity(interner.text(function.short_file).untrusted())
            })
        });
        found.unwrap_or(Activity::Other)
    }
}
