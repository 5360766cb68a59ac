//! One chart: curves over epochs, on a light grid.

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::axis::Axis;
use super::canvas::{Area, Canvas, Drawn, GRID, INK, MUTED, PX, centred, text};
use super::legend::{DOT, dashed, line, thin};
use super::marks::{self, Mark};

pub(super) type Point = (f64, f64);

/// The curves of one run; values may be NaN or infinite.
pub(super) struct Series {
    pub(super) color: RGBColor,
    pub(super) training: Vec<Point>,
    pub(super) validation: Vec<Point>,
    /// The point to mark, with its label.
    pub(super) best: Option<(Point, String)>,
}

pub(super) struct Panel {
    pub(super) y_title: &'static str,
    /// What the values can be at all.
    pub(super) bounds: (f64, f64),
    pub(super) series: Vec<Series>,
}

fn finite(point: &Point) -> bool {
    point.1.is_finite()
}

impl Panel {
    fn points(&self) -> impl Iterator<Item = &Point> {
        self.series
            .iter()
            .flat_map(|series| series.training.iter().chain(&series.validation))
    }

    pub(super) fn draw<C: Canvas>(&self, area: &Area<C>) -> Drawn {
        let shown: Vec<_> = self.points().filter(|point| finite(point)).collect();
        let left_out = self.points().count() - shown.len();
        let (w, h) = area.dim_in_pixel();
        let middle = (w as i32 / 2, h as i32 / 2);
        let Some(((first, last), (low, high))) = extent(&shown) else {
            let words = if left_out > 0 {
                format!("nothing to draw: none of the {left_out} values is finite")
            } else {
                "nothing to draw: no epoch has been trained".to_owned()
            };
            return area.draw_text(&words, &centred(text(13, MUTED)), middle);
        };

        let x = Axis::epochs(first as usize, last as usize);
        let y = Axis::values(low, high, self.bounds);
        let ticks = (x.len(), y.len());
        let mut chart = ChartBuilder::on(area)
            .margin_top(8 * PX)
            .margin_right(18 * PX)
            .margin_bottom(8 * PX)
            .margin_left(8 * PX)
            .set_label_area_size(LabelAreaPosition::Left, 56 * PX)
            .set_label_area_size(LabelAreaPosition::Bottom, 42 * PX)
            .build_cartesian_2d(x, y)?;
        chart
            .configure_mesh()
            .x_labels(ticks.0)
            .y_labels(ticks.1)
            .max_light_lines(0)
            .bold_line_style(GRID.stroke_width(PX as u32))
            .axis_style(MUTED.stroke_width(PX as u32))
            .set_all_tick_mark_size(4 * PX)
            .label_style(text(12, INK))
            .axis_desc_style(text(13, INK))
            .x_desc("epoch")
            .y_desc(self.y_title)
            .draw()?;

        let plot = chart.plotting_area();
        for series in &self.series {
            for piece in pieces(&series.training) {
                match piece {
                    [point] => plot.draw(&Circle::new(*point, DOT, thin(series.color)))?,
                    _ => plot.draw(&dashed(piece.to_vec(), series.color))?,
                }
            }
        }
        // Validation lies on top: it is what the reader came for.
        for series in &self.series {
            for piece in pieces(&series.validation) {
                match piece {
                    [point] => plot.draw(&Circle::new(*point, DOT, series.color.filled()))?,
                    _ => plot.draw(&PathElement::new(piece, line(series.color)))?,
                }
            }
        }
        self.mark_best(plot)?;
        if left_out > 0 {
            let words = format!("{left_out} values that are not finite are left out");
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
            finite(point).then(|| Mark {
                at: place(point),
                label: label.clone(),
                color: series.color,
            })
        });
        let curves = self
            .series
            .iter()
            .flat_map(|series| [&series.training, &series.validation])
            .flat_map(|curve| pieces(curve))
            .map(|piece| piece.iter().map(place).collect());
        marks::draw(
            &plot.strip_coord_spec(),
            &marks.collect::<Vec<_>>(),
            &curves.collect::<Vec<_>>(),
        )
    }
}

/// The runs of finite points.
fn pieces(curve: &[Point]) -> impl Iterator<Item = &[Point]> {
    curve
        .split(|point| !finite(point))
        .filter(|piece| !piece.is_empty())
}

/// Smallest and largest x, and y; `None` without points.
fn extent(points: &[&Point]) -> Option<(Point, Point)> {
    let range = |values: &mut dyn Iterator<Item = f64>| {
        values
            .map(|value| (value, value))
            .reduce(|(low, high), (value, _)| (low.min(value), high.max(value)))
    };
    Some((
        range(&mut points.iter().map(|point| point.0))?,
        range(&mut points.iter().map(|point| point.1))?,
    ))
}
