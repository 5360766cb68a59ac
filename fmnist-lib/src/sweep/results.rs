//! What came out of a sweep.

use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::files::write_csv;
use crate::history::History;
use crate::plot::{self, Figure};
use crate::table::{Table, distinct, escape, mean_and_deviation};
use crate::{Comparison, Evaluation, Result};

/// One trained and measured network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SweepRun {
    /// Name of the trial.
    pub trial: String,
    /// The seed it was run with.
    pub seed: u64,
    /// Values of all its network's weights.
    pub parameters: usize,
    /// Its training.
    pub history: History,
    /// Its trained network on the validation images; `None` where training diverged.
    pub validation: Option<Evaluation>,
    /// The same on the test images, where they were asked for.
    pub test: Option<Evaluation>,
    /// Where and how training diverged.
    pub diverged: Option<String>,
}

/// What came out of one training.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Measured {
    pub(super) run: SweepRun,
    /// The same network, measured with flips.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) flipped: Option<SweepRun>,
}

/// The runs of a [`Sweep`](crate::Sweep); its `Display` is a table with one line per trial, mean ±
/// standard deviation over the seeds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SweepResults {
    runs: Vec<SweepRun>,
}

impl SweepResults {
    pub(super) fn new(measured: impl IntoIterator<Item = Measured>) -> Self {
        let mut results = Self::default();
        measured.into_iter().for_each(|one| results.push(one));
        results
    }

    pub(super) fn push(&mut self, measured: Measured) {
        self.runs.push(measured.run);
        self.runs.extend(measured.flipped);
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

    /// For [`plot::accuracy_curves`](crate::plot::accuracy_curves) and
    /// [`plot::loss_curves`](crate::plot::loss_curves): name and history of each trial's first run.
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
        write_csv(path.as_ref(), self.runs.iter().map(Row::of))
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

    pub(crate) fn to_html(&self) -> String {
        self.table().map(escape).to_html()
    }
}

impl fmt::Display for SweepResults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.table().fmt(f)
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
}

impl<'a> Row<'a> {
    fn of(run: &'a SweepRun) -> Self {
        let (last, best) = (run.history.last(), run.history.best_epoch());
        let (validation, test) = (run.validation.as_ref(), run.test.as_ref());
        Self {
            trial: &run.trial,
            seed: run.seed,
            parameters: run.parameters,
            epochs: run.history.epochs.len(),
            loss: last.map(|last| last.loss),
            accuracy: last.map(|last| last.accuracy),
            val_loss: validation.map(|measured| measured.loss),
            val_accuracy: validation.map(|measured| measured.accuracy),
            test_loss: test.map(|measured| measured.loss),
            test_accuracy: test.map(|measured| measured.accuracy),
            lowest_val_loss: best.and_then(|best| best.val_loss),
            lowest_at_epoch: best.map(|best| best.epoch),
            seconds: run.history.seconds(),
            diverged: run.diverged.as_deref(),
        }
    }
}
