//! A copy of a profile for another thread, while the sampler continues with the profile itself. The copy
//! receives only what is new or has changed, so the cost of an update depends on what was sampled since
//! the last one and not on the whole.

use std::io;

use super::timeline::TimelineDelta;
use super::{Entry, EntryKey, Profile, Recording, Timeline, Values};
use crate::model::Growth;

/// The changes to a profile since the last delta was taken.
#[derive(Debug)]
pub struct Delta {
    /// The recording as it is now.
    pub recording: Recording,
    growth: Growth,
    /// Whether the copy must first forget its entries and timeline.
    forgot: bool,
    /// New entries are in the order of their positions.
    entries: Vec<ChangedEntry>,
    timeline: TimelineDelta,
}

#[derive(Debug)]
struct ChangedEntry {
    position: usize,
    key: EntryKey,
    values: Values,
}

impl Profile {
    /// The changes since the last call. If the timeline has more runs than `most_runs`, it is left out,
    /// and the copy's timeline says so.
    pub fn take_delta(&mut self, most_runs: u64) -> Delta {
        let growth = self.interner.take_growth();
        let mut entries = Vec::with_capacity(self.changed.len());
        for position in self.changed.drain(..) {
            let entry = &mut self.entries[position];
            entry.changed = false;
            entries.push(ChangedEntry {
                position,
                key: entry.key,
                values: entry.values,
            });
        }
        Delta {
            recording: self.recording.clone(),
            growth,
            forgot: std::mem::take(&mut self.forgot),
            entries,
            timeline: self.timeline.take_delta(most_runs),
        }
    }
}

impl Delta {
    /// Whether the copy forgets what it has counted before it takes this.
    #[must_use]
    pub fn begins_anew(&self) -> bool {
        self.forgot
    }
}

/// The copy of a profile.
#[derive(Debug, Default)]
pub struct Mirror {
    profile: Option<Profile>,
}

impl Mirror {
    /// The profile as it was when the delta was taken. Deltas must come in the order in which they were
    /// taken, from the first on.
    pub fn update(&mut self, delta: Delta) -> &Profile {
        let profile = match self.profile.take() {
            Some(mut profile) => {
                profile.recording = delta.recording;
                if delta.forgot {
                    profile.entries.clear();
                    profile.positions.clear();
                    profile.timeline = Timeline::begun_with(delta.timeline);
                } else {
                    profile.timeline.update(delta.timeline);
                }
                profile
            }
            None => Profile::with_timeline(delta.recording, Timeline::begun_with(delta.timeline)),
        };
        let profile = self.profile.insert(profile);
        profile.interner.grow(delta.growth);
        for ChangedEntry {
            position,
            key,
            values,
        } in delta.entries
        {
            match profile.entries.get_mut(position) {
                Some(entry) => entry.values = values,
                None => {
                    profile.positions.insert(key, profile.entries.len());
                    profile.entries.push(Entry {
                        key,
                        values,
                        changed: false,
                    });
                }
            }
        }
        profile
    }

    /// The profile as it was when the last delta was taken; `None` before the first.
    #[must_use]
    pub fn profile(&self) -> Option<&Profile> {
        self.profile.as_ref()
    }

    /// What a delta that the copy was not given yet adds to each entry that it changes.
    #[must_use]
    pub fn increments(&self, delta: &Delta) -> Vec<(EntryKey, Values)> {
        let known = self.profile.as_ref().filter(|_| !delta.forgot);
        let before = |position| known.and_then(|profile| profile.entries.get(position));
        let entries = delta.entries.iter().map(|changed| {
            let before = before(changed.position).map_or(Values::default(), Entry::values);
            (changed.key, changed.values.since(before))
        });
        entries.collect()
    }

    /// Takes a window of the copy, as [`Profile::take_window`]. The profile itself must
    /// [`forget`](Profile::forget) after each delta. `None` before the first delta.
    ///
    /// # Errors
    /// As [`Profile::take_window`].
    pub fn take_window(&mut self) -> io::Result<Option<Profile>> {
        self.profile.as_mut().map(Profile::take_window).transpose()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::super::file::tests::{Step, added, written};
    use super::*;

    proptest! {
        #[test]
        fn a_copy_that_is_given_what_is_new_is_written_as_the_profile_itself(
            steps in prop::collection::vec(any::<Step>(), 1..200),
            handovers in prop::collection::vec((1usize..60, any::<bool>()), 1..6),
        ) {
            let mut profile = super::super::file::tests::empty();
            profile.timeline.spill_after(7);
            let mut mirror = Mirror::default();
            let mut counted = BTreeMap::<EntryKey, Values>::new();
            let mut steps = steps.as_slice();
            for (count, forgets) in handovers {
                let (now, later) = steps.split_at(count.min(steps.len()));
                steps = later;
                if forgets {
                    profile.take_window().expect("a temporary file");
                    profile.timeline.spill_after(7);
                }
                added(&mut profile, now);
                profile.recording.ticks.looks += 1;
                let delta = profile.take_delta(u64::MAX);
                if delta.begins_anew() {
                    counted.clear();
                }
                for (key, more) in mirror.increments(&delta) {
                    *counted.entry(key).or_default() += more;
                }
                let copy = mirror.update(delta);
                prop_assert_eq!(written(copy), written(&profile));
                let all = profile.entries().map(|entry| (entry.key(), entry.values()));
                prop_assert_eq!(&counted, &all.collect::<BTreeMap<_, _>>());
            }
        }
    }

    #[test]
    fn what_has_not_changed_is_not_handed_over_again() {
        let mut profile = super::super::file::tests::empty();
        let step = |number: u32| Step {
            thread: 0,
            stack: number,
            ..Step::default()
        };
        added(&mut profile, &(0..50).map(step).collect::<Vec<_>>());
        let all = profile.entries().len();
        assert_eq!(profile.take_delta(0).entries.len(), all);
        added(&mut profile, &[step(8), step(8)]);
        let delta = profile.take_delta(0);
        assert_eq!(delta.entries.len(), 1);
        assert_eq!(delta.entries[0].values.count, 3);
    }

    #[test]
    fn a_long_timeline_is_left_out_and_that_is_said() {
        let mut profile = super::super::file::tests::empty();
        let step = |number: u32| Step {
            thread: 0,
            stack: number % 2,
            ..Step::default()
        };
        added(&mut profile, &(0..50).map(step).collect::<Vec<_>>());
        let mut mirror = Mirror::default();
        let timeline = mirror.update(profile.take_delta(49)).timeline();
        assert_eq!((timeline.run_count(), timeline.dropped()), (0, 50));
        assert!(timeline.failure().is_some());
    }
}
