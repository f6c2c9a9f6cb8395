//! What is measured of a run: the share or the seconds that a rule is about.

use super::outcome::Unit;
use super::rule::{Amount, Clock};
use super::run::{Run, Seen};
use super::stats::{Part, Summary};

/// What is measured.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Measure {
    Share,
    Seconds(Amount),
}

impl Measure {
    pub fn unit(self) -> Unit {
        match self {
            Measure::Share => Unit::Percent,
            Measure::Seconds(Amount { per_unit: true, .. }) => Unit::SecondsPerUnit,
            Measure::Seconds(_) => Unit::Seconds,
        }
    }

    /// The factor from fractions and seconds to the unit that is shown.
    pub fn scale(self) -> f64 {
        match self {
            Measure::Share => 100.0,
            Measure::Seconds(_) => 1.0,
        }
    }

    /// The rule's part of a run, and the whole that it is a part of. `None` if it is per unit and units
    /// were not counted.
    pub fn of(self, run: &Run, figure: Seen) -> Option<Part> {
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

impl Known {
    pub fn of(&self, measure: Measure) -> Option<Summary> {
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

/// The figures of these runs for the rule at this position. `None` if they are per unit and some run did
/// not count units.
pub fn parts(measure: Measure, runs: &[Run], index: usize) -> Option<Vec<Part>> {
    let part = |run: &Run| measure.of(run, run.figures[index]);
    runs.iter().map(part).collect()
}

fn ratios(parts: &[Part]) -> Vec<f64> {
    let observed = parts.iter().filter(|it| it.whole > 0.0);
    observed.map(|it| it.ratio()).collect()
}

/// The figure of each run, in the unit that is shown.
pub fn shown(parts: &[Part], measure: Measure) -> Vec<f64> {
    let ratios = ratios(parts).into_iter();
    ratios.map(|value| value * measure.scale()).collect()
}
