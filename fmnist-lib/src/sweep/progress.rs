//! Shows a sweep as it goes: live in a notebook, a bar on a terminal, a line per run elsewhere.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{HumanDuration, ProgressBar, ProgressStyle};

use super::results::{Measured, SweepResults};
use super::trial::Planned;
use crate::display::{Shown, is_live};
use crate::table::escape;
use crate::{Callback, Result, StepRecord};

/// Between two states of the bar.
const PAUSE: Duration = Duration::from_millis(250);

pub(super) struct SweepProgress {
    place: Place,
    started: Instant,
    done: SweepResults,
    runs_done: usize,
    runs: usize,
    /// Epochs to train, those of runs that are already done left out.
    epochs: usize,
    /// Of these, those of runs that have ended since.
    epochs_behind: usize,
    /// `3_layer, seed 2`, and its epochs.
    current: (String, usize),
}

enum Place {
    Notebook { bar: Shown, table: Shown },
    Terminal(ProgressBar),
    Lines,
}

impl SweepProgress {
    pub(super) fn new(planned: &[Planned<'_>]) -> Self {
        let place = if is_live() {
            Place::Notebook {
                bar: Shown::new(),
                table: Shown::new(),
            }
        } else if std::io::stderr().is_terminal() {
            let style = ProgressStyle::with_template("{msg} [{bar:30}]").expect("it is valid");
            let bar = ProgressBar::new(1000).with_style(style.progress_chars("=> "));
            Place::Terminal(bar)
        } else {
            Place::Lines
        };
        Self {
            place,
            started: Instant::now(),
            done: SweepResults::default(),
            runs_done: 0,
            runs: planned.len(),
            epochs: planned.iter().map(Planned::epochs).sum(),
            epochs_behind: 0,
            current: (String::new(), 0),
        }
    }

    /// A run needs not be done.
    pub(super) fn found(&mut self, planned: &Planned<'_>, measured: &Measured) {
        self.epochs -= planned.epochs();
        self.runs_done += 1;
        self.done.push(measured.clone());
    }

    pub(super) fn begin(&mut self, planned: &Planned<'_>) {
        let name = format!("{}, seed {}", planned.name(), planned.seed);
        self.current = (name, planned.epochs());
    }

    pub(super) fn finished(&mut self, measured: &Measured) {
        self.epochs_behind += self.current.1;
        self.runs_done += 1;
        self.done.push(measured.clone());
        let run = measured.flipped.as_ref().unwrap_or(&measured.run);
        let outcome = match (&run.validation, &run.diverged) {
            (Some(validation), None) => format!("validation {validation}"),
            (_, diverged) => {
                (diverged.clone()).unwrap_or_else(|| "its loss is not finite".to_owned())
            }
        };
        let line = format!(
            "{} ({} of {}): {outcome} - {:.0}s",
            self.current.0,
            self.runs_done,
            self.runs,
            run.history.seconds()
        );
        match &mut self.place {
            Place::Notebook { table, .. } => show_table(table, &self.done),
            Place::Terminal(bar) => bar.suspend(|| eprintln!("{line}")),
            Place::Lines => println!("{line}"),
        }
    }

    pub(super) fn waiting(&mut self, elsewhere: usize) {
        self.show(
            self.epochs_behind as f64,
            &format!("waiting for {elsewhere} runs of other processes"),
        );
    }

    /// Leaves the table of all runs, those found in the folder included.
    pub(super) fn conclude(&mut self, results: &SweepResults) {
        let text = format!("All {} runs are done.", self.runs);
        match &mut self.place {
            Place::Notebook { bar, table } => {
                bar.show(&[("text/plain", &text)]);
                show_table(table, results);
            }
            Place::Terminal(bar) => bar.finish_and_clear(),
            Place::Lines => {}
        }
    }

    /// `epochs` are behind.
    fn show(&mut self, epochs: f64, text: &str) {
        let part = epochs / (self.epochs as f64).max(1.0);
        let text = format!("{} of {} runs done · {text}", self.runs_done, self.runs);
        match &mut self.place {
            Place::Notebook { bar, .. } if bar.is_due(PAUSE) => {
                let html = format!(
                    "<progress value=\"{part:.4}\" style=\"width:16em\"></progress> {}",
                    escape(&text)
                );
                bar.show(&[("text/html", &html), ("text/plain", &text)]);
            }
            Place::Terminal(bar) => {
                bar.set_message(text);
                bar.set_position((1000.0 * part) as u64);
            }
            Place::Notebook { .. } | Place::Lines => {}
        }
    }
}

fn show_table(table: &mut Shown, results: &SweepResults) {
    table.show(&[
        ("text/html", &results.to_html()),
        ("text/plain", &results.to_string()),
    ]);
}

impl Callback for SweepProgress {
    fn on_step_end(&mut self, step: &StepRecord) -> Result<()> {
        let of_run = (step.epoch - 1) as f64 + step.step as f64 / step.steps as f64;
        let behind = self.epochs_behind as f64 + of_run;
        let left = (self.started.elapsed()).mul_f64((self.epochs as f64 / behind - 1.0).max(0.0));
        let text = format!(
            "{} · epoch {}/{} · loss {:.4} · {:#} left",
            self.current.0,
            step.epoch,
            self.current.1,
            step.loss,
            HumanDuration(left)
        );
        self.show(behind, &text);
        Ok(())
    }
}
