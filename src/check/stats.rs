//! Intervals: how precise a figure is. Takes and gives plain numbers.
//!
//! The unit of observation is a whole run, never a sample: samples of one run are not independent, and
//! what makes runs differ (hash seeds, memory layout, other load on the machine) does not show within one
//! run.
//!
//! - Two versions that were run in turn are compared block by block with Wilcoxon's signed-rank test. If
//!   they do not differ, a block's difference is as likely to be positive as negative whatever the noise
//!   is like. The test is therefore exact: it assumes no distribution, and a block that other load
//!   disturbed weighs no more than its rank. Bootstrap intervals from ten runs would be too narrow.
//! - Runs that cannot be paired (a limit, a baseline from a file) are judged with Student's and Welch's
//!   t-test, which are conservative for symmetric noise with heavy tails (Efron 1969).

use statrs::distribution::{ContinuousCDF, StudentsT};

/// A value with its lower and upper bound.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Interval {
    pub value: f64,
    pub low: f64,
    pub high: f64,
}

/// How two versions are compared.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    /// Relative growth: 0.1 is ten percent more.
    Ratio,
    /// Absolute growth.
    Difference,
}

/// The largest correlation of neighbouring pieces that is assumed. From a dozen of them no more can be
/// estimated.
const MOST_ALIKE: f64 = 0.5;

/// Several runs summarised.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Summary {
    pub mean: f64,
    /// Standard deviation of single runs.
    pub deviation: f64,
    pub runs: usize,
}

/// A part and its whole, in one run: such as a function's seconds and all seconds, or its seconds and one
/// run.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Part {
    pub part: f64,
    pub whole: f64,
}

impl Part {
    /// The part divided by the whole; 0 if the whole is nothing.
    #[must_use]
    pub fn ratio(self) -> f64 {
        match self.whole > 0.0 {
            true => self.part / self.whole,
            false => 0.0,
        }
    }
}

impl Summary {
    #[must_use]
    pub fn of(values: &[f64]) -> Summary {
        let parts: Vec<_> = values
            .iter()
            .map(|&part| Part { part, whole: 1.0 })
            .collect();
        Summary::of_parts(&parts)
    }

    /// The ratio of the sums, as a flamegraph shows it. In the mean of ratios, a run with ten samples
    /// would weigh as much as one with ten thousand. A part without a whole is not an observation.
    ///
    /// The deviation is that of the residuals from what each whole predicts (the ratio estimator:
    /// Cochran, Sampling Techniques, 3rd edition, 1977, section 6.4). If all wholes are equal, these are
    /// mean and standard deviation.
    #[must_use]
    pub fn of_parts(parts: &[Part]) -> Summary {
        let observed = || parts.iter().filter(|it| it.whole > 0.0);
        let runs = observed().count();
        let whole: f64 = observed().map(|it| it.whole).sum();
        let mean = Part {
            part: observed().map(|it| it.part).sum(),
            whole,
        }
        .ratio();
        let mean_whole = whole / runs.max(1) as f64;
        let residual = |it: &Part| (it.part - mean * it.whole) / mean_whole;
        let squares: f64 = observed().map(|it| residual(it).powi(2)).sum();
        Summary {
            mean,
            deviation: (squares / (runs.max(2) - 1) as f64).sqrt(),
            runs,
        }
    }

    /// The same for pieces of one recording, in the order of time. Neighbouring pieces are correlated, so
    /// they differ less than recordings would. A first-order autoregression of the residuals corrects for
    /// that.
    #[must_use]
    pub fn of_pieces(parts: &[Part]) -> Summary {
        let summary = Summary::of_parts(parts);
        let observed = parts.iter().filter(|it| it.whole > 0.0);
        let residuals: Vec<f64> = observed
            .map(|it| it.part - summary.mean * it.whole)
            .collect();
        let squares: f64 = residuals.iter().map(|it| it.powi(2)).sum();
        let products: f64 = residuals.windows(2).map(|it| it[0] * it[1]).sum();
        let alike = match squares > 0.0 {
            true => (products / squares).clamp(0.0, MOST_ALIKE),
            false => 0.0,
        };
        Summary {
            deviation: summary.deviation * ((1.0 + alike) / (1.0 - alike)).sqrt(),
            ..summary
        }
    }

    fn variance_of_mean(self) -> f64 {
        self.deviation.powi(2) / self.runs.max(1) as f64
    }
}

/// The interval of the mean of one version's runs, wrong on either side with a probability of `alpha`.
///
/// `least_variance` is a lower bound of the variance of the mean: that of counting samples.
#[must_use]
pub fn mean(summary: Summary, least_variance: f64, alpha: f64) -> Interval {
    let Summary { mean, runs, .. } = summary;
    let width = match runs {
        0 | 1 => f64::INFINITY,
        _ => {
            quantile((runs - 1) as f64, alpha)
                * summary.variance_of_mean().max(least_variance).sqrt()
        }
    };
    Interval {
        value: mean,
        low: mean - width,
        high: mean + width,
    }
}

/// By how much `after` exceeds `before`, if runs of the two are not paired.
#[must_use]
pub fn unpaired(before: Summary, after: Summary, form: Form, alpha: f64) -> Interval {
    if before.runs < 2 || after.runs < 2 {
        return Interval {
            value: apart(before.mean, after.mean, form),
            low: f64::NEG_INFINITY,
            high: f64::INFINITY,
        };
    }
    // The confidence that the growth exceeds `shift`, by Welch's test.
    let confidence = |shift: f64| {
        let scale = match form {
            Form::Ratio => 1.0 + shift,
            Form::Difference => 1.0,
        };
        let offset = match form {
            Form::Ratio => 0.0,
            Form::Difference => shift,
        };
        let (first, second) = (
            before.variance_of_mean() * scale.powi(2),
            after.variance_of_mean(),
        );
        let variance = first + second;
        let distance = after.mean - scale * before.mean - offset;
        if variance <= 0.0 {
            return match distance {
                0.0 => 0.5,
                _ if distance > 0.0 => 1.0,
                _ => 0.0,
            };
        }
        let freedom = variance.powi(2)
            / (first.powi(2) / (before.runs - 1) as f64 + second.powi(2) / (after.runs - 1) as f64);
        below(distance / variance.sqrt(), freedom)
    };
    let largest = bound(
        form,
        before.mean,
        after.mean,
        before.deviation + after.deviation,
    );
    Interval {
        value: apart(before.mean, after.mean, form),
        low: crossing(form, largest, |shift| confidence(shift) >= 1.0 - alpha),
        high: crossing(form, largest, |shift| confidence(shift) > alpha),
    }
}

/// By how much the second of each pair exceeds the first.
#[must_use]
pub fn paired(pairs: &[(f64, f64)], form: Form, alpha: f64) -> Interval {
    let ranks = Ranks::new(pairs.len());
    let mut largest: f64 = 0.0;
    for &(before, after) in pairs {
        largest = largest.max(bound(form, before, after, 0.0));
    }
    let sum = |shift: f64| rank_sum(pairs, form, shift);
    let middle = ranks.largest() / 2.0;
    // The value is between the two shifts at which half of the rank sum is on either side.
    let low_middle = crossing(form, largest, |shift| sum(shift) > middle);
    let high_middle = crossing(form, largest, |shift| sum(shift) >= middle);
    let value = match (low_middle.is_finite(), high_middle.is_finite()) {
        (true, true) => f64::midpoint(low_middle, high_middle),
        (true, false) => low_middle,
        _ => high_middle,
    };
    Interval {
        value,
        low: crossing(form, largest, |shift| ranks.at_least(sum(shift)) <= alpha),
        high: crossing(form, largest, |shift| ranks.at_most(sum(shift)) > alpha),
    }
}

/// An upper bound of the growth.
fn bound(form: Form, before: f64, after: f64, spread: f64) -> f64 {
    match form {
        Form::Ratio if before > 0.0 => (after + 20.0 * spread) / before + 1.0,
        Form::Ratio => MOST_GROWTH,
        Form::Difference => before.abs() + after.abs() + 20.0 * spread,
    }
}

/// Larger growth counts as infinite: something that was not there before.
const MOST_GROWTH: f64 = 1e6;

fn apart(before: f64, after: f64, form: Form) -> f64 {
    match form {
        Form::Ratio => after / before - 1.0,
        Form::Difference => after - before,
    }
}

/// The largest shift for which `holds`, which must hold for small shifts and not for large ones; infinite
/// if it holds for all or for none.
fn crossing(form: Form, largest: f64, holds: impl Fn(f64) -> bool) -> f64 {
    let (mut low, mut high) = match form {
        Form::Ratio => (-1.0, largest.min(MOST_GROWTH)),
        Form::Difference => (-largest, largest),
    };
    if !holds(low) {
        return f64::NEG_INFINITY;
    }
    if holds(high) {
        return f64::INFINITY;
    }
    // Enough halvings for all but the last bits.
    for _ in 0..80 {
        let middle = f64::midpoint(low, high);
        match holds(middle) {
            true => low = middle,
            false => high = middle,
        }
    }
    f64::midpoint(low, high)
}

/// Wilcoxon's rank sum: the ranks, by absolute size, of the pairs whose second exceeds the shifted first.
/// Half of a rank counts if they are equal.
fn rank_sum(pairs: &[(f64, f64)], form: Form, shift: f64) -> f64 {
    let mut differences: Vec<f64> = pairs
        .iter()
        .map(|&(before, after)| match form {
            Form::Ratio => after - before * (1.0 + shift),
            Form::Difference => after - before - shift,
        })
        .collect();
    differences.sort_by(|a, b| a.abs().total_cmp(&b.abs()));
    let mut sum = 0.0;
    let mut rank = 0.0;
    for equal in differences.chunk_by(|a, b| a.abs() == b.abs()) {
        let mean_rank = rank + f64::midpoint(1.0, equal.len() as f64);
        rank += equal.len() as f64;
        for difference in equal {
            sum += match difference {
                _ if *difference > 0.0 => mean_rank,
                _ if *difference < 0.0 => 0.0,
                _ => mean_rank / 2.0,
            };
        }
    }
    sum
}

/// The distribution of the rank sum if both signs are equally likely.
#[derive(Debug)]
struct Ranks {
    /// The cumulative probability of each sum.
    up_to: Vec<f64>,
}

impl Ranks {
    fn new(pairs: usize) -> Ranks {
        let mut exactly = vec![0.0; pairs * (pairs + 1) / 2 + 1];
        exactly[0] = 1.0;
        let mut reached = 0;
        for rank in 1..=pairs {
            reached += rank;
            for sum in (0..=reached).rev() {
                let with = if sum >= rank {
                    exactly[sum - rank]
                } else {
                    0.0
                };
                exactly[sum] = f64::midpoint(exactly[sum], with);
            }
        }
        let mut sum = 0.0;
        for probability in &mut exactly {
            sum += *probability;
            *probability = sum;
        }
        Ranks { up_to: exactly }
    }

    fn largest(&self) -> f64 {
        (self.up_to.len() - 1) as f64
    }

    /// Half ranks, from equal pairs, are rounded to the less significant side.
    fn at_most(&self, sum: f64) -> f64 {
        let sum = sum.max(0.0).ceil() as usize;
        self.up_to.get(sum).copied().unwrap_or(1.0)
    }

    fn at_least(&self, sum: f64) -> f64 {
        self.at_most(self.largest() - sum.floor())
    }
}

/// The distance in standard errors that is exceeded with a probability of `alpha`.
fn quantile(freedom: f64, alpha: f64) -> f64 {
    StudentsT::new(0.0, 1.0, freedom).map_or(f64::INFINITY, |student| {
        student.inverse_cdf(1.0 - alpha.clamp(1e-12, 0.5))
    })
}

/// The probability of this distance or less.
fn below(distance: f64, freedom: f64) -> f64 {
    StudentsT::new(0.0, 1.0, freedom).map_or(0.5, |student| student.cdf(distance))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn near(a: f64, b: f64, by: f64) -> bool {
        (a - b).abs() <= by
    }

    #[test]
    fn rank_sums_are_as_probable_as_tables_say() {
        // One-sided critical values, as in Wilcoxon 1945 and every table since.
        for (pairs, sum, alpha) in [
            (5, 0, 0.05),
            (8, 1, 0.01),
            (10, 5, 0.01),
            (20, 43, 0.01),
            (25, 76, 0.01),
        ] {
            let ranks = Ranks::new(pairs);
            assert!(ranks.at_most(f64::from(sum)) <= alpha, "{pairs}");
            assert!(ranks.at_most(f64::from(sum + 1)) > alpha, "{pairs}");
        }
        let ranks = Ranks::new(3);
        assert!(near(ranks.at_most(0.0), 0.125, 1e-12));
        assert!(near(ranks.at_least(6.0), 0.125, 1e-12));
        assert!(near(ranks.at_most(6.0), 1.0, 1e-12));
    }

    #[test]
    fn a_mean_has_the_interval_that_tables_say() {
        // Student's t is 2.262 for nine degrees of freedom and 95 % two-sided.
        let values: Vec<f64> = (1..=10).map(f64::from).collect();
        let interval = mean(Summary::of(&values), 0.0, 0.025);
        let width = 2.262 * (55.0_f64 / 6.0 / 10.0).sqrt();
        assert!(near(interval.value, 5.5, 1e-12));
        assert!(near(interval.high, 5.5 + width, 1e-3), "{interval:?}");
        assert!(near(interval.low, 5.5 - width, 1e-3), "{interval:?}");
        assert_eq!(mean(Summary::of(&[1.0]), 0.0, 0.01).high, f64::INFINITY);
    }

    #[test]
    fn the_difference_of_pairs_is_hodges_and_lehmanns() {
        let pairs: Vec<_> = [1.0, 2.0, 3.0, 4.0, 10.0]
            .map(|difference| (100.0, 100.0 + difference))
            .to_vec();
        // The median of the means of all pairs: 1 1.5 2 2 2.5 2.5 3 3 3 [3.5] 4 5.5 6 6.5 7 10, the
        // eighth.
        let interval = paired(&pairs, Form::Difference, 0.07);
        assert!(near(interval.value, 3.0, 0.26), "{interval:?}");
        // 2/32 = 0.0625: all but the smallest and the next.
        assert!(near(interval.low, 1.5, 1e-9), "{interval:?}");
        assert!(near(interval.high, 7.0, 1e-9), "{interval:?}");
        // Five pairs are never significant at one percent.
        let interval = paired(&pairs, Form::Difference, 0.01);
        assert_eq!(interval.low, f64::NEG_INFINITY);
        assert_eq!(interval.high, f64::INFINITY);
    }

    #[test]
    fn what_was_not_there_before_has_grown_without_end() {
        let pairs = [(0.0, 1.0); 10];
        assert_eq!(paired(&pairs, Form::Ratio, 0.01).low, f64::INFINITY);
        let pairs = [(0.0, 0.0); 10];
        let interval = paired(&pairs, Form::Ratio, 0.01);
        assert_eq!(interval.low, f64::NEG_INFINITY);
        assert_eq!(interval.high, f64::INFINITY);
    }

    /// Noise with heavy tails and two modes, from a fixed seed.
    struct Noise(u64);

    impl Noise {
        fn next(&mut self) -> f64 {
            self.0 = self
                .0
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (self.0 >> 11) as f64 / (1u64 << 53) as f64
        }

        /// About 1 on average, and sometimes far more.
        fn run(&mut self) -> f64 {
            let spoilt = if self.next() < 0.05 { 1.0 } else { 0.0 };
            let mode = if self.next() < 0.3 { 0.15 } else { 0.0 };
            1.0 + 0.02 * self.next() + mode + spoilt * self.next()
        }
    }

    #[test]
    fn intervals_hold_the_truth_as_often_as_they_promise() {
        const ALPHA: f64 = 0.02;
        const TRIALS: usize = 2000;
        let mut noise = Noise(7);
        let (mut above, mut below) = (0, 0);
        for _ in 0..TRIALS {
            let pairs: Vec<_> = (0..15).map(|_| (noise.run(), 1.1 * noise.run())).collect();
            let interval = paired(&pairs, Form::Ratio, ALPHA);
            above += usize::from(interval.low > 0.1);
            below += usize::from(interval.high < 0.1);
        }
        // Four standard deviations above what is promised.
        let most = ALPHA * TRIALS as f64 + 4.0 * (ALPHA * TRIALS as f64).sqrt();
        assert!(
            (above as f64) < most && (below as f64) < most,
            "{above} {below}"
        );
        // The intervals are also narrow enough to be of use.
        assert!(above + below > TRIALS / 100, "{above} {below}");
    }

    proptest! {
        #[test]
        fn an_interval_is_around_its_value(
            pairs in prop::collection::vec((0.0f64..10.0, 0.0f64..10.0), 1..40),
            alpha in 0.0001f64..0.3,
        ) {
            let (before, after): (Vec<_>, Vec<_>) = pairs.iter().copied().unzip();
            let (before, after) = (Summary::of(&before), Summary::of(&after));
            for form in [Form::Ratio, Form::Difference] {
                for interval in [paired(&pairs, form, alpha), unpaired(before, after, form, alpha)] {
                    prop_assert!(!interval.value.is_nan() || before.mean == 0.0);
                    prop_assert!(interval.low <= interval.value + 1e-9, "{interval:?}");
                    prop_assert!(interval.value <= interval.high + 1e-9, "{interval:?}");
                }
            }
        }

        #[test]
        fn a_scaled_version_has_grown_by_its_scale(
            befores in prop::collection::vec(0.1f64..10.0, 8..30),
            growth in -0.5f64..2.0,
        ) {
            let pairs: Vec<_> = befores.iter().map(|&it| (it, it * (1.0 + growth))).collect();
            let interval = paired(&pairs, Form::Ratio, 0.05);
            prop_assert!(near(interval.value, growth, 1e-6), "{interval:?}");
            prop_assert!(near(interval.low, growth, 1e-6), "{interval:?}");
        }
    }
}
