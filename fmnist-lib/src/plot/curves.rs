//! Learning curves of one or several runs.

use super::Figure;
use super::axis::Scale;
use super::canvas::{Area, Canvas, Drawn, MUTED, PX, clean, color};
use super::figure::Content;
use super::legend::{Item, Legend, Sample};
use super::panel::{Panel, Series};
use crate::history::{EpochRecord, History};

/// Accuracy against the epoch: for each run, the validation images as a solid line and the
/// training images as a dashed one, with a dot at the epoch of the lowest validation loss.
///
/// Colours repeat after seven runs; names longer than 40 characters are cut. Values that are not
/// finite leave a gap.
pub fn accuracy_curves(runs: &[(&str, &History)]) -> Figure {
    figure(&[Quantity::Accuracy], runs)
}

/// The loss against the epoch; see [`accuracy_curves`] for the lines. The default loss, cross-entropy, is in nats.
pub fn loss_curves(runs: &[(&str, &History)]) -> Figure {
    figure(&[Quantity::Loss], runs)
}

/// Accuracy and loss of one run, side by side; the loss alone of a network that does not classify.
pub fn curves(name: &str, history: &History) -> Figure {
    let panels: &[Quantity] = match classifies(history) {
        true => &[Quantity::Accuracy, Quantity::Loss],
        false => &[Quantity::Loss],
    };
    figure(panels, &[(name, history)])
}

fn classifies(history: &History) -> bool {
    let epochs = &history.epochs;
    epochs.is_empty() || epochs.iter().any(|record| record.accuracy.is_some())
}

fn figure(panels: &[Quantity], runs: &[(&str, &History)]) -> Figure {
    let runs = runs.iter().map(|&(name, history)| Run {
        name: clean(name),
        history: history.clone(),
    });
    Figure(Content::Curves(Curves {
        panels: panels.to_vec(),
        runs: runs.collect(),
    }))
}

#[derive(Clone, Copy, Debug)]
enum Quantity {
    Accuracy,
    Loss,
}

#[derive(Clone, Debug)]
struct Run {
    name: String,
    history: History,
}

#[derive(Clone, Debug)]
pub(super) struct Curves {
    panels: Vec<Quantity>,
    runs: Vec<Run>,
}

impl Quantity {
    fn training(self, record: &EpochRecord) -> Option<f64> {
        match self {
            Self::Accuracy => record.accuracy.map(|it| 100.0 * f64::from(it)),
            Self::Loss => Some(record.loss.into()),
        }
    }

    fn validation(self, record: &EpochRecord) -> Option<f64> {
        match self {
            Self::Accuracy => record.val_accuracy.map(|it| 100.0 * f64::from(it)),
            Self::Loss => record.val_loss.map(f64::from),
        }
    }

    fn format(self, value: f64) -> String {
        match self {
            Self::Accuracy => format!("{value:.1} %"),
            Self::Loss => format!("{value:.3}"),
        }
    }

    /// As [`Self::format`], without the unit, which the axis names.
    fn label(self, value: f64) -> String {
        match self {
            Self::Accuracy => format!("{value:.1}"),
            Self::Loss => self.format(value),
        }
    }

    fn panel(self, runs: &[Run]) -> Panel {
        let y = match self {
            Self::Accuracy => Scale::Linear(0.0, 100.0),
            Self::Loss => Scale::Linear(0.0, f64::INFINITY),
        };
        let series = runs.iter().enumerate().map(|(i, run)| {
            let at = |record: &EpochRecord, value| (record.epoch as f64, value);
            let epochs = &run.history.epochs;
            let best = run.history.best_epoch();
            Series {
                color: color(i),
                dashed: epochs
                    .iter()
                    .filter_map(|r| Some(at(r, self.training(r)?)))
                    .collect(),
                solid: epochs
                    .iter()
                    .filter_map(|r| Some(at(r, self.validation(r)?)))
                    .collect(),
                dots: Vec::new(),
                best: best
                    .and_then(|r| Some(at(r, self.validation(r)?)))
                    .map(|point| (point, self.label(point.1))),
            }
        });
        Panel {
            x: Scale::Epochs,
            x_title: "epoch".to_owned(),
            y,
            y_title: match self {
                Self::Accuracy => "accuracy (%)".to_owned(),
                Self::Loss => "loss".to_owned(),
            },
            series: series.collect(),
            empty: match self {
                Self::Accuracy if !runs.iter().all(|run| classifies(&run.history)) => {
                    "no network here classifies: see the loss"
                }
                _ => "no epoch has been trained",
            },
        }
    }
}

impl Run {
    /// The name, and what the reader cannot see.
    fn legend(&self) -> String {
        let name = &self.name;
        match self.history.best_epoch() {
            _ if self.history.epochs.is_empty() => format!("{name} (no epochs yet)"),
            Some(best) => format!("{name} (best epoch {})", best.epoch),
            None => format!("{name} (no validation)"),
        }
    }
}

impl Curves {
    /// Width and height in pixels of the page.
    pub(super) fn size(&self) -> (i32, i32) {
        let panel_height = if self.panels.len() > 1 { 320 } else { 400 };
        (self.width(), self.legend().height() + panel_height)
    }

    fn width(&self) -> i32 {
        if self.panels.len() > 1 { 880 } else { 800 }
    }

    /// Whether some run has validation images, or may have them, having no epochs yet.
    fn validates(&self) -> bool {
        let mut runs = self.runs.iter().map(|run| &run.history);
        runs.any(|history| history.epochs.is_empty() || history.best_epoch().is_some())
    }

    fn legend(&self) -> Legend {
        let runs = self.runs.iter().enumerate();
        let key = [
            (Sample::Solid(MUTED), "validation", self.validates()),
            (Sample::Dashed(MUTED), "training", true),
            (
                Sample::Dot(MUTED),
                "lowest validation loss",
                self.validates(),
            ),
        ];
        let key = key.into_iter().filter(|(.., is_drawn)| *is_drawn);
        Legend::new(
            self.width(),
            vec![
                runs.map(|(i, run)| Item::new(Sample::Patch(color(i)), run.legend()))
                    .collect(),
                key.map(|(sample, text, _)| Item::new(sample, text.to_owned()))
                    .collect(),
            ],
        )
    }

    pub(super) fn draw<C: Canvas>(&self, area: &Area<C>) -> Drawn {
        let legend = self.legend();
        let (top, bottom) = area.split_vertically(legend.height() * PX);
        legend.draw(&top)?;
        let places = bottom.split_evenly((1, self.panels.len()));
        self.panels
            .iter()
            .zip(&places)
            .try_for_each(|(quantity, place)| quantity.panel(&self.runs).draw(place))
    }
}

/// One line for each run and quantity: the last epoch and the best one.
impl std::fmt::Display for Curves {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        let mut lines = Vec::new();
        for &quantity in &self.panels {
            for run in &self.runs {
                let what = match quantity {
                    Quantity::Accuracy => "accuracy",
                    Quantity::Loss => "loss",
                };
                let Some(last) = run.history.last() else {
                    lines.push(format!("{}: no epochs yet", run.name));
                    continue;
                };
                let Some(training) = quantity.training(last) else {
                    lines.push(format!(
                        "{}: no accuracy, as it does not classify",
                        run.name
                    ));
                    continue;
                };
                let mut line = format!(
                    "{}: {what} {} in training",
                    run.name,
                    quantity.format(training)
                );
                if let Some(value) = quantity.validation(last) {
                    line += &format!(", {} in validation", quantity.format(value));
                }
                line += &format!(" after epoch {}", last.epoch);
                if let Some(best) = run.history.best_epoch()
                    && let Some(value) = quantity.validation(best)
                {
                    line += &format!(
                        "; {} in validation at the best epoch, {}",
                        quantity.format(value),
                        best.epoch
                    );
                }
                lines.push(line);
            }
        }
        if lines.is_empty() {
            lines.push("learning curves of no runs".to_owned());
        }
        f.write_str(&lines.join("\n"))
    }
}
