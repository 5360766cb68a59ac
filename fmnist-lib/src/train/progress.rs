//! Shows training as it goes: live in a notebook, a bar on a terminal, a line per epoch elsewhere.

use std::io::IsTerminal;
use std::ops::ControlFlow;
use std::time::Duration;

use indicatif::{HumanDuration, ProgressBar, ProgressStyle};

use super::callbacks::{Callback, StepRecord};
use super::live::Live;
use crate::config::Verbose;
use crate::display::is_live;
use crate::history::{EpochRecord, History};
use crate::model::RunPlan;
use crate::{Ended, Model, Result};

pub(super) fn choose(model: &Model, plan: &RunPlan) -> Box<dyn Callback> {
    let RunPlan {
        config,
        epochs_before,
    } = plan;
    let last_epoch = epochs_before + config.epochs;
    match config.verbose {
        Verbose::Auto if is_live() => Box::new(Live::new(model, plan)),
        Verbose::Auto if std::io::stderr().is_terminal() => Box::new(Bar {
            bar: ProgressBar::hidden(),
            last_epoch,
        }),
        Verbose::Auto | Verbose::Lines => Box::new(Lines { last_epoch }),
        Verbose::Silent => Box::new(Nothing),
    }
}

struct Nothing;

impl Callback for Nothing {}

struct Lines {
    last_epoch: usize,
}

impl Callback for Lines {
    fn on_epoch_end(&mut self, _: &Model, record: &EpochRecord) -> Result<ControlFlow<()>> {
        println!("{}", line(record, self.last_epoch));
        Ok(ControlFlow::Continue(()))
    }

    fn on_train_end(&mut self, _: &Model, ended: Ended) -> Result<()> {
        if ended != Ended::Completed {
            println!("{ended}");
        }
        Ok(())
    }
}

struct Bar {
    bar: ProgressBar,
    last_epoch: usize,
}

impl Callback for Bar {
    fn on_step_end(&mut self, record: &StepRecord) -> Result<()> {
        if record.step == 1 {
            let template = "Epoch {prefix} [{bar:30}] {pos}/{len} {msg} - {eta}";
            let style = ProgressStyle::with_template(template).expect("the template is valid");
            self.bar = ProgressBar::new(record.steps as u64)
                .with_style(style.progress_chars("=> "))
                .with_prefix(format!("{}/{}", record.epoch, self.last_epoch));
        }
        self.bar.set_message(format!(
            "loss: {:.4} - accuracy: {:.4} - {:.0} images/s",
            record.loss, record.accuracy, record.images_per_second
        ));
        self.bar.set_position(record.step as u64);
        Ok(())
    }

    fn on_epoch_end(&mut self, _: &Model, record: &EpochRecord) -> Result<ControlFlow<()>> {
        self.bar.finish_and_clear();
        // Where the bar was: standard output may be going to a file.
        eprintln!("{}", line(record, self.last_epoch));
        Ok(ControlFlow::Continue(()))
    }

    fn on_train_end(&mut self, _: &Model, ended: Ended) -> Result<()> {
        self.bar.finish_and_clear();
        if ended != Ended::Completed {
            eprintln!("{ended}");
        }
        Ok(())
    }
}

/// The line that Keras prints for an epoch with `verbose=2`.
fn line(record: &EpochRecord, last_epoch: usize) -> String {
    format!(
        "Epoch {}/{last_epoch} - {:.0}s - {:.0} images/s - {}",
        record.epoch,
        record.seconds,
        record.images_per_second,
        record.measures()
    )
}

/// A run in a few lines: why it ended, its last epoch, its best one. It began after `epochs_before`
/// epochs.
pub(super) fn summary(history: &History, epochs_before: usize, ended: Ended) -> String {
    let epochs = &history.epochs[epochs_before..];
    let seconds = epochs.iter().map(|record| record.seconds).sum();
    let mut text = format!("{ended}");
    if let Some(last) = epochs.last() {
        text += &format!(
            "\nEpoch {}: {}. {} epochs in {:#}.",
            last.epoch,
            last.measures(),
            epochs.len(),
            HumanDuration(Duration::from_secs_f64(seconds))
        );
    }
    if let Some(best) = history.best_epoch()
        && let Some(loss) = best.val_loss
    {
        text += &format!("\nLowest val_loss: {loss:.4}, after epoch {}.", best.epoch);
    }
    text
}
