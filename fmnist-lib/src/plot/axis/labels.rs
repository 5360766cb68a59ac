//! What is written at the ticks of an axis, and how much of it has room.

use plotters::coord::ranged1d::{Ranged, ValueFormatter};

use super::{Axis, Ticks};

impl Axis {
    /// Names no more values than have room on an axis of this length, where a label takes `room` with the space around
    /// it; words are cut.
    pub(in crate::plot) fn fitting(mut self, length: i32, room: impl Fn(&str) -> i32) -> Self {
        let share = length / self.words.len().max(1) as i32;
        for word in &mut self.words {
            while room(word) > share && word.chars().count() > 2 {
                let shorter = word.chars().count() - 2;
                *word = word.chars().take(shorter).chain(['…']).collect();
            }
        }
        while !self.fits(length, &room) {
            self.ticks = match self.instead.take() {
                Some(instead) => instead,
                None => Ticks {
                    at: self.ticks.at.into_iter().step_by(2).collect(),
                    ..self.ticks
                },
            };
        }
        self
    }

    fn fits(&self, length: i32, room: impl Fn(&str) -> i32) -> bool {
        let labels = self.labels().map(|(tick, label)| {
            let middle = self.map(&tick, (0, length));
            let half = room(&label) / 2;
            (middle - half, middle + half)
        });
        let labels: Vec<(i32, i32)> = labels.collect();
        labels.windows(2).all(|pair| pair[0].1 <= pair[1].0)
    }

    /// Number of ticks.
    pub(in crate::plot) fn len(&self) -> usize {
        self.ticks.at.len()
    }

    /// Each tick, and what is written there.
    pub(in crate::plot) fn labels(&self) -> impl Iterator<Item = (f64, String)> {
        let label = |&tick| (tick, self.format_ext(&tick));
        self.ticks.at.iter().map(label)
    }
}

impl ValueFormatter<f64> for Axis {
    /// As many digits as tell a tick from the next one.
    fn format_ext(&self, tick: &f64) -> String {
        if let Some(word) = self.words.get(*tick as usize) {
            return word.clone();
        }
        let Some(step) = self.ticks.step else {
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
