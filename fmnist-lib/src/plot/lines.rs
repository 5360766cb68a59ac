//! One quantity against another.

use std::fmt;

use super::Figure;
use super::axis::Scale;
use super::canvas::{Area, Canvas, Drawn, PX, clean, color};
use super::figure::Content;
use super::legend::{Item, Legend, Sample};
use super::panel::{Panel, Point, Series};
use crate::support::table::{mean, significant};

/// What [`lines`] draws against what, by titles that name the unit, as in `"accuracy (%)"`.
#[derive(Clone, Debug)]
pub struct Axes {
    titles: [String; 2],
    scales: [Scale; 2],
}

impl Axes {
    /// Axes on which equal distances are equal differences.
    pub fn new(x_title: &str, y_title: &str) -> Self {
        let even = || Scale::Linear(f64::NEG_INFINITY, f64::INFINITY);
        Self {
            titles: [clean(x_title), clean(y_title)],
            scales: [even(), even()],
        }
    }

    /// Lays out x by its logarithm: equal distances are equal factors.
    #[must_use]
    pub fn log_x(mut self) -> Self {
        self.scales[0] = Scale::Log;
        self
    }

    /// Lays out y by its logarithm.
    #[must_use]
    pub fn log_y(mut self) -> Self {
        self.scales[1] = Scale::Log;
        self
    }
}

/// A line for each name through its points (x, y). Where several points share an x, such as runs with
/// several seeds, each is a dot, and the line goes through their mean. A ROC curve is another thing: see
/// [`roc`](super::roc()).
///
/// Points that are not finite leave a gap, and so do those that are not positive where the axis is
/// logarithmic.
///
/// ```
/// use fmnist_lib::plot::{Axes, lines};
///
/// let accuracy = [(32.0, 91.2), (32.0, 91.4), (512.0, 90.9)];
/// let figure = lines(&Axes::new("batch size", "accuracy (%)").log_x(), &[("1_Layer", &accuracy)]);
/// # let _ = figure.to_svg()?;
/// # Ok::<(), fmnist_lib::Error>(())
/// ```
pub fn lines(axes: &Axes, series: &[(&str, &[(f64, f64)])]) -> Figure {
    let series = series.iter().map(|&(name, points)| {
        let mut points = points.to_vec();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        (clean(name), points)
    });
    Figure(Content::Lines(Lines {
        axes: axes.clone(),
        series: series.collect(),
    }))
}

#[derive(Clone, Debug)]
pub(super) struct Lines {
    axes: Axes,
    /// Names, and points from left to right.
    series: Vec<(String, Vec<Point>)>,
}

const WIDTH: i32 = 800;

/// One point for each x; whether any of them stands for several.
fn means(points: &[Point]) -> (Vec<Point>, bool) {
    let groups = points.chunk_by(|a, b| a.0 == b.0);
    let mean_of = |group: &[Point]| {
        let values: Vec<f64> = group.iter().map(|point| point.1).collect();
        (group[0].0, mean(&values))
    };
    let means: Vec<Point> = groups.map(mean_of).collect();
    let several = means.len() < points.len();
    (means, several)
}

impl Lines {
    fn legend(&self) -> Legend {
        let items = self.series.iter().enumerate();
        Legend::new(
            WIDTH,
            vec![
                items
                    .map(|(i, (name, _))| Item::new(Sample::Patch(color(i)), name.clone()))
                    .collect(),
            ],
        )
    }

    /// Width and height in pixels of the page.
    pub(super) fn size(&self) -> (i32, i32) {
        (WIDTH, self.legend().height() + 360)
    }

    pub(super) fn draw<C: Canvas>(&self, area: &Area<C>) -> Drawn {
        let legend = self.legend();
        let (top, bottom) = area.split_vertically(legend.height() * PX);
        legend.draw(&top)?;
        let series = self.series.iter().enumerate().map(|(i, (_, points))| {
            let (solid, several) = means(points);
            // A few points are worth seeing one by one.
            let dots = several || points.len() <= 30;
            Series {
                color: color(i),
                dashed: Vec::new(),
                solid,
                dots: if dots { points.clone() } else { Vec::new() },
                best: None,
            }
        });
        let [x_title, y_title] = self.axes.titles.clone();
        let [x, y] = self.axes.scales.clone();
        let panel = Panel {
            x,
            x_title,
            y,
            y_title,
            series: series.collect(),
            empty: "there are no points",
        };
        panel.draw(&bottom)
    }
}

/// For each line, its ends and its highest point.
impl fmt::Display for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [x, y] = &self.axes.titles;
        write!(f, "{y} against {x}")?;
        let at =
            |point: &(f64, f64)| format!("{} at {}", significant(point.1), significant(point.0));
        for (name, points) in &self.series {
            let (means, _) = means(points);
            let Some((first, last)) = means.first().zip(means.last()) else {
                write!(f, "\n{name}: no points")?;
                continue;
            };
            write!(f, "\n{name}: {}", at(first))?;
            let finite = means.iter().filter(|point| point.1.is_finite());
            if let Some(top) = finite.max_by(|a, b| a.1.total_cmp(&b.1)) {
                write!(f, ", highest {}", at(top))?;
            }
            write!(f, ", {}", at(last))?;
        }
        Ok(())
    }
}
