//! How a figure is written: `12.3 % [11.0, 13.6]`, `34.5 ms [33.1, 36.0]`, `+9.8 % [8.1, 11.6]`.
//!
//! The interval has the unit and the decimals of the value. A bound that the samples do not give is
//! written as `…`. A value that is not a finite number is never written as a number.

use crate::check::{Estimate, Unit};
use crate::output::grouped;

/// How the numbers of one figure are written.
struct Scale {
    factor: f64,
    decimals: usize,
    suffix: &'static str,
    /// Whether a plus is written, as for changes.
    signed: bool,
}

pub(crate) fn estimate(estimate: &Estimate) -> String {
    let Estimate {
        value, low, high, ..
    } = *estimate;
    let mut scale = Scale::of(estimate);
    if !value.is_finite() {
        return match value {
            f64::INFINITY if low.is_finite() => format!("at least {}", scale.value(low)),
            f64::NEG_INFINITY if high.is_finite() => format!("at most {}", scale.value(high)),
            _ if value.is_infinite() => "unbounded".to_owned(),
            _ => "unknown".to_owned(),
        };
    }
    if low == value && high == value {
        return scale.value(value);
    }
    scale.show(high - low);
    format!(
        "{} [{}, {}]",
        scale.value(value),
        scale.bound(low),
        scale.bound(high)
    )
}

impl Scale {
    fn of(estimate: &Estimate) -> Scale {
        let Estimate {
            value, low, high, ..
        } = *estimate;
        let size = |number: f64| {
            let size = number.abs();
            if size.is_finite() { size } else { 0.0 }
        };
        let largest = match size(value) {
            0.0 => size(low).max(size(high)),
            size => size,
        };
        let (factor, suffix) = match estimate.unit {
            Unit::Percent | Unit::PercentChange => (1.0, "%"),
            Unit::Points => (1.0, "points"),
            Unit::Seconds => seconds(largest, ["s", "ms", "µs", "ns"]),
            Unit::SecondsPerUnit => {
                seconds(largest, ["s a unit", "ms a unit", "µs a unit", "ns a unit"])
            }
            Unit::Samples if value == 1.0 => (1.0, "sample"),
            Unit::Samples => (1.0, "samples"),
        };
        let is_whole = |number: &f64| !number.is_finite() || number.fract() == 0.0;
        let decimals = match estimate.unit {
            _ if largest == 0.0 => 0,
            // As precise as the interval: if that is wide, more decimals mean nothing.
            Unit::Percent | Unit::PercentChange | Unit::Points => {
                match largest.max(size(high - low) / 2.0) {
                    99.95.. => 0,
                    0.995.. => 1,
                    0.0995.. => 2,
                    _ => 3,
                }
            }
            Unit::Seconds | Unit::SecondsPerUnit => match largest * factor {
                99.95.. => 0,
                9.995.. => 1,
                _ => 2,
            },
            Unit::Samples => usize::from(![value, low, high].iter().all(is_whole)),
        };
        Scale {
            factor,
            decimals,
            suffix,
            signed: matches!(estimate.unit, Unit::PercentChange | Unit::Points),
        }
    }

    /// Adds a few decimals, until an interval this wide has two different bounds.
    fn show(&mut self, width: f64) {
        const MORE: usize = 3;
        let mut units = width * self.factor * 10_f64.powi(self.decimals as i32);
        for _ in 0..MORE {
            // A width just below one unit may be one that was rounded.
            if units > 0.0 && units < 0.99 {
                self.decimals += 1;
                units *= 10.0;
            }
        }
    }

    fn value(&self, number: f64) -> String {
        let text = self.bound(number);
        let plus = self.signed && text.bytes().any(|b| (b'1'..=b'9').contains(&b)) && number > 0.0;
        format!("{}{text} {}", if plus { "+" } else { "" }, self.suffix)
    }

    fn bound(&self, number: f64) -> String {
        let scaled = (number * self.factor).abs();
        if !scaled.is_finite() {
            return "…".to_owned();
        }
        let text = format!("{scaled:.*}", self.decimals);
        let (whole, fraction) = match text.split_once('.') {
            Some((whole, fraction)) => (whole, format!(".{fraction}")),
            None => (text.as_str(), String::new()),
        };
        // A number with too many digits stays ungrouped.
        let whole = whole.parse().map_or_else(|_| whole.to_owned(), grouped);
        // A number that rounds to zero has no minus.
        let minus = number < 0.0 && text.bytes().any(|b| (b'1'..=b'9').contains(&b));
        format!("{}{whole}{fraction}", if minus { "-" } else { "" })
    }
}

/// The factor from seconds to the unit, and its name. What rounds to a second is `1.00 s` and not `1000
/// ms`.
fn seconds(largest: f64, [s, ms, us, ns]: [&'static str; 4]) -> (f64, &'static str) {
    match largest {
        0.0 | 0.9995.. => (1.0, s),
        0.000_999_5.. => (1e3, ms),
        0.000_000_999_5.. => (1e6, us),
        _ => (1e9, ns),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shown(value: f64, low: f64, high: f64, unit: Unit) -> String {
        estimate(&Estimate {
            value,
            low,
            high,
            unit,
        })
    }

    #[test]
    fn figures_read_well() {
        for (value, low, high, unit, expected) in [
            (12.34, 11.0, 13.6, Unit::Percent, "12.3 % [11.0, 13.6]"),
            (0.34, 0.21, 0.5, Unit::Percent, "0.34 % [0.21, 0.50]"),
            (0.0, 0.0, 0.4, Unit::Percent, "0.00 % [0.00, 0.40]"),
            (100.0, 98.7, 100.0, Unit::Percent, "100 % [99, 100]"),
            (99.9, 98.7, 100.0, Unit::Percent, "99.9 % [98.7, 100.0]"),
            (0.0, 0.0, 0.0, Unit::Percent, "0 %"),
            (1.214, 1.18, 1.25, Unit::Seconds, "1.21 s [1.18, 1.25]"),
            (0.0345, 0.0331, 0.036, Unit::Seconds, "34.5 ms [33.1, 36.0]"),
            (0.9997, 0.98, 1.02, Unit::Seconds, "1.00 s [0.98, 1.02]"),
            (
                1234.5,
                1200.0,
                1300.0,
                Unit::Seconds,
                "1,234 s [1,200, 1,300]",
            ),
            (
                4.2e-5,
                4e-5,
                4.4e-5,
                Unit::SecondsPerUnit,
                "42.0 µs a unit [40.0, 44.0]",
            ),
            (9.8, 8.1, 11.6, Unit::PercentChange, "+9.8 % [8.1, 11.6]"),
            (-1.2, -3.0, 0.5, Unit::PercentChange, "-1.2 % [-3.0, 0.5]"),
            (-0.4, -2.3, 1.5, Unit::Points, "-0.4 points [-2.3, 1.5]"),
            (2.1, 1.0, 3.2, Unit::Points, "+2.1 points [1.0, 3.2]"),
            (1234.0, 1234.0, 1234.0, Unit::Samples, "1,234 samples"),
            (1.0, 0.0, 5.5, Unit::Samples, "1.0 sample [0.0, 5.5]"),
        ] {
            assert_eq!(shown(value, low, high, unit), expected);
        }
    }

    #[test]
    fn what_is_unknown_is_said_and_no_number() {
        let (none, ever) = (f64::NAN, f64::INFINITY);
        assert_eq!(shown(3.0, 1.0, ever, Unit::Percent), "3.0 % [1.0, …]");
        assert_eq!(shown(3.0, none, none, Unit::Percent), "3.0 % […, …]");
        assert_eq!(shown(none, 1.0, 2.0, Unit::Percent), "unknown");
        assert_eq!(
            shown(ever, 8.1, ever, Unit::PercentChange),
            "at least +8.1 %"
        );
        assert_eq!(shown(ever, none, ever, Unit::Percent), "unbounded");
    }

    #[test]
    fn what_rounds_to_nothing_has_no_sign() {
        assert_eq!(
            shown(-0.0001, -0.0004, 2.0, Unit::PercentChange),
            "0.0 % [0.0, 2.0]"
        );
    }

    #[test]
    fn a_narrow_interval_is_seen_as_one() {
        assert_eq!(
            shown(1.2103, 1.2101, 1.2105, Unit::Seconds),
            "1.2103 s [1.2101, 1.2105]"
        );
    }

    proptest! {
        #[test]
        fn no_figure_shows_what_is_no_number(
            value in any::<f64>(), low in any::<f64>(), high in any::<f64>(), unit in 0..6_usize,
        ) {
            let unit = [
                Unit::Percent,
                Unit::Seconds,
                Unit::SecondsPerUnit,
                Unit::PercentChange,
                Unit::Points,
                Unit::Samples,
            ][unit];
            let text = shown(value, low, high, unit);
            prop_assert!(!text.contains("NaN") && !text.contains("inf"), "{text}");
        }
    }
}
