//! What each function takes, for who has no rule about it yet.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;

use super::judge::Known;
use super::select::Seen;
use super::stats::{Part, Summary};
use crate::model::{FrameKind, FunctionId};
use crate::output::visible;
use crate::profile::Profile;

/// Functions that take less of the time are left out.
const LEAST_SHARE: f64 = 0.01;

/// A program whose stacks are deep may have more that take as much.
const MOST_FUNCTIONS: usize = 500;

/// No name that anybody wrote is as long.
const LONGEST_NAME: usize = 500;

/// What each function took, run by run, with all that it called.
#[derive(Clone, Debug, Default)]
pub struct Functions {
    /// By file and name; as many as there were runs when it was last seen, or fewer.
    seen: BTreeMap<String, Vec<Seen>>,
    /// Of all samples of each run.
    all: Vec<Seen>,
}

impl Functions {
    /// Adds a run.
    pub fn add(&mut self, profile: &Profile) {
        let run = self.all.len();
        let mut all = Seen::default();
        let mut of_function: FxHashMap<FunctionId, Seen> = FxHashMap::default();
        let mut functions = Vec::new();
        for entry in profile.entries() {
            let values = entry.values();
            all.add(values);
            if values.unproven > 0 {
                continue;
            }
            let frames = profile.interner.frames_of(entry.stack());
            functions.clear();
            functions.extend(frames.map(|frame| profile.interner.frame(frame).function));
            // One that calls itself counts once.
            functions.sort_unstable();
            functions.dedup();
            for function in &functions {
                of_function.entry(*function).or_default().add(values);
            }
        }
        self.all.push(all);
        for (function, seen) in of_function {
            let function = profile.interner.function(function);
            let file = visible(profile.interner.text(function.short_file));
            let key = format!("{file} {}", visible(profile.interner.text(function.name)));
            let small = seen.wall < all.wall * LEAST_SHARE / 10.0;
            let is_code = function.kind != FrameKind::Structure;
            if !is_code || small || key.len() > LONGEST_NAME {
                continue;
            }
            let runs = self.seen.entry(key).or_default();
            runs.resize(run, Seen::default());
            // Of two code objects of one name, such as two lambdas, the larger one counts.
            match runs.get_mut(run) {
                Some(known) if known.wall >= seen.wall => {}
                Some(known) => *known = seen,
                None => runs.push(seen),
            }
        }
    }

    /// What so many runs tell of each function that takes a share worth telling, by file and name.
    #[must_use]
    pub fn known(&self, runs: usize) -> BTreeMap<String, Known> {
        let mut all = BTreeMap::new();
        for (key, seen) in &self.seen {
            let of = |value: &dyn Fn(usize) -> f64| {
                let values: Vec<f64> = (0..runs).map(value).collect();
                Summary::of(&values)
            };
            let at = |run: usize| seen.get(run).copied().unwrap_or_default();
            let parts: Vec<_> = (0..runs)
                .map(|run| Part {
                    part: at(run).wall,
                    whole: self.all.get(run).map_or(0.0, |all| all.wall),
                })
                .collect();
            let share = Summary::of_parts(&parts);
            if share.mean >= LEAST_SHARE {
                let known = Known {
                    share,
                    cpu: Some(of(&|run| at(run).cpu)),
                    wall: None,
                    ..Known::default()
                };
                all.insert(key.clone(), known);
            }
        }
        // The least of those that are too many.
        let mut shares: Vec<f64> = all.values().map(|it: &Known| it.share.mean).collect();
        shares.sort_by(|a, b| b.total_cmp(a));
        if let Some(&least) = shares.get(MOST_FUNCTIONS) {
            all.retain(|_, it| it.share.mean > least);
        }
        all
    }
}
