//! Shows training as it goes: live in a notebook, a bar on a terminal, a line per epoch elsewhere.

use std::io::{IsTerminal, Write, stderr, stdout};
use std::ops::ControlFlow;
use std::time::Duration;

use indicatif::{HumanDuration, ProgressBar, ProgressStyle};

use super::callbacks::{Callback, StepRecord};
use super::live::Live;
use crate::config::Verbose;
use crate::error::Result;
use crate::history::{Ended, EpochRecord, History, measures_text};
use crate::model::{Model, RunPlan};
use crate::support::display::is_live;
use crate::support::table::counted;

pub(super) fn choose(model: &Model, plan: &RunPlan) -> Box<dyn Callback> {
    let last_epoch = plan.last_epoch();
    match plan.config.verbose {
        Verbose::Auto if is_live() => Box::new(Live::new(model, plan)),
        Verbose::Auto if std::io::stderr().is_terminal() => Box::new(Bar {
            bar: ProgressBar::hidden(),
            epoch: 0,
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
        tell(&mut stdout(), &line(record, self.last_epoch));
        Ok(ControlFlow::Continue(()))
    }

    fn on_train_end(&mut self, _: &Model, ended: Ended) -> Result<()> {
        if ended != Ended::Completed {
            tell(&mut stdout(), &ended.to_string());
        }
        Ok(())
    }
}

struct Bar {
    bar: ProgressBar,
    /// Which one the bar is of.
    epoch: usize,
    last_epoch: usize,
}

impl Callback for Bar {
    fn on_step_end(&mut self, _: &Model, record: &StepRecord) -> Result<ControlFlow<()>> {
        if record.epoch != self.epoch {
            self.epoch = record.epoch;
            let template = "Epoch {prefix} [{bar:30}] {pos}/{len} {msg} - {eta}";
            let style = ProgressStyle::with_template(template).expect("the template is valid");
            self.bar = ProgressBar::new(record.steps as u64)
                .with_style(style.progress_chars("=> "))
                .with_prefix(format!("{}/{}", record.epoch, self.last_epoch));
        }
        self.bar.set_message(format!(
            "{} - {:.0} images/s",
            measures_text(&[("loss", Some(record.loss)), ("accuracy", record.accuracy)]),
            record.images_per_second
        ));
        self.bar.set_position(record.step as u64);
        Ok(ControlFlow::Continue(()))
    }

    fn on_epoch_end(&mut self, _: &Model, record: &EpochRecord) -> Result<ControlFlow<()>> {
        self.bar.finish_and_clear();
        // Where the bar was: standard output may be going to a file.
        tell(&mut stderr(), &line(record, self.last_epoch));
        Ok(ControlFlow::Continue(()))
    }

    fn on_train_end(&mut self, _: &Model, ended: Ended) -> Result<()> {
        self.bar.finish_and_clear();
        if ended != Ended::Completed {
            tell(&mut stderr(), &ended.to_string());
        }
        Ok(())
    }
}

/// A reader who has gone away, as `head` does, is no reason to end the training.
fn tell(to: &mut impl Write, line: &str) {
    let _ = writeln!(to, "{line}");
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
            "\nEpoch {}: {}. {} in {:#}.",
            last.epoch,
            last.measures(),
            counted(epochs.len(), "epoch"),
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

#[cfg(test)]
mod tests {
    use super::summary;
    use crate::history::{Ended, EpochRecord, History};

    #[test]
    fn one_epoch_is_told_in_the_singular() {
        let record = |epoch| EpochRecord {
            epoch,
            loss: 0.5,
            accuracy: Some(0.8),
            val_loss: None,
            val_accuracy: None,
            learning_rate: 0.001,
            seconds: 1.0,
            images_per_second: 1.0,
        };
        let history = History {
            epochs: vec![record(1), record(2), record(3)],
        };
        let told = |epochs_before| summary(&history, epochs_before, Ended::Completed);
        assert!(told(2).contains(". 1 epoch in "), "{}", told(2));
        assert!(told(1).contains(". 2 epochs in "), "{}", told(1));
    }
}
