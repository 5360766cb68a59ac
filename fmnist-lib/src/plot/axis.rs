//! Ranges and ticks that people would choose, as a plotters coordinate.

use std::ops::Range;

use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged};

/// How values are laid out on an axis.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Scale {
    /// Whole numbers from 1.
    Epochs,
    /// Evenly; the bounds are what the values can be at all.
    Linear(f64, f64),
    /// Each factor takes the same room.
    Log,
    /// By logarithms where the values are positive and the largest is more than ten times the smallest; a few values are
    /// all named.
    Setting,
    /// Words, the first of them at 0.
    Words(Vec<String>),
}

impl Scale {
    pub(super) fn has_place(&self, value: f64) -> bool {
        value.is_finite() && (*self != Self::Log || value > 0.0)
    }

    /// The axis for some values, at least one, that all have a place.
    pub(super) fn axis(&self, values: impl Iterator<Item = f64>) -> Axis {
        let mut values: Vec<f64> = values.collect();
        values.sort_by(f64::total_cmp);
        let (low, high) = (values[0], values[values.len() - 1]);
        values.dedup();
        match self {
            Self::Epochs => Axis::epochs(low as usize, high as usize),
            Self::Linear(from, to) => Axis::values(low, high, (*from, *to)),
            Self::Log => Axis::log(&values),
            Self::Setting if low > 0.0 && high > 10.0 * low => Axis::log(&values),
            Self::Setting => {
                Axis::values(low, high, (f64::NEG_INFINITY, f64::INFINITY)).naming(&values)
            }
            Self::Words(words) => Axis::words(words),
        }
    }
}

/// From where to where an axis goes, and which values it names.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Axis {
    from: f64,
    to: f64,
    is_log: bool,
    ticks: Ticks,
    /// To be named instead where the labels of `ticks` have no room beside each other.
    instead: Option<Ticks>,
    /// What is written at 0, 1, 2…, if not the numbers.
    words: Vec<String>,
}

#[derive(Clone, Debug, PartialEq)]
struct Ticks {
    at: Vec<f64>,
    /// From one tick to the next; `None` where each is written in full.
    step: Option<f64>,
}

/// So many values are all named where there is room.
const FEW: usize = 10;

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
        Self::linear(first - before, last + after, ticks, step)
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
        // The difference may be more than the largest number.
        let sixth = match high - low {
            f64::INFINITY => high / 6.0 - low / 6.0,
            difference => difference / 6.0,
        };
        let step = round_step(sixth);
        let whole = |count: f64| (count * step).clamp(f64::MIN, f64::MAX);
        let from = whole((low / step + 1e-9).floor()).max(bounds.0);
        let to = whole((high / step - 1e-9).ceil()).min(bounds.1);
        Self::linear(from, to, multiples(step, from, to), step)
    }

    fn linear(from: f64, to: f64, ticks: Vec<f64>, step: f64) -> Self {
        Self {
            from,
            to,
            is_log: false,
            ticks: Ticks {
                at: ticks,
                step: Some(step),
            },
            instead: None,
            words: Vec::new(),
        }
    }

    /// A place for each word, with as much room as any other.
    fn words(words: &[String]) -> Self {
        let count = words.len() as f64;
        let places = (0..words.len()).map(|at| at as f64);
        Self {
            words: words.to_vec(),
            ..Self::linear(-0.5, count - 0.5, places.collect(), 1.0)
        }
    }

    /// Names the values themselves, where they are few and have room.
    fn naming(mut self, values: &[f64]) -> Self {
        if values.len() <= FEW {
            let values = Ticks {
                at: values.to_vec(),
                step: None,
            };
            self.instead = Some(std::mem::replace(&mut self.ticks, values));
        }
        self
    }

    /// For positive values in order, each once: a few of them are all named, many by powers of ten.
    fn log(values: &[f64]) -> Self {
        let (low, high) = (values[0], values[values.len() - 1]);
        // By logarithms: the factor between the two may be more than the largest number.
        let decades = high.log10() - low.log10();
        let room = 10f64.powf(0.04 * decades).max(1.1);
        let from = (low / room).max(SMALLEST);
        let to = match (high * room).min(f64::MAX) {
            to if to > from => to,
            _ => 2.0 * from,
        };
        let factors: &[f64] = match decades {
            ..3.0 => &[1.0, 2.0, 5.0],
            _ => &[1.0],
        };
        let (first, last) = (from.log10().floor() as i32, to.log10().ceil() as i32);
        // Of a great many powers of ten, only some have room for their names.
        let every = ((last - first) / 12 + 1) as usize;
        let powers = (first..=last)
            .step_by(every)
            .flat_map(|decade| factors.iter().map(move |f| f * 10f64.powi(decade)));
        let powers = powers.filter(|tick| (from..=to).contains(tick)).collect();
        let axis = Self {
            from,
            to,
            is_log: true,
            ticks: Ticks {
                at: powers,
                step: None,
            },
            instead: None,
            words: Vec::new(),
        };
        // Between two powers, differences say more than factors.
        let axis = match axis.ticks.at.len() {
            ..2 => Self {
                ticks: Self::values(from, to, (from, to)).ticks,
                ..axis
            },
            _ => axis,
        };
        axis.naming(values)
    }
}

impl Ranged for Axis {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, (start, end): (i32, i32)) -> i32 {
        let share = match self.is_log {
            // A quarter of each: the difference may be more than the largest number.
            false if !(self.to - self.from).is_finite() => {
                let [value, from, to] = [*value, self.from, self.to].map(|it| it / 4.0);
                (value - from) / (to - from)
            }
            false => (value - self.from) / (self.to - self.from),
            true => (value.ln() - self.from.ln()) / (self.to.ln() - self.from.ln()),
        };
        (f64::from(start) + share * f64::from(end - start)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        if hint.weight().allow_light_points() {
            return Vec::new();
        }
        self.ticks.at.clone()
    }

    fn range(&self) -> Range<f64> {
        self.from..self.to
    }
}

/// The smallest number above 0.
const SMALLEST: f64 = f64::from_bits(1);

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

mod labels;
#[cfg(test)]
mod tests;
