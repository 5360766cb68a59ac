//! A figure of many runs: one strip for each setting, one dot for each run.

use std::fmt;

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::Figure;
use super::axis::Scale;
use super::canvas::{Area, Canvas, Drawn, GRID, INK, MUTED, PX, clean, color, text, width};
use super::figure::Content;
use super::legend::DOT;
use crate::support::table::{mean, mean_and_deviation};

/// For each name, its values as dots on a line, and their mean as a bar, labelled with mean ± standard
/// deviation: whether two settings differ by more than chance is seen at a glance. `title` names the
/// quantity and its unit, as in `"test accuracy (%)"`.
///
/// [`SweepResults::accuracy`](crate::SweepResults::accuracy) draws a sweep this way.
pub fn strips(title: &str, series: &[(&str, impl AsRef<[f64]>)]) -> Figure {
    let series = series.iter().map(|(name, values)| {
        let values = values.as_ref();
        let finite = |value: &&f64| value.is_finite();
        let finite: Vec<f64> = values.iter().filter(finite).copied().collect();
        Strip {
            name: clean(name),
            missing: values.len() - finite.len(),
            values: finite,
        }
    });
    Figure(Content::Strips(Strips {
        title: clean(title),
        strips: series.collect(),
    }))
}

#[derive(Clone, Debug)]
pub(super) struct Strips {
    title: String,
    strips: Vec<Strip>,
}

#[derive(Clone, Debug)]
struct Strip {
    name: String,
    values: Vec<f64>,
    /// Values that are not finite.
    missing: usize,
}

const WIDTH: i32 = 800;
const ROW: i32 = 34;
const TOP: i32 = 12;
const BOTTOM: i32 = 46;

impl Strip {
    fn mean(&self) -> Option<f64> {
        (!self.values.is_empty()).then(|| mean(&self.values))
    }

    /// Mean ± standard deviation, and what is not in it.
    fn label(&self) -> String {
        let figures = mean_and_deviation(self.values.clone(), 2);
        match (self.missing, self.values.is_empty()) {
            (0, _) => figures,
            (missing, true) => format!("{missing} diverged"),
            (missing, false) => format!("{figures}, {missing} diverged"),
        }
    }
}

impl Strips {
    /// Width and height in pixels of the page.
    pub(super) fn size(&self) -> (i32, i32) {
        (WIDTH, TOP + ROW * self.strips.len().max(1) as i32 + BOTTOM)
    }

    pub(super) fn draw<C: Canvas>(&self, area: &Area<C>) -> Drawn {
        let label = text(12, INK);
        let widest = |words: &mut dyn Iterator<Item = String>| {
            words.map(|words| width(&words, &label)).max().unwrap_or(0) + 24 * PX
        };
        let left = widest(&mut self.strips.iter().map(|strip| strip.name.clone()));
        let right = WIDTH * PX - widest(&mut self.strips.iter().map(Strip::label));
        let (top, bottom) = (TOP * PX, (self.size().1 - BOTTOM) * PX);

        let all = || self.strips.iter().flat_map(|strip| &strip.values).copied();
        if all().next().is_none() {
            let words = "nothing to draw: there are no finite values";
            return area.draw_text(words, &text(13, MUTED), (left, (top + bottom) / 2));
        }
        let axis = Scale::Linear(f64::NEG_INFINITY, f64::INFINITY).axis(all());
        let x = |value: f64| axis.map(&value, (left, right));
        let below = text(12, INK).pos(Pos::new(HPos::Center, VPos::Top));
        for (tick, words) in axis.labels() {
            let line = [(x(tick), top), (x(tick), bottom)];
            area.draw(&PathElement::new(line, GRID.stroke_width(PX as u32)))?;
            area.draw_text(&words, &below, (x(tick), bottom + 6 * PX))?;
        }
        let base = [(left, bottom), (right, bottom)];
        area.draw(&PathElement::new(base, MUTED.stroke_width(PX as u32)))?;
        let middle = ((left + right) / 2, bottom + 26 * PX);
        area.draw_text(&self.title, &below, middle)?;

        let end = text(12, INK).pos(Pos::new(HPos::Right, VPos::Center));
        for (row, strip) in self.strips.iter().enumerate() {
            let y = top + (row as i32 * ROW + ROW / 2) * PX;
            let color = color(row);
            area.draw_text(&strip.name, &end, (left - 10 * PX, y))?;
            for &value in &strip.values {
                area.draw(&Circle::new((x(value), y), DOT, color.mix(0.5).filled()))?;
            }
            if let Some(mean) = strip.mean() {
                let ends = [(x(mean), y - 11 * PX), (x(mean), y + 11 * PX)];
                area.draw(&PathElement::new(ends, color.stroke_width(3 * PX as u32)))?;
            }
            area.draw_text(&strip.label(), &text(12, INK), (right + 12 * PX, y))?;
        }
        Ok(())
    }
}

/// Mean and deviation of each.
impl fmt::Display for Strips {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.title)?;
        for strip in &self.strips {
            write!(f, "\n{}: {}", strip.name, strip.label())?;
        }
        Ok(())
    }
}
