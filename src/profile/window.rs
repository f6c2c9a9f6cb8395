//! Windows of a profile: what was counted since the last window, for live views and for pushing, which
//! may go on for days.

use std::io;

use rustc_hash::{FxHashMap, FxHashSet};

use super::import::Importer;
use super::{EntryKey, Profile, Recording, Run, Timeline};
use crate::model::{Nanos, Ticks};

/// The start of a window.
#[derive(Debug, Default)]
pub(super) struct WindowStart {
    /// Since the start of the recording.
    at: Nanos,
    /// The ticks until then.
    ticks: Ticks,
}

impl Profile {
    /// Takes what was counted since the last call, or since the beginning, as a profile of its own, with
    /// the names that it needs. This profile forgets it, see [`forget`](Self::forget).
    ///
    /// The caller must first update [`recording`](Self::recording): the window ends at its duration. The
    /// window's own recording has the start, the duration and the ticks of the window, and its timeline
    /// starts there. It has no CPU time of the program as a whole. `recording` of this profile continues
    /// to describe the whole.
    ///
    /// Handles of this profile's interner stay valid. A profile whose windows are taken therefore holds
    /// what came since the last window, and its interner. That grows with distinct names, stacks, label
    /// sets, threads and processes, not with the number of windows. All but the processes have a limit
    /// (see [`Interner::is_full`](crate::model::Interner::is_full)).
    ///
    /// A call takes milliseconds if a thousand stacks were seen. A sampler that must not wait that long
    /// calls [`take_delta`](Self::take_delta) and `forget`, and another thread takes the window from its
    /// [`Mirror`](super::Mirror).
    ///
    /// # Errors
    /// When no temporary file can be created for the timeline. Nothing is forgotten then.
    pub fn take_window(&mut self) -> io::Result<Profile> {
        let mut window = Profile::new(self.recording_of_window())?;
        let next = self.timeline.next(self.recording.period())?;
        let process = |thread| self.interner.thread(thread).process;
        let processes: FxHashSet<_> = self.entries().map(|it| process(it.thread())).collect();
        let mut importer = Importer::new(&self.interner, &mut window.interner);
        importer.import_processes(|process| processes.contains(&process));
        let imported = self
            .entries()
            .map(|entry| (importer.entry(entry.key()), entry.values()));
        let imported: Vec<_> = imported.collect();
        let start = self.window.at;
        window
            .timeline
            .import(&self.timeline, start, |key| importer.entry(key));
        for (key, values) in imported {
            window.count(key, values);
        }
        if self.interner.is_full() {
            window.interner.set_full();
        }
        if self.interner.labels_are_full() {
            window.interner.set_labels_full();
        }
        self.go_on_with(next);
        Ok(window)
    }

    /// Forgets the entries and the timeline, and begins the next window. A [`Mirror`](super::Mirror) does
    /// the same with the next delta.
    ///
    /// # Errors
    /// When no temporary file can be created for the timeline. Nothing is forgotten then.
    pub fn forget(&mut self) -> io::Result<()> {
        let next = self.timeline.next(self.recording.period())?;
        self.go_on_with(next);
        Ok(())
    }

    fn go_on_with(&mut self, timeline: Timeline) {
        self.timeline = timeline;
        self.entries = Vec::new();
        self.positions = FxHashMap::default();
        self.changed = Vec::new();
        self.forgot = true;
        self.window = WindowStart {
            at: self.recording.duration,
            ticks: self.recording.ticks,
        };
    }

    fn recording_of_window(&self) -> Recording {
        let recording = &self.recording;
        let started = i64::try_from(self.window.at.0)
            .ok()
            .map(jiff::SignedDuration::from_nanos)
            .and_then(|at| recording.started.checked_add(at).ok());
        Recording {
            started: started.unwrap_or(recording.started),
            duration: recording.duration.saturating_sub(self.window.at),
            ticks: recording.ticks.since(self.window.ticks),
            cpu: None,
            cpu_outside: None,
            ending: None,
            ..recording.clone()
        }
    }
}

impl Timeline {
    /// Copies the runs of another timeline, as far as they can be read and kept. Times count from
    /// `start`.
    fn import(
        &mut self,
        other: &Timeline,
        start: Nanos,
        mut imported: impl FnMut(EntryKey) -> EntryKey,
    ) {
        let mut runs = other.threads().flat_map(|thread| other.runs(thread));
        let result = runs.try_for_each(|run| {
            let run = run?;
            let EntryKey {
                thread,
                stack,
                labels,
            } = imported(run.key());
            self.push_run(Run {
                thread,
                stack,
                labels,
                start: run.start.saturating_sub(start),
                ..run
            })
        });
        let failure = match (result, other.failure()) {
            (Err(error), _) => error.to_string(),
            (Ok(()), Some(error)) => error.to_string(),
            (Ok(()), None) => return,
        };
        let missing = other.run_count().saturating_sub(self.run_count());
        self.set_failure(failure, missing.saturating_add(other.dropped()));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::profile::absorb::tests::{Counted, counted};
    use crate::profile::file::tests::{Step, added_after, contents, empty, written};
    use crate::profile::{Mirror, Values, file};

    fn not_begun() -> Profile {
        let mut profile = empty();
        profile.recording.duration = Nanos::ZERO;
        profile.recording.ticks = Ticks::default();
        profile
    }

    /// Adds samples, and brings the recording up to date as the recorder does.
    fn go_on(profile: &mut Profile, steps: &[Step]) {
        added_after(profile, profile.recording.duration, steps);
        profile.recording.duration.0 += steps.iter().map(|step| step.step).sum::<u64>();
        profile.recording.ticks.looks += steps.len() as u64;
        profile.recording.ticks.samples += steps.len() as u64;
    }

    /// All runs, with the key that they are counted under.
    fn runs_of(profile: &Profile) -> Vec<(Run, EntryKey)> {
        let timeline = profile.timeline();
        let runs = timeline.threads().flat_map(|thread| timeline.runs(thread));
        runs.map(|run| run.expect("readable"))
            .map(|run| (run, run.key()))
            .collect()
    }

    proptest! {
        #[test]
        fn all_windows_together_are_what_was_added(
            steps in prop::collection::vec(any::<Step>(), 0..200),
            lengths in prop::collection::vec(0usize..60, 0..6),
            spill_after in 1usize..20,
        ) {
            let mut whole = not_begun();
            go_on(&mut whole, &steps);
            let mut profile = not_begun();
            let mut windows = Vec::new();
            let mut rest = steps.as_slice();
            for length in lengths.into_iter().chain([usize::MAX]) {
                let (now, later) = rest.split_at(length.min(rest.len()));
                rest = later;
                profile.timeline.spill_after(spill_after);
                go_on(&mut profile, now);
                windows.push(profile.take_window().expect("a temporary file"));
                prop_assert!(profile.is_empty() && profile.timeline().run_count() == 0);
            }

            let mut together = Counted::new();
            let (mut total, mut samples, mut length) = (Values::default(), 0, 0);
            let (mut ticks, mut end) = (Ticks::default(), profile.recording.started);
            for window in &windows {
                for (key, values) in counted(window) {
                    *together.entry(key).or_default() += values;
                }
                total += window.total();
                let runs = runs_of(window);
                let first = runs.iter().map(|(run, _)| run.start).min();
                prop_assert_eq!(first.unwrap_or_default(), Nanos::ZERO);
                for (run, key) in runs {
                    prop_assert!(window.position(key).is_some());
                    prop_assert!(run.start.0 + run.length.0 <= window.recording.duration.0);
                    samples += run.samples;
                    length += run.length.0;
                }
                ticks += window.recording.ticks;
                prop_assert_eq!(window.recording.started, end);
                end += std::time::Duration::from_nanos(window.recording.duration.0);
                // The window can be written, and refers to nothing that it does not hold.
                let again = file::read(written(window).as_slice()).expect("a profile");
                prop_assert_eq!(contents(&again), contents(window));
            }
            prop_assert_eq!(together, counted(&whole));
            prop_assert_eq!(total, whole.total());
            prop_assert_eq!((samples, Nanos(length)), (total.count, total.wall));
            prop_assert_eq!(ticks, whole.recording.ticks);
            prop_assert_eq!(&profile.recording, &Recording {
                started: profile.recording.started,
                ..whole.recording
            });
        }
    }

    proptest! {
        #[test]
        fn a_copy_gives_the_windows_of_a_profile_that_only_forgets(
            windows in prop::collection::vec(prop::collection::vec(any::<Step>(), 0..60), 1..5),
        ) {
            let (mut profile, mut same) = (not_begun(), not_begun());
            same.recording = profile.recording.clone();
            let mut mirror = Mirror::default();
            for steps in &windows {
                for profile in [&mut profile, &mut same] {
                    profile.timeline.spill_after(7);
                    go_on(profile, steps);
                }
                mirror.update(profile.take_delta(u64::MAX));
                profile.forget().expect("a temporary file");
                let window = mirror.take_window().expect("a temporary file");
                let expected = same.take_window().expect("a temporary file");
                prop_assert_eq!(window.map(|it| contents(&it)), Some(contents(&expected)));
            }
        }
    }

    /// The sizes of a profile's tables.
    fn held(profile: &Profile) -> [usize; 5] {
        [
            profile.entries.capacity(),
            profile.positions.capacity(),
            profile.changed.capacity(),
            profile.timeline.threads().count() + profile.timeline.run_count() as usize,
            profile.interner.len(),
        ]
    }

    #[test]
    fn memory_does_not_grow_with_the_number_of_windows() {
        let mut profile = not_begun();
        let steps: Vec<_> = (0..200)
            .map(|number| Step {
                thread: number % 5,
                stack: number % 37,
                labels: number % 4,
                step: 1_000_000,
                unproven: number.is_multiple_of(7),
                ..Step::default()
            })
            .collect();
        let mut first = None;
        for _ in 0..500 {
            go_on(&mut profile, &steps);
            let window = profile.take_window().expect("a temporary file");
            assert_eq!(window.total().count, 200);
            // Handles of the first window are still valid in the last.
            let first = first.get_or_insert_with(|| (held(&profile), contents(&window)));
            assert_eq!(first.0, held(&profile));
            assert_eq!(first.1.entries, contents(&window).entries);
        }
    }

    #[test]
    fn only_the_names_of_the_window_are_in_it() {
        let mut profile = not_begun();
        let step = |thread, stack| Step {
            thread,
            stack,
            labels: thread,
            ..Step::default()
        };
        go_on(&mut profile, &[step(1, 6), step(2, 13), step(3, 20)]);
        profile.take_window().expect("a temporary file");
        go_on(&mut profile, &[step(3, 6)]);
        let window = profile.take_window().expect("a temporary file");
        assert_eq!(window.interner.threads().len(), 1);
        assert!(window.interner.len() < profile.interner.len());
    }

    #[test]
    fn what_is_missing_of_the_order_in_time_is_told_by_its_window() {
        let mut profile = not_begun();
        go_on(&mut profile, &[Step::default(); 3]);
        profile.timeline.set_failure("No space left".to_owned(), 4);
        let window = profile.take_window().expect("a temporary file");
        assert_eq!(window.timeline().dropped(), 4);
        assert!(window.timeline().failure().is_some());
        let next = profile.take_window().expect("a temporary file");
        assert!(next.timeline().failure().is_none());
    }
}
