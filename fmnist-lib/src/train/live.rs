//! Shows training in a notebook while its cell runs: a bar, and the curves so far.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use indicatif::HumanDuration;

use super::callbacks::{Callback, StepRecord};
use super::progress::summary;
use crate::error::Result;
use crate::history::{Ended, EpochRecord, History};
use crate::model::{Model, RunPlan, thousands};
use crate::plot::{Figure, curves};
use crate::support::display::Shown;
use crate::support::table::escape;

/// Between two states of the bar. A notebook that is told more often only gets slower.
const BAR: Duration = Duration::from_millis(250);
/// Between two pictures of the curves.
const CURVES: Duration = Duration::from_millis(1000);

pub(super) struct Live {
    name: String,
    /// The epochs that are done, those of earlier runs included.
    history: History,
    epochs_at_start: usize,
    /// Those of earlier runs, and those of this one.
    epochs_before: usize,
    last_epoch: usize,
    /// Those of this process.
    steps: usize,
    started: Instant,
    bar: Shown,
    curves: Shown,
    /// In the first epoch there is nothing else to draw.
    first_epoch: Option<StepRecord>,
    ended: bool,
}

impl Live {
    pub(super) fn new(model: &Model, plan: &RunPlan) -> Self {
        let history = model.history();
        Self {
            name: model.spec().name().to_owned(),
            epochs_at_start: history.epochs.len(),
            history,
            epochs_before: plan.epochs_before,
            last_epoch: plan.last_epoch(),
            steps: 0,
            started: Instant::now(),
            bar: Shown::new(),
            curves: Shown::new(),
            first_epoch: None,
            ended: false,
        }
    }

    fn show_bar(&mut self, step: &StepRecord) {
        let last = self.last_epoch;
        let ahead =
            (last - step.epoch) as f64 * step.steps as f64 + (step.steps - step.step) as f64;
        // A resumed run has steps behind it that took this process no time.
        let seconds = self.started.elapsed().as_secs_f64() * ahead / self.steps as f64;
        let left = Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX);
        let accuracy = step.accuracy;
        let accuracy = accuracy.map_or(String::new(), |it| format!("accuracy {it:.4} · "));
        let text = format!(
            "epoch {}/{last} · step {}/{} · loss {:.4} · {accuracy}{} images/s · {:#} left",
            step.epoch,
            step.step,
            step.steps,
            step.loss,
            thousands(step.images_per_second as usize),
            HumanDuration(left),
        );
        let all = (last - self.epochs_before) as f64 * step.steps as f64;
        let bar = format!(
            "<progress value=\"{}\" max=\"{all}\" style=\"width:16em\"></progress> {text}",
            all - ahead
        );
        self.bar.show(&[("text/html", &bar), ("text/plain", &text)]);
    }

    /// The curves with the epoch in progress, as it stands, as their last point.
    fn figure(&self, step: Option<&StepRecord>) -> Figure {
        let mut history = self.history.clone();
        history.epochs.extend(step.map(|step| EpochRecord {
            epoch: step.epoch,
            loss: step.loss,
            accuracy: step.accuracy,
            val_loss: None,
            val_accuracy: None,
            learning_rate: f64::NAN,
            seconds: f64::NAN,
            images_per_second: step.images_per_second,
        }));
        curves(&self.name, &history)
    }

    fn show_curves(&mut self, step: Option<&StepRecord>) -> Result<()> {
        let figure = self.figure(step);
        self.curves.show(&[
            ("image/svg+xml", &figure.to_svg()?),
            ("text/plain", &figure.to_string()),
        ]);
        Ok(())
    }
}

impl Callback for Live {
    fn on_step_end(&mut self, _: &Model, step: &StepRecord) -> Result<ControlFlow<()>> {
        self.steps += 1;
        self.first_epoch = self.history.epochs.is_empty().then_some(*step);
        if self.bar.is_due(BAR) {
            self.show_bar(step);
        }
        if self.curves.is_due(CURVES) {
            self.show_curves(Some(step))?;
        }
        Ok(ControlFlow::Continue(()))
    }

    fn on_epoch_end(&mut self, _: &Model, record: &EpochRecord) -> Result<ControlFlow<()>> {
        self.history.epochs.push(record.clone());
        self.first_epoch = None;
        Ok(ControlFlow::Continue(()))
    }

    fn on_train_end(&mut self, _: &Model, ended: Ended) -> Result<()> {
        self.ended = true;
        self.conclude(&summary(&self.history, self.epochs_at_start, ended))
    }
}

/// An error, or a panic, ends training without a word to the callbacks.
impl Drop for Live {
    fn drop(&mut self) {
        if !self.ended {
            // A second error is of no interest.
            let _ = self.conclude("Ended by the error below.");
        }
    }
}

impl Live {
    /// Shows what stays in the notebook: a line or two, and the curves.
    fn conclude(&mut self, text: &str) -> Result<()> {
        let html = escape(text).replace('\n', "<br>");
        self.bar.show(&[("text/html", &html), ("text/plain", text)]);
        let figure = self.figure(self.first_epoch.as_ref());
        figure.show_by(|parts| self.curves.show(parts))
    }
}

#[cfg(test)]
mod tests {
    use super::{Callback, Live, StepRecord};
    use crate::config::FitConfig;
    use crate::model::{RunPlan, one_layer};

    #[test]
    fn epochs_without_end_have_a_bar() {
        let model = one_layer().build(1).expect("it fits");
        let plan = RunPlan {
            config: FitConfig::default().epochs(usize::MAX),
            epochs_before: 3,
        };
        let mut live = Live::new(&model, &plan);
        let step = StepRecord {
            epoch: 4,
            step: 1,
            steps: 100,
            loss: 1.0,
            accuracy: Some(0.5),
            images_per_second: 1.0,
        };
        let wanted = live.on_step_end(&model, &step);
        assert!(wanted.expect("it is shown").is_continue());
        live.show_bar(&step);
    }
}
