//! Shows training as it goes: a bar on a terminal, a line per epoch elsewhere.

use std::io::IsTerminal;
use std::ops::ControlFlow;

use indicatif::{ProgressBar, ProgressStyle};

use super::callbacks::{Callback, StepRecord};
use crate::config::{FitConfig, Verbose};
use crate::history::EpochRecord;
use crate::{Model, Result};

pub(super) fn choose(config: &FitConfig, last_epoch: usize) -> Box<dyn Callback> {
    match config.verbose {
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
}

/// The line that Keras prints for an epoch with `verbose=2`.
fn line(record: &EpochRecord, last_epoch: usize) -> String {
    let mut line = format!(
        "Epoch {}/{last_epoch} - {:.0}s - {:.0} images/s - loss: {:.4} - accuracy: {:.4}",
        record.epoch, record.seconds, record.images_per_second, record.loss, record.accuracy
    );
    if let (Some(loss), Some(accuracy)) = (record.val_loss, record.val_accuracy) {
        line += &format!(" - val_loss: {loss:.4} - val_accuracy: {accuracy:.4}");
    }
    line
}
