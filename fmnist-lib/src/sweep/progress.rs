//! Shows a sweep as it goes: live in a notebook, a bar on a terminal, a line per run elsewhere.

use std::fmt::Display;
use std::io::{IsTerminal, Write};
use std::ops::ControlFlow;
use std::path::Path;
use std::time::{Duration, Instant};

use indicatif::{HumanDuration, ProgressBar, ProgressStyle};

use super::kind::Kind;
use super::planned::Planned;
use super::stage::Stage;
use super::sweep_run::SweepRun;
use crate::config::Verbose;
use crate::error::Result;
use crate::history::measures_text;
use crate::model::Model;
use crate::support::display::{Shown, is_live};
use crate::support::table::escape;
use crate::train::{Callback, StepRecord};

/// Results that show themselves as a table, in text and in HTML.
pub(crate) trait Shows: Display {
    fn to_html(&self) -> String;
}

/// Between two states of the bar.
const PAUSE: Duration = Duration::from_millis(250);

pub(super) struct SweepProgress {
    place: Place,
    started: Instant,
    kind: Kind,
    runs_done: usize,
    runs: usize,
    /// Epochs to train, those of runs that are already done left out.
    epochs: usize,
    /// Of these, those of runs that have ended since.
    epochs_behind: usize,
    /// `3_layer, seed 2`, and which of its epochs are trained.
    current: (String, Stage),
    /// Epochs that its checkpoint had: none, where it was lost.
    trained: usize,
    /// Trials without a key of which the user has been told.
    told: Vec<String>,
}

enum Place {
    Notebook { bar: Shown, table: Shown },
    Terminal(ProgressBar),
    Lines,
    Nowhere,
}

impl SweepProgress {
    /// Shows what the most talkative of the trials asks for, of so many runs and their epochs.
    pub(super) fn new(planned: &[Planned<'_>], (runs, kind): (usize, Kind), epochs: usize) -> Self {
        let asked = |verbose| (planned.iter()).any(|one| one.trial.config.verbose == verbose);
        let place = if !asked(Verbose::Auto) && !asked(Verbose::Lines) {
            Place::Nowhere
        } else if !asked(Verbose::Auto) {
            Place::Lines
        } else if is_live() {
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
            kind,
            runs_done: 0,
            runs,
            epochs,
            epochs_behind: 0,
            current: (String::new(), Stage { from: 0, to: 0 }),
            trained: 0,
            told: Vec::new(),
        }
    }

    /// A run needs not be done.
    pub(super) fn found(&mut self, stage: Stage) {
        self.epochs -= stage.epochs();
        self.runs_done += 1;
    }

    /// Says how many runs need not be done. A notebook whose runs are all there shows their table anyway.
    pub(super) fn tell_found(&self, folder: &Path) {
        let (found, all) = (self.runs_done, self.runs);
        if found == 0 || (found == all && matches!(self.place, Place::Notebook { .. })) {
            return;
        }
        let were = if found == 1 { "was" } else { "were" };
        let rest = match all - found {
            0 => "nothing is to be trained",
            _ => "the others are trained",
        };
        let of = self.kind.counted(all);
        self.say(&format!(
            "{found} of {of} {were} found in {}; {rest}.",
            folder.display()
        ));
    }

    /// The kept network of a run is measured once more.
    pub(super) fn measuring(&mut self, planned: &Planned<'_>, stage: Stage, missing: &str) {
        self.epochs -= stage.epochs();
        self.current = (planned.name(), Stage { from: 0, to: 0 });
        self.tell(
            planned,
            &format!("measuring {missing} on the network that was kept"),
        );
    }

    /// A run is trained although its result lies in the folder: `missing` was not measured, or it is
    /// the network itself that is wanted.
    pub(super) fn again(&mut self, planned: &Planned<'_>, missing: Option<&str>) {
        let but = missing.map_or(String::new(), |missing| format!(" without {missing}"));
        self.tell(
            planned,
            &format!(
                "its result is there{but}, but its network was not kept, so it is trained again \
                 (keep_models keeps the networks)"
            ),
        );
    }

    /// A run is trained that has so many epochs.
    pub(super) fn begin(&mut self, planned: &Planned<'_>, stage: Stage, trained: usize) {
        self.current = (planned.name(), stage);
        self.trained = trained;
        let trial = &planned.trial.name;
        if let Some(own) = &planned.without_key
            && !self.told.contains(trial)
        {
            self.told.push(trial.clone());
            self.tell(
                planned,
                &format!(
                    "{own} is your own and has no key, so that nobody can say whether its code is \
                     still that of an earlier result: all runs of this trial are trained. Give it a \
                     key (fn key), and its results are found again"
                ),
            );
        }
    }

    /// A run is done; `all` are those so far, where they have a table.
    pub(super) fn finished(
        &mut self,
        planned: &Planned<'_>,
        runs: &[SweepRun],
        all: Option<&dyn Shows>,
    ) {
        self.epochs_behind += self.current.1.epochs();
        self.runs_done += 1;
        let Some(run) = runs.last() else { return };
        let outcome = match (&run.validation, &run.diverged, run.history.last()) {
            (_, Some(diverged), _) => diverged.clone(),
            (Some(validation), ..) => format!("validation {validation}"),
            (None, None, Some(last)) if last.epoch < planned.epochs() => {
                let measures = [("loss", last.val_loss), ("accuracy", last.val_accuracy)];
                format!(
                    "epoch {}, validation {}",
                    last.epoch,
                    measures_text(&measures)
                )
            }
            _ => "its loss is not finite".to_owned(),
        };
        if let (Place::Notebook { table, .. }, Some(all)) = (&mut self.place, all) {
            show_table(table, all);
        } else if !planned.is_silent() {
            self.say(&format!(
                "{} ({}): {outcome} - {:.0}s",
                self.current.0,
                self.kind.number(self.runs_done, self.runs),
                run.history.seconds()
            ));
        }
    }

    fn tell(&self, planned: &Planned<'_>, text: &str) {
        if !planned.is_silent() {
            self.say(&format!("{}: {text}.", planned.name()));
        }
    }

    /// A reader who has gone away is no reason to end a training.
    fn say(&self, line: &str) {
        match &self.place {
            Place::Terminal(bar) => bar.suspend(|| {
                let _ = writeln!(std::io::stderr(), "{line}");
            }),
            Place::Lines | Place::Notebook { .. } => {
                let _ = writeln!(std::io::stdout(), "{line}");
            }
            Place::Nowhere => {}
        }
    }

    pub(super) fn waiting(&mut self, elsewhere: usize) {
        self.show(
            self.epochs_behind as f64,
            &match elsewhere {
                1 => "waiting for 1 run of another process".to_owned(),
                _ => format!("waiting for {elsewhere} runs of other processes"),
            },
        );
    }

    /// Leaves the table of all runs, those found in the folder included.
    pub(super) fn conclude(&mut self, results: &dyn Shows) {
        let text = match self.runs_done {
            1 => "The run is done.".to_owned(),
            runs => format!("All {} are done.", self.kind.counted(runs)),
        };
        match &mut self.place {
            Place::Notebook { bar, table } => {
                bar.show(&[("text/plain", &text)]);
                show_table(table, results);
            }
            Place::Terminal(bar) => bar.finish_and_clear(),
            Place::Lines | Place::Nowhere => {}
        }
    }

    /// `epochs` have been trained.
    fn show(&mut self, epochs: f64, text: &str) {
        let part = epochs / (self.epochs as f64).max(1.0);
        let of = self.kind.counted(self.runs);
        let text = format!("{} of {of} done · {text}", self.runs_done);
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
            Place::Notebook { .. } | Place::Lines | Place::Nowhere => {}
        }
    }
}

fn show_table(table: &mut Shown, results: &dyn Shows) {
    table.show(&[
        ("text/html", &results.to_html()),
        ("text/plain", &results.to_string()),
    ]);
}

impl Callback for SweepProgress {
    fn on_step_end(&mut self, _: &Model, step: &StepRecord) -> Result<ControlFlow<()>> {
        let of_run = (step.epoch - 1) as f64 + step.step as f64 / step.steps as f64;
        let (stage, trained) = (self.current.1, self.trained as f64);
        let share = (of_run - trained) / (stage.to as f64 - trained);
        let behind = self.epochs_behind as f64 + share * stage.epochs() as f64;
        let left = (self.started.elapsed()).mul_f64((self.epochs as f64 / behind - 1.0).max(0.0));
        let text = format!(
            "{} · epoch {}/{} · loss {:.4} · {:#} left",
            self.current.0,
            step.epoch,
            stage.to,
            step.loss,
            HumanDuration(left)
        );
        self.show(behind, &text);
        Ok(ControlFlow::Continue(()))
    }
}
