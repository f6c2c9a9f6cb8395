//! Decides: takes rules and the figures of runs, and gives verdicts. It knows neither where the figures
//! come from nor any name of a function.
//!
//! A rule fails only if the whole interval of its figure is beyond the limit. It passes if the whole
//! interval is within the limit. Anything else is inconclusive.

use super::compare::{Before, Case, Change};
use super::measure::{Measure, parts, shown};
use super::outcome::{Estimate, Unit, Verdict};
use super::rule::{Amount, Clock, Demand, Limit, Rule};
use super::run::Run;
use super::stats::{self, Form, Interval, Summary};

/// The probability of an error, on either side, for all rules of a check together: to report a slowdown
/// that is none, or to miss one that is beyond its limit.
pub const SIGNIFICANCE: f64 = 0.01;

/// With fewer samples there is no verdict.
const LEAST_SAMPLES: u64 = 100;

/// With this many samples, something that takes 1 % of the time is missed in one of twenty recordings.
const SAMPLES_TO_MISS: u64 = 300;

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

    /// Withdraws a verdict about mistakes that would be the same whatever the program did.
    fn without_labels(self, demand: Demand) -> Judgement {
        match (demand, self.verdict) {
            (Demand::Never, Verdict::Failed) => self,
            _ => Judgement {
                verdict: Verdict::Inconclusive,
                lacks: Some(Lack::Labels),
                ..self
            },
        }
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
    /// Labels were not read, which prove mistakes.
    Labels,
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
        let judgement = Case {
            index,
            runs,
            before,
            error,
        }
        .judge(rule.demand);
        match rule.is_about_mistakes() && runs.iter().any(|run| !run.labels_read) {
            true => judgement.without_labels(rule.demand),
            false => judgement,
        }
    };
    rules.iter().enumerate().map(of).collect()
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
mod tests;
