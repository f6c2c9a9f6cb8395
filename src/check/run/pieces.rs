//! Cuts a single recording into pieces, whose differences tell how precise its figures are.

use rustc_hash::FxHashMap;

use super::{RuleCounter, Run, Seen};
use crate::check::rule::Rule;
use crate::model::Nanos;
use crate::profile::{Profile, Values};

/// The time of a recording is divided into bins, at whose ends it may be cut into pieces.
const BINS: u64 = 1200;

impl Run {
    /// Cuts one recording into `count` consecutive pieces. Their variance tells how precise the
    /// recording's own figures are, but not what another recording would show. Each piece has the same
    /// counted time, so a piece in which a server was idle is longer, and none is empty. `None` if the
    /// order in time is not known.
    ///
    /// CPU time is spread evenly over the time of each stack.
    #[must_use]
    pub fn pieces(
        profile: &Profile,
        rules: &[Rule],
        units: Option<f64>,
        count: usize,
    ) -> Option<Vec<Run>> {
        let ends = ends_of_pieces(profile, count)?;
        let length = ends.last().copied().unwrap_or(1).max(1) as f64;
        let mut counter = RuleCounter::new(profile, rules);
        let starts = std::iter::once(0).chain(ends.iter().copied());
        let mut runs: Vec<Run> = starts
            .zip(&ends)
            .map(|(start, end)| Run {
                all: Seen::default(),
                whole: Seen::default(),
                figures: vec![Seen::default(); rules.len()],
                units: units.map(|units| units * (end - start) as f64 / length),
                extent: (end - start) as f64 / length,
                shown: Vec::new(),
                labels_read: profile.recording.labels_read,
            })
            .collect();
        let entries = profile.entries();
        let known: FxHashMap<_, _> = entries.map(|it| (it.key(), it.values())).collect();
        let timeline = profile.timeline();
        for thread in timeline.threads() {
            for run in timeline.runs(thread) {
                let run = run.ok()?;
                let values = known.get(&run.key())?;
                let whole = run.length.0.max(1) as f64;
                let of_all = run.samples as f64 / values.count.max(1) as f64;
                // All samples go to the piece in which the run of the timeline begins: only their total
                // matters.
                let mut samples = run.samples;
                let (start, end) = (run.start.0, run.start.saturating_add(run.length).0);
                for_each_part(start, end, &ends, |piece, length| {
                    let part = length as f64 / whole;
                    let scaled = |nanos: Nanos, part: f64| Nanos((nanos.0 as f64 * part) as u64);
                    let values = Values {
                        count: std::mem::take(&mut samples),
                        wall: scaled(run.length, part),
                        cpu: scaled(values.cpu, of_all * part),
                        unproven: values.unproven,
                    };
                    let to = &mut runs[piece];
                    to.all.add(values);
                    counter.count(run.stack, values, &mut to.figures);
                });
            }
        }
        let shown = counter.shown();
        for run in &mut runs {
            run.whole = run.all;
            run.enter_totals(rules);
            run.shown.clone_from(&shown);
        }
        Some(runs)
    }
}

/// The end of each piece, in nanoseconds of the recording, such that each has the same counted time. The
/// last piece ends with the recording. `None` if nothing was counted, or the timeline cannot be read.
fn ends_of_pieces(profile: &Profile, count: usize) -> Option<Vec<u64>> {
    let timeline = profile.timeline();
    let mut last = profile.recording.duration.0.max(1);
    let width = last.div_ceil(BINS).max(1);
    let bins: Vec<u64> = (1..=BINS).map(|bin| bin * width).collect();
    let mut counted = vec![0; bins.len()];
    for thread in timeline.threads() {
        for run in timeline.runs(thread) {
            let run = run.ok()?;
            let (start, end) = (run.start.0, run.start.saturating_add(run.length).0);
            last = last.max(end);
            for_each_part(start, end, &bins, |bin, length| counted[bin] += length);
        }
    }
    let all: u64 = counted.iter().sum();
    if all == 0 {
        return None;
    }
    let mut ends = Vec::with_capacity(count);
    let mut until = 0;
    for (bin, counted) in bins.iter().zip(&counted) {
        until += counted;
        // A bin that holds more than a piece leaves fewer pieces for the rest.
        let due = u128::from(all) * (ends.len() as u128 + 1) / count.max(1) as u128;
        if u128::from(until) >= due && ends.len() + 1 < count && *bin < last {
            ends.push(*bin);
        }
    }
    ends.push(last);
    Some(ends)
}

/// Calls `part` with each piece that overlaps `start..end`, and the length of the overlap. `ends` has the
/// end of each piece. What is beyond the last end belongs to the last piece.
fn for_each_part(start: u64, end: u64, ends: &[u64], mut part: impl FnMut(usize, u64)) {
    let Some(last) = ends.len().checked_sub(1) else {
        return;
    };
    let mut at = start;
    let mut piece = ends.partition_point(|end| *end <= start).min(last);
    loop {
        let until = match piece == last {
            true => end,
            false => end.min(ends[piece]),
        };
        part(piece, until.saturating_sub(at));
        at = until;
        if at >= end || piece == last {
            return;
        }
        piece += 1;
    }
}
