//! Decides: takes rules and the figures of runs, and gives verdicts. It knows neither where the figures
//! come from nor any name of a function.
//!
//! A rule fails only if the whole interval of its figure is beyond the limit. It passes if the whole
//! interval is within the limit. Anything else is inconclusive.

use super::outcome::{Estimate, Unit, Verdict};
use super::rule::{Amount, Clock, Demand, Limit, Rule};
use super::select::{Run, Seen};
use super::stats::{self, Form, Interval, Part, Summary};

/// The probability of an error, on either side, for all rules of a check together: to report a slowdown
/// that is none, or to miss one that is beyond its limit.
pub const SIGNIFICANCE: f64 = 0.01;

/// The number of blocks that repeats are grouped into, and the most repeats in one of them. With fewer
/// blocks no difference would be significant.
const LEAST_BLOCKS: usize = 10;
const LONGEST_BLOCK: usize = 5;

/// With fewer samples there is no verdict.
const LEAST_SAMPLES: u64 = 100;

/// With this many samples, something that takes 1 % of the time is missed in one of twenty recordings.
const SAMPLES_TO_MISS: u64 = 300;

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

/// The figures of a baseline for one rule.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Known {
    pub share: Summary,
    /// Seconds per run and per unit; `None` if they were measured on another machine.
    pub cpu: Option<Summary>,
    pub wall: Option<Summary>,
    pub cpu_of_unit: Option<Summary>,
    pub wall_of_unit: Option<Summary>,
}

/// The result of one rule, in figures.
#[derive(Clone, PartialEq, Debug)]
pub struct Judgement {
    pub verdict: Verdict,
    pub before: Option<Estimate>,
    /// The figure of the version that is judged, if it could be measured.
    pub after: Option<Estimate>,
    pub change: Option<Estimate>,
    /// The figure of each run, in the unit of `before` and `after`.
    pub values: Vec<f64>,
    pub values_before: Vec<f64>,
    /// Number of samples that show what the rule is about.
    pub samples: u64,
    /// What is missing, if it is inconclusive.
    pub lacks: Option<Lack>,
    /// Whether its share grew but its seconds did not, because the rest became faster.
    pub only_share_grew: bool,
    /// For a rule about shares: whether seconds could be compared, too.
    pub seconds_known: bool,
}

impl Judgement {
    /// Whether more runs are unlikely to change the verdict: the rule passed, or what it is about is
    /// gone.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.verdict == Verdict::Passed || self.lacks == Some(Lack::Gone)
    }

    /// Withdraws a verdict that may be wrong because `percent` of the recording was not seen. A verdict
    /// that follows from a sample that was seen stays.
    pub fn doubt(&mut self, demand: Demand, percent: u32) {
        let stays = matches!(
            (demand, self.verdict),
            (Demand::Never, Verdict::Failed) | (Demand::Always, Verdict::Passed)
        );
        if !stays {
            self.verdict = Verdict::Inconclusive;
            self.lacks = Some(Lack::Unseen(percent));
        }
    }
}

/// What is missing for a verdict.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lack {
    /// Probably this many runs in all.
    Runs(usize),
    /// Probably a single recording that is this many times as long.
    Longer(usize),
    /// This many samples in all.
    Samples(u64),
    /// The figure is so near to its limit that no reasonable number of runs decides.
    Distance,
    /// The baseline has no figure for it, or its seconds are of another machine.
    Baseline,
    /// The runs did not report how many units of work they did.
    Units,
    /// The version before shows it but this one does not: it was renamed or removed.
    Gone,
    /// This percentage of ticks failed, or of the time was not seen.
    Unseen(u32),
}

/// The most runs that are proposed.
const MOST_RUNS: f64 = 1000.0;

/// Judges each rule. `error` is the probability of an error, on either side, for all rules together.
#[must_use]
pub fn judge(rules: &[Rule], runs: &[Run], before: Before<'_>, error: f64) -> Vec<Judgement> {
    let limits = rules.iter().filter(|rule| rule.limit().is_some()).count();
    // Divided among the rules (Bonferroni), since each of them may err.
    let error = error / limits.max(1) as f64;
    let of = |(index, rule): (usize, &Rule)| {
        Case {
            index,
            runs,
            before,
            error,
        }
        .judge(rule.demand)
    };
    rules.iter().enumerate().map(of).collect()
}

/// One rule with the figures to judge it by.
struct Case<'a> {
    index: usize,
    runs: &'a [Run],
    before: Before<'a>,
    error: f64,
}

/// What is measured.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Measure {
    Share,
    Seconds(Amount),
}

impl Measure {
    fn unit(self) -> Unit {
        match self {
            Measure::Share => Unit::Percent,
            Measure::Seconds(Amount { per_unit: true, .. }) => Unit::SecondsPerUnit,
            Measure::Seconds(_) => Unit::Seconds,
        }
    }

    /// The factor from fractions and seconds to the unit that is shown.
    fn scale(self) -> f64 {
        match self {
            Measure::Share => 100.0,
            Measure::Seconds(_) => 1.0,
        }
    }

    /// The rule's part of a run, and the whole that it is a part of. `None` if it is per unit and units
    /// were not counted.
    fn of(self, run: &Run, figure: Seen) -> Option<Part> {
        let amount = match self {
            Measure::Share => {
                return Some(Part {
                    part: figure.wall,
                    whole: run.all.wall,
                });
            }
            Measure::Seconds(amount) => amount,
        };
        Some(Part {
            part: match amount.clock {
                Clock::Cpu => figure.cpu,
                Clock::Wall => figure.wall,
            },
            whole: match amount.per_unit {
                true => run.units.filter(|units| *units > 0.0)?,
                false => run.extent,
            },
        })
    }
}

impl Known {
    fn of(&self, measure: Measure) -> Option<Summary> {
        match measure {
            Measure::Share => Some(self.share),
            Measure::Seconds(amount) => match (amount.clock, amount.per_unit) {
                (Clock::Cpu, false) => self.cpu,
                (Clock::Wall, false) => self.wall,
                (Clock::Cpu, true) => self.cpu_of_unit,
                (Clock::Wall, true) => self.wall_of_unit,
            },
        }
    }

    /// The figures of these runs for the rule at this position.
    #[must_use]
    pub fn from_runs(runs: &[Run], index: usize) -> Known {
        let summary =
            |measure: Measure| parts(measure, runs, index).map(|it| Summary::of_parts(&it));
        let seconds = |clock, per_unit| summary(Measure::Seconds(Amount { clock, per_unit }));
        Known {
            share: summary(Measure::Share).unwrap_or_default(),
            cpu: seconds(Clock::Cpu, false),
            wall: seconds(Clock::Wall, false),
            cpu_of_unit: seconds(Clock::Cpu, true),
            wall_of_unit: seconds(Clock::Wall, true),
        }
    }
}

fn parts(measure: Measure, runs: &[Run], index: usize) -> Option<Vec<Part>> {
    let part = |run: &Run| measure.of(run, run.figures[index]);
    runs.iter().map(part).collect()
}

fn ratios(parts: &[Part]) -> Vec<f64> {
    let observed = parts.iter().filter(|it| it.whole > 0.0);
    observed.map(|it| it.ratio()).collect()
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

fn shown(parts: &[Part], measure: Measure) -> Vec<f64> {
    let ratios = ratios(parts).into_iter();
    ratios.map(|value| value * measure.scale()).collect()
}

/// The change of a figure between two versions.
struct Change {
    before: Summary,
    after: Summary,
    interval: Interval,
}

/// A limit on growth: what is compared, in which form, and what is allowed.
#[derive(Clone, Copy)]
struct Growth {
    measure: Measure,
    form: Form,
    allowed: f64,
}

impl Case<'_> {
    fn judge(&self, demand: Demand) -> Judgement {
        let limit = match demand {
            Demand::Never => return self.seen(Verdict::Failed),
            Demand::Always => return self.seen(Verdict::Passed),
            Demand::Below(limit) => limit,
        };
        if self.samples() == 0 && self.was_there() {
            // It takes no time now, but may take as much under another name.
            return self.open(Some(Lack::Gone));
        }
        let growth = |measure, form, allowed| Growth {
            measure,
            form,
            allowed,
        };
        match limit {
            Limit::Share(share) => self.within(Measure::Share, share),
            Limit::Seconds { seconds, amount } => self.within(Measure::Seconds(amount), seconds),
            Limit::Growth { fraction, amount } => {
                self.grown(growth(Measure::Seconds(amount), Form::Ratio, fraction))
            }
            Limit::MoreSeconds { seconds, amount } => {
                self.grown(growth(Measure::Seconds(amount), Form::Difference, seconds))
            }
            Limit::MoreShare(share) => {
                self.share_grown(growth(Measure::Share, Form::Difference, share))
            }
        }
    }

    /// Summarises runs. Pieces of one recording depend on each other more than runs do.
    fn summary_of(&self, runs: &[Run], parts: &[Part]) -> Summary {
        match runs.iter().any(|run| run.extent < 1.0) {
            true => Summary::of_pieces(parts),
            false => Summary::of_parts(parts),
        }
    }

    fn summary(&self, parts: &[Part]) -> Summary {
        self.summary_of(self.runs, parts)
    }

    /// Whether the version before shows what the rule is about.
    fn was_there(&self) -> bool {
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

    fn samples(&self) -> u64 {
        let of = |run: &Run| run.figures[self.index].samples;
        self.runs.iter().map(of).sum()
    }

    fn all_samples(&self) -> u64 {
        self.runs.iter().map(|run| run.all.samples).sum()
    }

    /// Judges by whether any sample shows it; `if_seen` is the verdict if one does.
    fn seen(&self, if_seen: Verdict) -> Judgement {
        let (samples, all) = (self.samples(), self.all_samples());
        let (needed, if_not) = match if_seen {
            Verdict::Failed => (LEAST_SAMPLES, Verdict::Passed),
            _ => (SAMPLES_TO_MISS, Verdict::Failed),
        };
        let (verdict, lacks) = match (samples, all) {
            (1.., _) => (if_seen, None),
            (0, all) if all >= needed => (if_not, None),
            (0, _) => (Verdict::Inconclusive, Some(Lack::Samples(needed))),
        };
        let share = parts(Measure::Share, self.runs, self.index).unwrap_or_default();
        Judgement {
            verdict,
            after: Some(estimate(
                self.mean(Measure::Share, self.summary(&share)),
                Unit::Percent,
                100.0,
            )),
            values: shown(&share, Measure::Share),
            ..self.open(lacks)
        }
    }

    /// Judges against a limit that needs no baseline.
    fn within(&self, measure: Measure, limit: f64) -> Judgement {
        let Some(parts) = parts(measure, self.runs, self.index) else {
            return self.open(Some(Lack::Units));
        };
        let interval = self.mean(measure, self.summary(&parts));
        self.decide(
            interval,
            limit,
            Judgement {
                after: Some(estimate(interval, measure.unit(), measure.scale())),
                values: shown(&parts, measure),
                ..self.open(None)
            },
        )
    }

    /// Judges against the version before.
    fn grown(&self, growth: Growth) -> Judgement {
        let Growth {
            measure,
            form,
            allowed,
        } = growth;
        let Some(after) = parts(measure, self.runs, self.index) else {
            return self.open(Some(Lack::Units));
        };
        let Some(change) = self.change(measure, form, &after) else {
            return self.open(Some(Lack::Baseline));
        };
        let (unit, scale) = match (measure, form) {
            (_, Form::Ratio) => (Unit::PercentChange, 100.0),
            (Measure::Share, Form::Difference) => (Unit::Points, 100.0),
            (_, Form::Difference) => (measure.unit(), 1.0),
        };
        let interval = |it| estimate(it, measure.unit(), measure.scale());
        let mut judgement = self.decide(
            change.interval,
            allowed,
            Judgement {
                before: Some(interval(self.mean(measure, change.before))),
                after: Some(interval(self.mean(measure, change.after))),
                change: Some(estimate(change.interval, unit, scale)),
                values: shown(&after, measure),
                values_before: shown(&self.values_before(measure), measure),
                ..self.open(None)
            },
        );
        if judgement.verdict != Verdict::Failed && measure != Measure::Share {
            judgement.only_share_grew = self.share_change().is_some_and(|share| share.low > 0.0);
        }
        judgement
    }

    /// Shares add up to a whole: one grows if another shrinks. A share that grew therefore counts only if
    /// its seconds grew, too, if these are known.
    fn share_grown(&self, growth: Growth) -> Judgement {
        let mut judgement = self.grown(growth);
        let cpu = Measure::Seconds(Amount {
            clock: Clock::Cpu,
            per_unit: false,
        });
        let seconds = parts(cpu, self.runs, self.index)
            .and_then(|after| self.change(cpu, Form::Difference, &after));
        let Some(Change {
            interval: seconds, ..
        }) = seconds
        else {
            return judgement;
        };
        judgement.seconds_known = true;
        if judgement.verdict == Verdict::Failed && seconds.low <= 0.0 {
            judgement.only_share_grew = true;
            if seconds.value <= 0.0 {
                judgement.verdict = Verdict::Passed;
            } else {
                judgement.verdict = Verdict::Inconclusive;
                judgement.lacks = Some(self.lack(seconds, 0.0));
            }
        }
        judgement
    }

    fn share_change(&self) -> Option<Interval> {
        let after = parts(Measure::Share, self.runs, self.index)?;
        let change = self.change(Measure::Share, Form::Difference, &after)?;
        Some(change.interval)
    }

    /// The figure before, the figure now, and the change.
    fn change(&self, measure: Measure, form: Form, after: &[Part]) -> Option<Change> {
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
    fn values_before(&self, measure: Measure) -> Vec<Part> {
        match self.before {
            Before::InTurn(runs) | Before::Apart(runs) => {
                parts(measure, runs, self.index).unwrap_or_default()
            }
            Before::Nothing | Before::Known(_) => Vec::new(),
        }
    }

    /// The interval of a mean. A share is never more precise than counting this many samples allows.
    fn mean(&self, measure: Measure, summary: Summary) -> Interval {
        let all = self.all_samples() as f64;
        let least_variance = match measure {
            Measure::Share => {
                // One sample of each kind is added: if none was seen, the share may still be above zero.
                let share = (self.samples() as f64 + 1.0) / (all + 2.0);
                share * (1.0 - share) / (all + 2.0)
            }
            Measure::Seconds(_) => 0.0,
        };
        stats::mean(summary, least_variance, self.error)
    }

    fn decide(&self, interval: Interval, limit: f64, figures: Judgement) -> Judgement {
        let few = self.all_samples() < LEAST_SAMPLES;
        let (verdict, lacks) = if few {
            (Verdict::Inconclusive, Some(Lack::Samples(LEAST_SAMPLES)))
        } else if interval.low > limit {
            (Verdict::Failed, None)
        } else if interval.high < limit || (interval.high <= limit && limit > 0.0) {
            (Verdict::Passed, None)
        } else {
            (Verdict::Inconclusive, Some(self.lack(interval, limit)))
        };
        Judgement {
            verdict,
            lacks,
            ..figures
        }
    }

    /// How many runs would be needed to separate the interval from the limit: its width shrinks with the
    /// square root of their number.
    fn lack(&self, interval: Interval, limit: f64) -> Lack {
        let distance = (interval.value - limit).abs();
        let width = match interval.value > limit {
            true => interval.value - interval.low,
            false => interval.high - interval.value,
        };
        let runs = self.runs.len() as f64;
        if !width.is_finite() {
            // There are too few runs for an interval.
            return Lack::Runs((2 * self.runs.len()).max(10));
        }
        let needed = (runs * (width / distance).powi(2) * 1.2)
            .ceil()
            .max(runs + 1.0);
        match needed <= MOST_RUNS {
            true => Lack::Runs(needed as usize),
            false => Lack::Distance,
        }
    }

    /// A judgement without a verdict.
    fn open(&self, lacks: Option<Lack>) -> Judgement {
        Judgement {
            verdict: Verdict::Inconclusive,
            before: None,
            after: None,
            change: None,
            values: Vec::new(),
            values_before: Vec::new(),
            samples: self.samples(),
            lacks,
            only_share_grew: false,
            seconds_known: false,
        }
    }
}

fn estimate(interval: Interval, unit: Unit, scale: f64) -> Estimate {
    // A share lies between 0 and 100 %.
    let (least, most) = match unit {
        Unit::Percent => (0.0, 100.0),
        _ => (f64::NEG_INFINITY, f64::INFINITY),
    };
    Estimate {
        value: interval.value * scale,
        low: (interval.low * scale).max(least),
        high: (interval.high * scale).min(most),
        unit,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::select::Shown;

    /// A run of one second, in which the rule's function takes these seconds of CPU and wall time.
    fn run(seconds: f64, rest: f64) -> Run {
        let seen = |seconds: f64| Seen {
            samples: (seconds * 100.0) as u64,
            wall: seconds,
            cpu: seconds,
        };
        Run {
            all: seen(seconds + rest),
            whole: seen(seconds + rest),
            figures: vec![seen(seconds)],
            units: Some(10.0),
            extent: 1.0,
            shown: vec![Shown::ALL],
        }
    }

    /// Runs that differ a little, by a fixed pattern.
    fn runs(seconds: f64, rest: f64, count: usize) -> Vec<Run> {
        (0..count)
            .map(|index| {
                let noise = 1.0 + 0.01 * ((index * 7 % 5) as f64 - 2.0);
                run(seconds * noise, rest * (2.0 - noise))
            })
            .collect()
    }

    fn one(rule: &str, now: &[Run], before: Before<'_>) -> Judgement {
        let rules = [rule.parse::<Rule>().expect("a rule")];
        judge(&rules, now, before, SIGNIFICANCE).remove(0)
    }

    #[test]
    fn a_share_is_judged_by_its_whole_interval() {
        let now = runs(0.2, 0.8, 10);
        let of = |rule| one(rule, &now, Before::Nothing);
        assert_eq!(of("f < 30%").verdict, Verdict::Passed);
        assert_eq!(of("f < 15%").verdict, Verdict::Failed);
        let near = of("f < 20%");
        assert_eq!(near.verdict, Verdict::Inconclusive);
        assert!(near.lacks.is_some());
        let after = near.after.expect("measured");
        assert!(after.low < 20.0 && after.high > 20.0 && (after.value - 20.0).abs() < 0.5);
    }

    #[test]
    fn seconds_are_of_a_run_or_of_a_unit() {
        let now = runs(0.2, 0.8, 10);
        let of = |rule| one(rule, &now, Before::Nothing).verdict;
        assert_eq!(of("f < 0.3s"), Verdict::Passed);
        assert_eq!(of("f < 100ms"), Verdict::Failed);
        assert_eq!(of("f < 30ms/unit"), Verdict::Passed);
        assert_eq!(of("f < 10ms/unit"), Verdict::Failed);
        let mut uncounted = now.clone();
        uncounted[3].units = None;
        let judgement = one("f < 10ms/unit", &uncounted, Before::Nothing);
        assert_eq!(judgement.lacks, Some(Lack::Units));
    }

    #[test]
    fn nothing_is_said_of_too_few_samples() {
        let now = runs(0.02, 0.08, 5);
        let none = runs(0.0, 0.1, 5);
        for (rule, runs) in [
            ("f < 90%", &now),
            ("f < 1%", &now),
            ("never f", &none),
            ("always f", &none),
        ] {
            let judgement = one(rule, runs, Before::Nothing);
            assert_eq!(judgement.verdict, Verdict::Inconclusive, "{rule}");
            assert!(matches!(judgement.lacks, Some(Lack::Samples(_))), "{rule}");
        }
    }

    #[test]
    fn what_is_seen_decides_at_once_and_what_is_not_takes_samples() {
        let with = runs(0.05, 1.0, 3);
        let without = runs(0.0, 1.0, 3);
        assert_eq!(
            one("never f", &with, Before::Nothing).verdict,
            Verdict::Failed
        );
        assert_eq!(
            one("never f", &without, Before::Nothing).verdict,
            Verdict::Passed
        );
        assert_eq!(
            one("always f", &with, Before::Nothing).verdict,
            Verdict::Passed
        );
        let missed = one("always f", &without[..2], Before::Nothing);
        assert_eq!(
            missed.verdict,
            Verdict::Inconclusive,
            "200 samples may miss it"
        );
        let missed = one("always f", &runs(0.0, 1.0, 4), Before::Nothing);
        assert_eq!(missed.verdict, Verdict::Failed);
    }

    #[test]
    fn growth_is_judged_between_runs_of_one_block() {
        let before = runs(1.0, 1.0, 12);
        let slower: Vec<_> = before
            .iter()
            .map(|it| run(it.figures[0].cpu * 1.1, 1.0))
            .collect();
        let of = |rule, now: &[Run]| one(rule, now, Before::InTurn(&before));
        let failed = of("f < +5%", &slower);
        assert_eq!(failed.verdict, Verdict::Failed);
        let change = failed.change.expect("compared");
        assert!(
            (change.value - 10.0).abs() < 0.1 && change.low > 5.0,
            "{change:?}"
        );
        assert_eq!(of("f < +20%", &slower).verdict, Verdict::Passed);
        assert_eq!(of("f < +50ms", &slower).verdict, Verdict::Failed);
        assert_eq!(of("f < +200ms", &slower).verdict, Verdict::Passed);
        assert_eq!(of("f < +5%", &before).verdict, Verdict::Passed);
        // There are too few blocks to tell, however large the difference is.
        let few = one("f < +5%", &slower[..5], Before::InTurn(&before[..5]));
        assert_eq!(
            (few.verdict, few.lacks),
            (Verdict::Inconclusive, Some(Lack::Runs(10)))
        );
    }

    #[test]
    fn a_share_that_grew_since_the_rest_became_faster_fails_no_rule() {
        let before = runs(0.2, 0.8, 12);
        let faster_elsewhere = runs(0.2, 0.4, 12);
        let of = |rule| one(rule, &faster_elsewhere, Before::InTurn(&before));
        for rule in ["f < +5%", "f < +10ms", "f < +2points"] {
            let judgement = of(rule);
            assert_eq!(judgement.verdict, Verdict::Passed, "{rule}");
            assert!(judgement.only_share_grew, "{rule}");
        }
        // If it takes more seconds, too, the rule fails.
        let slower = runs(0.3, 0.8, 12);
        let judgement = one("f < +2points", &slower, Before::InTurn(&before));
        assert_eq!(
            (judgement.verdict, judgement.only_share_grew),
            (Verdict::Failed, false)
        );
    }

    #[test]
    fn a_baseline_is_compared_with_as_far_as_it_goes() {
        let known = Known::from_runs(&runs(0.2, 0.8, 10), 0);
        let shares_only = Known {
            share: known.share,
            ..Known::default()
        };
        let slower = runs(0.3, 0.8, 10);
        let of = |rule, known| one(rule, &slower, Before::Known(&[Some(known)]));
        assert_eq!(of("f < +5%", known).verdict, Verdict::Failed);
        assert_eq!(of("f < +5%", shares_only).lacks, Some(Lack::Baseline));
        let judgement = of("f < +2points", shares_only);
        assert_eq!(
            (judgement.verdict, judgement.seconds_known),
            (Verdict::Failed, false)
        );
        assert_eq!(of("f < +2points", known).verdict, Verdict::Failed);
        assert!(of("f < +2points", known).seconds_known);
    }

    #[test]
    fn a_busy_moment_of_the_machine_changes_little() {
        // Every third run of either version is slowed, never both runs of one repeat.
        let spoilt = |seconds: f64, offset: usize| -> Vec<Run> {
            let slow = |index: usize| {
                if (index + offset).is_multiple_of(3) {
                    1.8
                } else {
                    1.0
                }
            };
            (0..40)
                .map(|index| run(seconds * slow(index), slow(index)))
                .collect()
        };
        let before = spoilt(1.0, 0);
        let of = |now: &[Run], rule| one(rule, now, Before::InTurn(&before));
        let same = of(&spoilt(1.0, 1), "f < +5%");
        assert_eq!(same.verdict, Verdict::Passed);
        let slower = of(&spoilt(1.1, 1), "f < +5%");
        assert_eq!(slower.verdict, Verdict::Failed);
        let change = slower.change.expect("compared");
        assert!((change.value - 10.0).abs() < 0.1, "{change:?}");
    }

    #[test]
    fn more_rules_make_each_more_careful() {
        let now = runs(0.2, 0.8, 10);
        let rule = || "f < 50%".parse::<Rule>().expect("a rule");
        let width = |rules: &[Rule]| {
            let mut now = now.clone();
            for run in &mut now {
                run.figures = vec![run.figures[0]; rules.len()];
            }
            let after = judge(rules, &now, Before::Nothing, SIGNIFICANCE)[0]
                .after
                .expect("measured");
            after.high - after.low
        };
        let (one, ten) = (vec![rule()], vec![rule(); 10]);
        assert!(width(&ten) > 1.2 * width(&one));
    }
}
