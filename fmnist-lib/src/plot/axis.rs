//! Ranges and ticks that people would choose, as a plotters coordinate.

use std::ops::Range;

use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};

/// From where to where an axis goes, and which values it names.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Axis {
    from: f64,
    to: f64,
    ticks: Vec<f64>,
    step: f64,
}

impl Axis {
    /// For epochs: whole numbers with a little room on both sides, the first one always named.
    pub(super) fn epochs(first: usize, last: usize) -> Self {
        let (first, last) = (first as f64, last as f64);
        let length = last - first;
        // More on the right, for the label of a point at the last epoch.
        let (before, after) = if length > 0.0 {
            (0.025 * length, 0.065 * length)
        } else {
            (0.5, 0.5)
        };
        let step = round_step(length / 10.0).max(1.0);
        let mut ticks = multiples(step, first, last);
        if ticks.first().is_none_or(|tick| tick - first > 0.6 * step) {
            ticks.insert(0, first);
        }
        Self {
            from: first - before,
            to: last + after,
            ticks,
            step,
        }
    }

    /// For finite values between `low` and `high`: whole steps around them, kept within `bounds`
    /// (which the values respect).
    pub(super) fn values(low: f64, high: f64, bounds: (f64, f64)) -> Self {
        // A flat curve gets room, too, so that it does not lie on the frame.
        let room = if high > low {
            0.0
        } else {
            0.05 * high.abs().max(0.1)
        };
        let (low, high) = (low - room, high + room);
        let step = round_step((high - low) / 6.0);
        let from = ((low / step + 1e-9).floor() * step).max(bounds.0);
        let to = ((high / step - 1e-9).ceil() * step).min(bounds.1);
        Self {
            from,
            to,
            ticks: multiples(step, from, to),
            step,
        }
    }

    /// Number of ticks.
    pub(super) fn len(&self) -> usize {
        self.ticks.len()
    }
}

impl Ranged for Axis {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, (start, end): (i32, i32)) -> i32 {
        let share = (value - self.from) / (self.to - self.from);
        (f64::from(start) + share * f64::from(end - start)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        if hint.weight().allow_light_points() {
            return Vec::new();
        }
        self.ticks.clone()
    }

    fn range(&self) -> Range<f64> {
        self.from..self.to
    }
}

impl ValueFormatter<f64> for Axis {
    /// As many digits as tell a tick from the next one.
    fn format_ext(&self, tick: &f64) -> String {
        if self.step >= 1e5 || self.step < 1e-6 {
            return format!("{tick:.1e}");
        }
        let digits = (-(self.step.log10() + 1e-9).floor()).max(0.0) as usize;
        format!("{tick:.digits$}")
    }
}

/// The smallest of 1, 2, 5, 10, 20, 50, … (or 0.1, 0.2, …) that is no less than `least`.
fn round_step(least: f64) -> f64 {
    let power = 10f64.powf(least.max(f64::MIN_POSITIVE).log10().floor());
    [1.0, 2.0, 5.0, 10.0]
        .map(|factor| factor * power)
        .into_iter()
        .find(|&step| step >= least * (1.0 - 1e-9))
        .unwrap_or(10.0 * power)
}

fn multiples(step: f64, from: f64, to: f64) -> Vec<f64> {
    let first = (from / step - 1e-9).ceil();
    let count = (to / step + 1e-9).floor() - first + 1.0;
    (0..count.max(0.0) as usize)
        .map(|i| (first + i as f64) * step)
        .collect()
}

#[cfg(test)]
mod tests {
    use plotters::coord::ranged1d::ValueFormatter;

    use super::Axis;

    fn labels(axis: &Axis) -> Vec<String> {
        axis.ticks
            .iter()
            .map(|tick| axis.format_ext(tick))
            .collect()
    }

    #[test]
    fn ticks_are_round_and_cover_the_values() {
        let accuracy = Axis::values(71.3, 98.2, (0.0, 100.0));
        assert_eq!((accuracy.from, accuracy.to), (70.0, 100.0));
        assert_eq!(
            labels(&accuracy),
            ["70", "75", "80", "85", "90", "95", "100"]
        );
        let loss = Axis::values(0.213, 0.74, (0.0, f64::INFINITY));
        assert_eq!(
            labels(&loss),
            ["0.2", "0.3", "0.4", "0.5", "0.6", "0.7", "0.8"]
        );
        assert_eq!(
            labels(&Axis::values(2.3046, 2.3051, (0.0, f64::INFINITY)))[..2],
            ["2.3046", "2.3047"]
        );
    }

    #[test]
    fn a_flat_curve_has_room_and_bounds_hold() {
        let flat = Axis::values(100.0, 100.0, (0.0, 100.0));
        assert!(flat.from < 99.0 && flat.to == 100.0);
        let zero = Axis::values(0.0, 0.0, (0.0, f64::INFINITY));
        assert!(zero.from == 0.0 && zero.to > 0.0 && zero.ticks.len() > 1);
    }

    #[test]
    fn epochs_are_whole_and_begin_with_the_first() {
        assert_eq!(labels(&Axis::epochs(1, 3)), ["1", "2", "3"]);
        assert_eq!(labels(&Axis::epochs(1, 1)), ["1"]);
        assert_eq!(
            labels(&Axis::epochs(1, 50)),
            [
                "1", "5", "10", "15", "20", "25", "30", "35", "40", "45", "50"
            ]
        );
        assert_eq!(labels(&Axis::epochs(31, 33)), ["31", "32", "33"]);
    }

    #[test]
    fn no_finite_value_is_too_large_or_too_small() {
        for (low, high) in [(0.0, 3e38), (1e-40, 2e-40), (0.0, 1e-300), (3e38, 3e38)] {
            let axis = Axis::values(low, high, (0.0, f64::INFINITY));
            assert!(
                axis.from <= low && axis.to >= high && axis.from < axis.to,
                "{axis:?}"
            );
            assert!(axis.ticks.len() < 20, "{axis:?}");
        }
        assert!(Axis::epochs(1, usize::MAX).ticks.len() < 20);
    }
}
