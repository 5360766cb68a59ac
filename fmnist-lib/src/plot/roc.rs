//! ROC curves.

use std::fmt;

use super::Figure;
use super::axis::Scale;
use super::canvas::{Area, Canvas, Drawn, MUTED, PX, clean, color};
use super::figure::Content;
use super::legend::{Item, Legend, Sample};
use super::panel::{Panel, Point, Series};
use crate::evaluate::RocCurve;

/// How well classes are told from all others: for each name its curve, with the area below it in the legend, and the
/// diagonal of pure chance, as `sklearn.metrics.RocCurveDisplay` draws them. Both axes have the same scale.
///
/// ```no_run
/// # use fmnist_lib::*;
/// # let (data, model) = (FashionMnist::load()?, one_layer().build(1)?);
/// let predictions = predict(&model, &data.test)?;
/// let curves: Vec<RocCurve> = (0..10)
///     .map(|class| predictions.roc_curve(&data.test, class))
///     .collect::<Result<_>>()?;
/// let named: Vec<(&str, &RocCurve)> = CLASS_NAMES.into_iter().zip(&curves).collect();
/// plot::roc(&named).save("roc.svg")?;
/// # Ok::<(), Error>(())
/// ```
pub fn roc(curves: &[(&str, &RocCurve)]) -> Figure {
    let curves = curves.iter().map(|&(name, curve)| Curve {
        legend: format!("{} (AUC {:.3})", clean(name), curve.auc),
        points: curve.points.clone(),
    });
    Figure(Content::Roc(Roc {
        curves: curves.collect(),
    }))
}

#[derive(Clone, Debug)]
pub(super) struct Roc {
    curves: Vec<Curve>,
}

#[derive(Clone, Debug)]
struct Curve {
    legend: String,
    points: Vec<Point>,
}

/// The side of the square between the axes, in pixels of the page.
const SIDE: i32 = 460;

impl Roc {
    fn legend(&self) -> Legend {
        let curves = self.curves.iter().enumerate();
        let curves =
            curves.map(|(i, curve)| Item::new(Sample::Solid(color(i)), curve.legend.clone()));
        let chance = Item::new(Sample::Dashed(MUTED), "chance (AUC 0.500)".to_owned());
        Legend::new(self.size_below().0, vec![curves.chain([chance]).collect()])
    }

    /// Of the chart, with what its axes take.
    fn size_below(&self) -> (i32, i32) {
        (SIDE + Panel::BESIDE, SIDE + Panel::BELOW)
    }

    /// Width and height in pixels of the page.
    pub(super) fn size(&self) -> (i32, i32) {
        let (width, height) = self.size_below();
        (width, self.legend().height() + height)
    }

    pub(super) fn draw<C: Canvas>(&self, area: &Area<C>) -> Drawn {
        let legend = self.legend();
        let (top, bottom) = area.split_vertically(legend.height() * PX);
        legend.draw(&top)?;
        let line = |color, dashed, solid| Series {
            color,
            dashed,
            solid,
            dots: Vec::new(),
            best: None,
        };
        let chance = line(MUTED, vec![(0.0, 0.0), (1.0, 1.0)], Vec::new());
        let curves = self.curves.iter().enumerate();
        let curves = curves.map(|(i, curve)| line(color(i), Vec::new(), curve.points.clone()));
        let panel = Panel {
            x: Scale::Linear(0.0, 1.0),
            x_title: "false positive rate".to_owned(),
            y: Scale::Linear(0.0, 1.0),
            y_title: "true positive rate".to_owned(),
            series: [chance].into_iter().chain(curves).collect(),
            empty: "there are no curves",
        };
        panel.draw(&bottom)
    }
}

/// The area below each curve.
impl fmt::Display for Roc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "true positive rate against false positive rate")?;
        let mut curves = self.curves.iter();
        curves.try_for_each(|curve| write!(f, "\n{}", curve.legend))
    }
}
