//! Ranges and ticks that people would choose, as a plotters coordinate.

use std::ops::Range;

use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};

/// How values are laid out on an axis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Scale {
    /// Whole numbers from 1.
    Epochs,
    /// Evenly; the bounds are what the values can be at all.
    Linear(f64, f64),
    /// Each factor takes the same room.
    Log,
}

impl Scale {
    pub(super) fn has_place(self, value: f64) -> bool {
        value.is_finite() && (self != Self::Log || value > 0.0)
    }

    /// The axis for some values, at least one, that all have a place.
    pub(super) fn axis(self, values: impl Iterator<Item = f64>) -> Axis {
        let mut values: Vec<f64> = values.collect();
        values.sort_by(f64::total_cmp);
        let (low, high) = (values[0], values[values.len() - 1]);
        values.dedup();
        match self {
            Self::Epochs => Axis::epochs(low as usize, high as usize),
            Self::Linear(from, to) => Axis::values(low, high, (from, to)),
            Self::Log => Axis::log(&values),
        }
    }
}

/// From where to where an axis goes, and which values it names.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Axis {
    from: f64,
    to: f64,
    ticks: Vec<f64>,
    /// From one tick to the next; `None` on a logarithmic axis.
    step: Option<f64>,
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
            step: Some(step),
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
            step: Some(step),
        }
    }

    /// For positive values in order, each once: a few of them are all named, many by powers of ten.
    fn log(values: &[f64]) -> Self {
        let (low, high) = (values[0], values[values.len() - 1]);
        let room = (high / low).powf(0.04).max(1.1);
        let (from, to) = (low / room, high * room);
        let ticks = if values.len() <= 10 {
            values.to_vec()
        } else {
            let factors: &[f64] = match (high / low).log10() {
                ..1.5 => &[1.0, 2.0, 5.0],
                _ => &[1.0],
            };
            let decades = from.log10().floor() as i32..=to.log10().ceil() as i32;
            let ticks =
                decades.flat_map(|decade| factors.iter().map(move |f| f * 10f64.powi(decade)));
            ticks.filter(|tick| (from..=to).contains(tick)).collect()
        };
        Self {
            from,
            to,
            ticks,
            step: None,
        }
    }

    /// Number of ticks.
    pub(super) fn len(&self) -> usize {
        self.ticks.len()
    }

    /// Each tick, and what is written there.
    pub(super) fn labels(&self) -> impl Iterator<Item = (f64, String)> {
        let label = |&tick| (tick, self.format_ext(&tick));
        self.ticks.iter().map(label)
    }
}

impl Ranged for Axis {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, (start, end): (i32, i32)) -> i32 {
        let share = match self.step {
            Some(_) => (value - self.from) / (self.to - self.from),
            None => (value / self.from).ln() / (self.to / self.from).ln(),
        };
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
        let Some(step) = self.step else {
            let short = (tick * 1e9).round() / 1e9;
            return match *tick {
                1e-3..1e5 => short.to_string(),
                _ => format!("{tick:.3e}").replace(".000", ""),
            };
        };
        if !(1e-6..1e5).contains(&step) {
            return format!("{tick:.1e}");
        }
        let digits = (-(step.log10() + 1e-9).floor()).max(0.0) as usize;
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
    use plotters::coord::ranged1d::{Ranged, ValueFormatter};

    use super::{Axis, Scale};

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
    fn a_logarithmic_axis_names_a_few_values_or_powers_of_ten() {
        let sizes = Scale::Log.axis([512.0, 32.0, 32.0, 4096.0].into_iter());
        assert_eq!(labels(&sizes), ["32", "512", "4096"]);
        let rates = Scale::Log.axis((0..=50).map(|i| 10f64.powf(-5.0 + f64::from(i) / 10.0)));
        assert_eq!(
            labels(&rates),
            ["1e-5", "1e-4", "0.001", "0.01", "0.1", "1"]
        );
        // Each factor takes the same room.
        let place = |value| rates.map(&value, (0, 10_000));
        assert!((place(1e-3) - place(1e-4)).abs_diff(place(1e-1) - place(1e-2)) <= 1);
        assert!(Scale::Log.axis([3.0].into_iter()).from < 3.0);
        assert!(!Scale::Log.has_place(0.0) && Scale::Log.has_place(1e-300));
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
