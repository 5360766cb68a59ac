//! The report's results, and ours beside them.

use std::fmt;

use crate::evaluate::Evaluation;
use crate::history::History;
use crate::support::table::{distinct, mean_and_deviation};

/// What the report says of one of its networks, after 50 epochs. Accuracies are fractions, 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reported {
    /// Name of the network.
    pub model: &'static str,
    /// Cross-entropy on the 10,000 test images.
    pub test_loss: f64,
    /// Accuracy on them.
    pub test_accuracy: f64,
    /// Seconds per epoch on the author's machine.
    pub seconds_per_epoch: f64,
    /// Lowest validation loss.
    pub best_val_loss: f64,
    /// The epoch that had it.
    pub best_epoch: usize,
    /// Validation accuracy of the last epoch.
    pub val_accuracy: f64,
    /// Training accuracy of the last epoch.
    pub accuracy: f64,
}

/// The report's table.
pub const REPORTED: [Reported; 3] = [
    Reported {
        model: "1_Layer",
        test_loss: 0.2559,
        test_accuracy: 0.9137,
        seconds_per_epoch: 21.0,
        best_val_loss: 0.226,
        best_epoch: 41,
        val_accuracy: 0.926,
        accuracy: 0.947,
    },
    Reported {
        model: "2_Layer",
        test_loss: 0.2795,
        test_accuracy: 0.9205,
        seconds_per_epoch: 41.0,
        best_val_loss: 0.209,
        best_epoch: 28,
        val_accuracy: 0.928,
        accuracy: 0.969,
    },
    Reported {
        model: "3_layer",
        test_loss: 0.2927,
        test_accuracy: 0.9197,
        seconds_per_epoch: 83.0,
        best_val_loss: 0.220,
        best_epoch: 23,
        val_accuracy: 0.932,
        accuracy: 0.942,
    },
];

/// One trained and tested network.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// Its name; runs of the same name count as repetitions.
    pub model: String,
    /// Its training.
    pub history: History,
    /// Its test.
    pub test: Evaluation,
}

/// Outcomes beside the report's figures; its `Display` is a Markdown table.
///
/// Where a network was trained more than once, figures are mean ± standard deviation.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Comparison {
    outcomes: Vec<Outcome>,
}

impl Comparison {
    /// An empty comparison.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the outcome of one training run.
    pub fn add(&mut self, model: &str, history: &History, test: &Evaluation) {
        let (model, history, test) = (model.to_owned(), history.clone(), test.clone());
        self.outcomes.push(Outcome {
            model,
            history,
            test,
        });
    }

    /// What was added, in order.
    pub fn outcomes(&self) -> &[Outcome] {
        &self.outcomes
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "| Model | | Test loss | Test accuracy | s/epoch | Lowest val loss | at epoch | Last val accuracy | Last train accuracy |"
        )?;
        write!(f, "|---|---|---|---|---|---|---|---|---|")?;
        for name in distinct(self.outcomes.iter().map(|outcome| outcome.model.as_str())) {
            if let Some(r) = REPORTED.iter().find(|reported| reported.model == name) {
                write!(
                    f,
                    "\n| {name} | report | {:.4} | {:.4} | {:.0} | {:.3} | {} | {:.3} | {:.3} |",
                    r.test_loss,
                    r.test_accuracy,
                    r.seconds_per_epoch,
                    r.best_val_loss,
                    r.best_epoch,
                    r.val_accuracy,
                    r.accuracy
                )?;
            }
            let runs: Vec<&Outcome> = self.outcomes.iter().filter(|o| o.model == name).collect();
            let cell = |digits, figure: fn(&Outcome) -> Option<f64>| {
                mean_and_deviation(runs.iter().filter_map(|run| figure(run)).collect(), digits)
            };
            write!(
                f,
                "\n| {name} | ours | {} | {} | {} | {} | {} | {} | {} |",
                cell(4, |o| Some(o.test.loss.into())),
                cell(4, |o| Some(o.test.accuracy.into())),
                cell(1, |o| Some(
                    o.history.seconds() / o.history.epochs.len() as f64
                )),
                cell(3, |o| o.history.best_epoch()?.val_loss.map(f64::from)),
                cell(0, |o| Some(o.history.best_epoch()?.epoch as f64)),
                cell(3, |o| o.history.last()?.val_accuracy.map(f64::from)),
                cell(3, |o| o.history.last()?.accuracy.map(f64::from)),
            )?;
        }
        Ok(())
    }
}
