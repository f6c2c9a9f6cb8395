//! Compares the figures of two versions. Runs that were made in turn are grouped into blocks, since other
//! work on the machine slows some of them.

use super::measure::{Known, Measure, parts};
use super::rule::{Amount, Clock};
use super::run::Run;
use super::stats::{self, Form, Interval, Part, Summary};

/// The number of blocks that repeats are grouped into, and the most repeats in one of them. With fewer
/// blocks no difference would be significant.
const LEAST_BLOCKS: usize = 10;
const LONGEST_BLOCK: usize = 5;

/// What the runs are compared with.
#[derive(Clone, Copy, Debug)]
pub enum Before<'a> {
    Nothing,
    /// Runs of the version before, each paired with a run of the version that is judged.
    InTurn(&'a [Run]),
    /// Runs of the version before, recorded at another time.
    Apart(&'a [Run]),
    /// The figures of a baseline for each rule.
    Known(&'a [Option<Known>]),
}

/// The change of a figure between two versions.
pub struct Change {
    pub before: Summary,
    pub after: Summary,
    pub interval: Interval,
}

/// One rule with the figures to judge it by.
pub struct Case<'a> {
    pub index: usize,
    pub runs: &'a [Run],
    pub before: Before<'a>,
    pub error: f64,
}

impl Case<'_> {
    /// Summarises runs. Pieces of one recording depend on each other more than runs do.
    fn summary_of(&self, runs: &[Run], parts: &[Part]) -> Summary {
        match runs.iter().any(|run| run.extent < 1.0) {
            true => Summary::of_pieces(parts),
            false => Summary::of_parts(parts),
        }
    }

    pub fn summary(&self, parts: &[Part]) -> Summary {
        self.summary_of(self.runs, parts)
    }

    /// Whether the version before shows what the rule is about.
    pub fn was_there(&self) -> bool {
        match self.before {
            Before::Nothing => false,
            Before::InTurn(runs) | Before::Apart(runs) => {
                runs.iter().any(|run| run.figures[self.index].samples > 0)
            }
            Before::Known(known) => {
                let known = known.get(self.index).copied().flatten();
                known.is_some_and(|known| known.share.mean > 0.0)
            }
        }
    }

    /// The figure before, the figure now, and the change.
    pub fn change(&self, measure: Measure, form: Form, after: &[Part]) -> Option<Change> {
        let before = match self.before {
            Before::Nothing => return None,
            Before::InTurn(runs) => {
                let before = parts(measure, runs, self.index)?;
                return Some(self.change_in_turn(measure, form, (runs, &before), after));
            }
            Before::Apart(runs) => self.summary_of(runs, &parts(measure, runs, self.index)?),
            Before::Known(known) => known.get(self.index).copied().flatten()?.of(measure)?,
        };
        let after = self.summary(after);
        Some(Change {
            before,
            after,
            interval: stats::unpaired(before, after, form, self.error),
        })
    }

    /// Groups neighbouring repeats into blocks. The fastest run of a block tells how long the program
    /// takes, since other work on the machine makes a program slower and never faster. The function's
    /// share of that time is taken from all runs of the block, since other work slows all functions
    /// alike. Both versions are treated the same: if they do not differ, a block's difference is as
    /// likely to be positive as negative.
    fn change_in_turn(
        &self,
        measure: Measure,
        form: Form,
        before: (&[Run], &[Part]),
        after: &[Part],
    ) -> Change {
        let length = block_length(after.len());
        let blocks = |runs: &[Run], parts: &[Part]| -> Vec<f64> {
            let whole = |run: &Run| measure.of(run, run.whole).unwrap_or_default().ratio();
            let values: Vec<f64> = parts.iter().map(|it| it.ratio()).collect();
            let wholes: Vec<f64> = runs.iter().map(whole).collect();
            let blocks = values.chunks_exact(length).zip(wholes.chunks_exact(length));
            blocks.map(|(part, whole)| of_block(part, whole)).collect()
        };
        // A disturbance that slows everything does not change shares.
        let shares = |parts: &[Part]| -> Vec<f64> {
            let blocks = parts.chunks_exact(length);
            blocks.map(|it| Summary::of_parts(it).mean).collect()
        };
        let pairs = |before: &[f64], after: &[f64]| -> Vec<(f64, f64)> {
            before.iter().copied().zip(after.iter().copied()).collect()
        };
        match measure {
            Measure::Seconds(_) => {
                let (before, after) = (blocks(before.0, before.1), blocks(self.runs, after));
                Change {
                    before: Summary::of(&before),
                    after: Summary::of(&after),
                    interval: stats::paired(&pairs(&before, &after), form, self.error),
                }
            }
            Measure::Share => Change {
                before: Summary::of_parts(before.1),
                after: Summary::of_parts(after),
                interval: stats::paired(
                    &pairs(&shares(before.1), &shares(after)),
                    form,
                    self.error,
                ),
            },
        }
    }

    /// The figure of each run of the version before, if there are such runs.
    pub fn values_before(&self, measure: Measure) -> Vec<Part> {
        match self.before {
            Before::InTurn(runs) | Before::Apart(runs) => {
                parts(measure, runs, self.index).unwrap_or_default()
            }
            Before::Nothing | Before::Known(_) => Vec::new(),
        }
    }
}

/// The fraction of the mean time that a program takes when nothing disturbs it, estimated from the
/// fastest run of each block; 1 if there are too few runs to tell.
#[must_use]
pub fn undisturbed_part(runs: &[Run], clock: Clock) -> f64 {
    let measure = Measure::Seconds(Amount {
        clock,
        per_unit: false,
    });
    let whole = |run: &Run| measure.of(run, run.whole).unwrap_or_default().ratio();
    let wholes: Vec<f64> = runs.iter().map(whole).collect();
    let blocks = wholes.chunks_exact(block_length(runs.len()));
    let fastest: Vec<f64> = blocks.map(|block| of_block(block, block)).collect();
    let part = Summary::of(&fastest).mean / Summary::of(&wholes).mean;
    if part.is_finite() { part } else { 1.0 }
}

/// Repeats per block.
fn block_length(repeats: usize) -> usize {
    (repeats / LEAST_BLOCKS).clamp(1, LONGEST_BLOCK)
}

/// The part's share in all runs of a block, applied to the fastest of them.
fn of_block(part: &[f64], whole: &[f64]) -> f64 {
    let all: f64 = whole.iter().sum();
    let fastest = whole.iter().copied().fold(f64::INFINITY, f64::min);
    match all > 0.0 {
        true => part.iter().sum::<f64>() / all * fastest,
        false => 0.0,
    }
}
