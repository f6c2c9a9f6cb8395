//! The time that each function takes, kept in a baseline for functions without a rule.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;

use super::measure::Known;
use super::run::Seen;
use super::stats::{Part, Summary};
use crate::model::{FrameKind, FunctionId};
use crate::output::visible;
use crate::profile::Profile;

/// Functions with a smaller share of the time are left out.
const LEAST_SHARE: f64 = 0.01;

/// The most functions that are kept. A program with deep stacks may have more above the least share.
const MOST_FUNCTIONS: usize = 500;

/// In bytes. A longer name was generated and not written by anybody.
const LONGEST_NAME: usize = 500;

/// The time of each function including its callees, run by run.
#[derive(Clone, Debug, Default)]
pub struct Functions {
    /// By file and name. A list ends with the last run in which the function was seen.
    seen: BTreeMap<String, Vec<Seen>>,
    /// The total of each run.
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
            // A recursive function counts once per stack.
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
            // Two code objects of the same name, such as two lambdas, count as one: the larger.
            match runs.get_mut(run) {
                Some(known) if known.wall >= seen.wall => {}
                Some(known) => *known = seen,
                None => runs.push(seen),
            }
        }
    }

    /// The figures over `runs` runs of each function whose share is large enough, by file and name.
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
        // If there are too many, those with the smallest shares are dropped.
        let mut shares: Vec<f64> = all.values().map(|it: &Known| it.share.mean).collect();
        shares.sort_by(|a, b| b.total_cmp(a));
        if let Some(&least) = shares.get(MOST_FUNCTIONS) {
            all.retain(|_, it| it.share.mean > least);
        }
        all
    }
}
