//! One chart: curves over epochs, on a light grid.

use plotters::chart::ChartContext;
use plotters::prelude::*;

use super::axis::Axis;
use super::canvas::{Area, Canvas, Drawn, GRID, INK, MUTED, PX, centred, text, width};
use super::legend::{DOT, dashed, line};

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

type Chart<'a, C> = ChartContext<'a, C, Cartesian2d<Axis, Axis>>;

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

        // Validation lies on top: it is what the reader came for.
        for series in &self.series {
            for piece in pieces(&series.training) {
                match piece {
                    [point] => chart.plotting_area().draw(&Circle::new(
                        *point,
                        DOT,
                        series.color.stroke_width(6),
                    ))?,
                    _ => chart
                        .plotting_area()
                        .draw(&dashed(piece.to_vec(), series.color))?,
                }
            }
        }
        for series in &self.series {
            for piece in pieces(&series.validation) {
                match piece {
                    [point] => chart.plotting_area().draw(&Circle::new(
                        *point,
                        3 * PX,
                        series.color.filled(),
                    ))?,
                    _ => chart
                        .plotting_area()
                        .draw(&PathElement::new(piece.to_vec(), line(series.color)))?,
                }
            }
        }
        self.mark_best(&mut chart)?;
        if left_out > 0 {
            let words = format!("{left_out} values that are not finite are left out");
            let place = chart.plotting_area().strip_coord_spec();
            area.draw_text(
                &words,
                &text(11, MUTED),
                (
                    place.get_base_pixel().0 - area.get_base_pixel().0 + 8 * PX,
                    16 * PX,
                ),
            )?;
        }
        Ok(())
    }

    /// Dots first, then each label where it hides the fewest points of curves and no other label.
    fn mark_best<C: Canvas>(&self, chart: &mut Chart<C>) -> Drawn {
        let plot = chart.plotting_area().strip_coord_spec();
        let (left, top) = plot.get_base_pixel();
        let (w, h) = plot.dim_in_pixel();
        let place = |point: &Point| {
            let (x, y) = chart.plotting_area().map_coordinate(point);
            (x - left, y - top)
        };
        let marks: Vec<_> = self
            .series
            .iter()
            .filter_map(|series| {
                let (point, label) = series.best.as_ref().filter(|(point, _)| finite(point))?;
                Some((place(point), label, series.color))
            })
            .collect();
        for &(at, _, color) in &marks {
            plot.draw(&Circle::new(at, DOT + 6, WHITE.filled()))?;
            plot.draw(&Circle::new(at, DOT, color.filled()))?;
        }

        let mut ink: Vec<_> = self
            .series
            .iter()
            .flat_map(|series| [&series.training, &series.validation])
            .flat_map(|curve| pieces(curve))
            .flat_map(|piece| along(&piece.iter().map(place).collect::<Vec<_>>()))
            .collect();
        for &((x, y), label, _) in &marks {
            let style = centred(text(12, INK));
            let half = (width(label, &style) / 2 + 2 * PX, 8 * PX);
            let covers = |(cx, cy): (i32, i32), (px, py): (i32, i32)| {
                (px - cx).abs() <= half.0 && (py - cy).abs() <= half.1
            };
            let side = half.0 + 6 * PX;
            let best = [
                (0, -15),
                (0, 15),
                (0, -30),
                (0, 30),
                (0, -45),
                (0, 45),
                (0, -60),
                (0, 60),
            ]
            .map(|(dx, dy)| (dx, dy * PX))
            .into_iter()
            .chain([(side, 0), (-side, 0)])
            .flat_map(|(dx, dy)| [(x + dx, y + dy), (x + dx - half.0, y + dy)])
            .filter(|&(cx, cy)| {
                (half.0..w as i32 - half.0).contains(&cx)
                    && (half.1..h as i32 - half.1).contains(&cy)
            })
            .min_by_key(|&centre| ink.iter().filter(|&&point| covers(centre, point)).count());
            let Some((cx, cy)) = best else { continue };
            plot.draw(&Rectangle::new(
                [(cx - half.0, cy - half.1), (cx + half.0, cy + half.1)],
                WHITE.mix(0.8).filled(),
            ))?;
            plot.draw_text(label, &style, (cx, cy))?;
            // A label weighs more than any curve under it.
            let cells = (-8..=8).flat_map(|i| (-4..=4).map(move |j| (i, j)));
            ink.extend(cells.flat_map(|(i, j)| [(cx + i * half.0 / 8, cy + j * half.1 / 4); 4]));
        }
        Ok(())
    }
}

/// The runs of finite points.
fn pieces(curve: &[Point]) -> impl Iterator<Item = &[Point]> {
    curve
        .split(|point| !finite(point))
        .filter(|piece| !piece.is_empty())
}

/// Points about two pixels apart on a polyline.
fn along(path: &[(i32, i32)]) -> Vec<(i32, i32)> {
    path.windows(2)
        .flat_map(|ends| {
            let [(x0, y0), (x1, y1)] = [ends[0], ends[1]];
            let steps = ((x1 - x0).abs().max((y1 - y0).abs()) / (2 * PX)).max(1);
            (0..=steps).map(move |i| (x0 + (x1 - x0) * i / steps, y0 + (y1 - y0) * i / steps))
        })
        .collect()
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
