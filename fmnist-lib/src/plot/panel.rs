//! One chart: curves and dots, on a light grid.

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::axis::{Axis, Scale};
use super::canvas::{Area, Canvas, Drawn, GRID, INK, MUTED, PX, centred, text, width};
use super::legend::{DOT, dashed, line, thin};
use super::marks::{self, Mark};
use crate::support::table::counted;

/// Around the chart and its labels, and right of it.
const MARGIN: i32 = 8;
const RIGHT: i32 = 18;
/// For the labels of y, and of x.
const LEFT: i32 = 56;
const BOTTOM: i32 = 42;

pub(super) type Point = (f64, f64);

/// What is drawn in one colour; values may be NaN or infinite.
pub(super) struct Series {
    pub(super) color: RGBColor,
    pub(super) dashed: Vec<Point>,
    pub(super) solid: Vec<Point>,
    pub(super) dots: Vec<Point>,
    /// The point to mark, with its label.
    pub(super) best: Option<(Point, String)>,
}

pub(super) struct Panel {
    pub(super) x: Scale,
    pub(super) x_title: String,
    pub(super) y: Scale,
    pub(super) y_title: String,
    pub(super) series: Vec<Series>,
    /// What to say where there is nothing to draw.
    pub(super) empty: &'static str,
}

impl Panel {
    /// What axes and margins take of the width and of the height, in pixels of the page.
    pub(super) const BESIDE: i32 = MARGIN + LEFT + RIGHT;
    pub(super) const BELOW: i32 = 2 * MARGIN + BOTTOM;

    fn points(&self) -> impl Iterator<Item = &Point> {
        self.series
            .iter()
            .flat_map(|series| [&series.dashed, &series.solid, &series.dots])
            .flatten()
    }

    /// Values without a place; a line through dots is not counted again.
    fn left_out(&self) -> usize {
        let values = self
            .series
            .iter()
            .flat_map(|series| match &series.dots[..] {
                [] => series.dashed.iter().chain(&series.solid),
                dots => dots.iter().chain(&[]),
            });
        values.filter(|point| !self.has_place(point)).count()
    }

    /// Whether the axes have a place for it.
    fn has_place(&self, &(x, y): &Point) -> bool {
        self.x.has_place(x) && self.y.has_place(y)
    }

    pub(super) fn draw<C: Canvas>(&self, area: &Area<C>) -> Drawn {
        let shown: Vec<_> = self
            .points()
            .filter(|point| self.has_place(point))
            .collect();
        let left_out = self.left_out();
        let (w, h) = area.dim_in_pixel();
        let middle = (w as i32 / 2, h as i32 / 2);
        if shown.is_empty() {
            let words = match left_out {
                0 => format!("nothing to draw: {}", self.empty),
                1 => format!("nothing to draw: the only value is not {}", self.usable()),
                _ => format!(
                    "nothing to draw: none of the {left_out} values is {}",
                    self.usable()
                ),
            };
            return area.draw_text(&words, &centred(text(13, MUTED)), middle);
        }

        let label = text(12, INK);
        let x = self.x.axis(shown.iter().map(|point| point.0));
        let x = x.fitting(w as i32 - Self::BESIDE * PX, |words| {
            width(words, &label) + 8 * PX
        });
        let y = self.y.axis(shown.iter().map(|point| point.1));
        let y = y.fitting(h as i32 - Self::BELOW * PX, |_| 14 * PX);
        let ticks = (x.len(), y.len());
        let mut chart = ChartBuilder::on(area)
            .margin_top(MARGIN * PX)
            .margin_right(RIGHT * PX)
            .margin_bottom(MARGIN * PX)
            .margin_left(MARGIN * PX)
            .set_label_area_size(LabelAreaPosition::Left, LEFT * PX)
            .set_label_area_size(LabelAreaPosition::Bottom, BOTTOM * PX)
            .build_cartesian_2d(x, y)?;
        chart
            .configure_mesh()
            .x_labels(ticks.0)
            .y_labels(ticks.1)
            .max_light_lines(0)
            .bold_line_style(GRID.stroke_width(PX as u32))
            .axis_style(MUTED.stroke_width(PX as u32))
            .set_all_tick_mark_size(4 * PX)
            .label_style(label)
            .axis_desc_style(text(13, INK))
            .x_desc(&self.x_title)
            .y_desc(&self.y_title)
            .draw()?;

        let plot = chart.plotting_area();
        for series in &self.series {
            for piece in self.pieces(&series.dashed) {
                match piece {
                    [point] => plot.draw(&Circle::new(*point, DOT, thin(series.color)))?,
                    _ => plot.draw(&dashed(piece.to_vec(), series.color))?,
                }
            }
        }
        // What is solid lies on top: it is what the reader came for.
        for series in &self.series {
            for piece in self.pieces(&series.solid) {
                match piece {
                    [point] => plot.draw(&Circle::new(*point, DOT, series.color.filled()))?,
                    _ => plot.draw(&PathElement::new(piece, line(series.color)))?,
                }
            }
            for dot in series.dots.iter().filter(|dot| self.has_place(dot)) {
                plot.draw(&Circle::new(
                    *dot,
                    DOT * 3 / 4,
                    series.color.mix(0.6).filled(),
                ))?;
            }
        }
        self.mark_best(plot)?;
        if left_out > 0 {
            let (are, usable) = (if left_out == 1 { "is" } else { "are" }, self.usable());
            let values = counted(left_out, "value");
            let words = format!("{values} that {are} not {usable} {are} left out");
            let end = text(11, MUTED).pos(Pos::new(HPos::Right, VPos::Bottom));
            let corner = ((w as i32) - 18 * PX, h as i32 - 8 * PX);
            area.draw_text(&words, &end, corner)?;
        }
        Ok(())
    }

    fn mark_best<C: Canvas>(&self, plot: &DrawingArea<C, Cartesian2d<Axis, Axis>>) -> Drawn {
        let (left, top) = plot.get_base_pixel();
        let place = |point: &Point| {
            let (x, y) = plot.map_coordinate(point);
            (x - left, y - top)
        };
        let marks = self.series.iter().filter_map(|series| {
            let (point, label) = series.best.as_ref()?;
            self.has_place(point).then(|| Mark {
                at: place(point),
                label: label.clone(),
                color: series.color,
            })
        });
        let curves = self
            .series
            .iter()
            .flat_map(|series| [&series.dashed, &series.solid])
            .flat_map(|curve| self.pieces(curve))
            .map(|piece| piece.iter().map(place).collect());
        marks::draw(
            &plot.strip_coord_spec(),
            &marks.collect::<Vec<_>>(),
            &curves.collect::<Vec<_>>(),
        )
    }

    /// The runs of points that have a place.
    fn pieces<'a>(&self, curve: &'a [Point]) -> impl Iterator<Item = &'a [Point]> {
        curve
            .split(|point| !self.has_place(point))
            .filter(|piece| !piece.is_empty())
    }

    fn usable(&self) -> &'static str {
        match (&self.x, &self.y) {
            (Scale::Log, _) | (_, Scale::Log) => "finite and positive",
            _ => "finite",
        }
    }
}
