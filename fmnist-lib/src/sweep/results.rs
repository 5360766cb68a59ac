//! What came out of a sweep.

use std::fmt;
use std::path::Path;

use serde::Serialize;

use super::progress::Shows;
use super::sweep_run::{SweepRun, origins};
use crate::error::Result;
use crate::history::History;
use crate::plot::{self, Figure};
use crate::report::Comparison;
use crate::support::files::write_csv;
use crate::support::table::{Table, distinct, escape, mean_and_deviation};

/// The runs of a [`Sweep`](crate::Sweep); its `Display` is a table with one line per trial, mean ±
/// standard deviation over the seeds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SweepResults {
    runs: Vec<SweepRun>,
}

impl SweepResults {
    pub(super) fn extend(&mut self, runs: &[SweepRun]) {
        self.runs.extend_from_slice(runs);
    }

    /// All runs, seed by seed, in the order of the trials.
    pub fn runs(&self) -> &[SweepRun] {
        &self.runs
    }

    /// Names of the trials, in order.
    pub fn trials(&self) -> Vec<&str> {
        distinct(self.runs.iter().map(|run| run.trial.as_str()))
    }

    /// The runs of one trial, seed by seed.
    pub fn of(&self, trial: &str) -> Vec<&SweepRun> {
        let of_trial = self.runs.iter().filter(|run| run.trial == trial);
        of_trial.collect()
    }

    /// For [`plot::accuracy_curves`] and
    /// [`plot::loss_curves`]: name and history of each trial's first run.
    pub fn histories(&self) -> Vec<(&str, &History)> {
        let first = |trial| self.runs.iter().find(|run| run.trial == trial);
        let first = self.trials().into_iter().filter_map(first);
        first
            .map(|run| (run.trial.as_str(), &run.history))
            .collect()
    }

    fn tested(&self) -> bool {
        self.runs.iter().any(|run| run.test.is_some())
    }

    /// Accuracies of one trial in percent, seed by seed: on the test images, where any run was tested,
    /// or else on the validation images. NaN where training diverged.
    pub fn accuracies(&self, trial: &str) -> Vec<f64> {
        let tested = self.tested();
        let accuracy = |run: &SweepRun| {
            let measured = if tested { &run.test } else { &run.validation };
            measured
                .as_ref()
                .map_or(f64::NAN, |measured| 100.0 * f64::from(measured.accuracy))
        };
        self.of(trial).into_iter().map(accuracy).collect()
    }

    /// A figure of each trial's [`accuracies`](Self::accuracies): [`plot::strips`].
    pub fn accuracy(&self) -> Figure {
        let of = if self.tested() { "test" } else { "validation" };
        let accuracies = |trial| (trial, self.accuracies(trial));
        let series: Vec<_> = self.trials().into_iter().map(accuracies).collect();
        plot::strips(&format!("{of} accuracy (%)"), &series)
    }

    /// The report's table, for trials that bear the names of its networks and were tested.
    pub fn comparison(&self) -> Comparison {
        let mut comparison = Comparison::new();
        for run in &self.runs {
            if let Some(test) = &run.test {
                comparison.add(&run.trial, &run.history, test);
            }
        }
        comparison
    }

    /// Writes one row per run.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save_csv(&self, path: impl AsRef<Path>) -> Result<()> {
        self.write_rows(path.as_ref())
    }

    fn write_rows(&self, path: &Path) -> Result<()> {
        write_csv(path, self.runs.iter().map(Row::of))
    }

    fn table(&self) -> Table {
        let tested = self.tested();
        let mut header = vec!["", "runs", "parameters", "val loss", "val accuracy"];
        if tested {
            header.extend(["test loss", "test accuracy"]);
        }
        header.extend(["epochs", "seconds"]);
        let row = |trial: &str| {
            let runs = self.of(trial);
            let cell = |digits, figure: &dyn Fn(&SweepRun) -> Option<f64>| {
                mean_and_deviation(runs.iter().filter_map(|run| figure(run)).collect(), digits)
            };
            let diverged = runs.iter().filter(|run| run.validation.is_none()).count();
            let name = match diverged {
                0 => trial.to_owned(),
                _ => format!("{trial} ({diverged} diverged)"),
            };
            let mut row = vec![
                name,
                runs.len().to_string(),
                crate::model::thousands(runs[0].parameters),
                cell(4, &|run| Some(run.validation.as_ref()?.loss.into())),
                cell(4, &|run| Some(run.validation.as_ref()?.accuracy.into())),
            ];
            if tested {
                row.push(cell(4, &|run| Some(run.test.as_ref()?.loss.into())));
                row.push(cell(4, &|run| Some(run.test.as_ref()?.accuracy.into())));
            }
            row.push(cell(0, &|run| Some(run.history.epochs.len() as f64)));
            row.push(cell(0, &|run| Some(run.history.seconds())));
            row
        };
        let header = header.into_iter().map(str::to_owned).collect();
        Table::of(header, self.trials().into_iter().map(row).collect())
    }

    fn origins(&self) -> String {
        origins(&self.runs)
    }
}

impl Shows for SweepResults {
    fn to_html(&self) -> String {
        let origins = escape(&self.origins()).replace('\n', "<br>");
        let table = self.table().map(escape).to_html();
        format!("{table}<p><small>{origins}</small></p>")
    }
}

impl fmt::Display for SweepResults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.table().fmt(f)?;
        match self.runs.is_empty() {
            true => Ok(()),
            false => write!(f, "\n{}", self.origins()),
        }
    }
}

#[derive(Serialize)]
struct Row<'a> {
    trial: &'a str,
    seed: u64,
    parameters: usize,
    epochs: usize,
    loss: Option<f32>,
    accuracy: Option<f32>,
    val_loss: Option<f32>,
    val_accuracy: Option<f32>,
    test_loss: Option<f32>,
    test_accuracy: Option<f32>,
    lowest_val_loss: Option<f32>,
    lowest_at_epoch: Option<usize>,
    seconds: f64,
    diverged: Option<&'a str>,
    library: Option<&'a str>,
    cpu: Option<&'a str>,
    instruction_set: Option<&'a str>,
    threads: Option<usize>,
    system: Option<&'a str>,
    ended: Option<&'a str>,
    note: Option<&'a str>,
}

impl<'a> Row<'a> {
    fn of(run: &'a SweepRun) -> Self {
        let (last, best) = (run.history.last(), run.history.best_epoch());
        let (validation, test) = (run.validation.as_ref(), run.test.as_ref());
        let origin = &run.origin;
        Self {
            trial: &run.trial,
            seed: run.seed,
            parameters: run.parameters,
            epochs: run.history.epochs.len(),
            loss: last.map(|last| last.loss),
            accuracy: last.and_then(|last| last.accuracy),
            val_loss: validation.map(|measured| measured.loss),
            val_accuracy: validation.map(|measured| measured.accuracy),
            test_loss: test.map(|measured| measured.loss),
            test_accuracy: test.map(|measured| measured.accuracy),
            lowest_val_loss: best.and_then(|best| best.val_loss),
            lowest_at_epoch: best.map(|best| best.epoch),
            seconds: run.history.seconds(),
            diverged: run.diverged.as_deref(),
            library: origin.library.as_deref(),
            cpu: origin.cpu.as_deref(),
            instruction_set: origin.instruction_set.as_deref(),
            threads: origin.threads,
            system: origin.system.as_deref(),
            ended: origin.ended.as_deref(),
            note: origin.note.as_deref(),
        }
    }
}
