//! What training recorded: one row per epoch.

use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::support::files::write_csv;
use crate::support::table::{Table, significant};

/// One epoch as Keras's `History` would report it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpochRecord {
    /// Counted from 1, over the whole life of the model.
    pub epoch: usize,
    /// Mean loss over the epoch's training batches, measured while training (with dropout).
    pub loss: f32,
    /// Fraction of training images classified correctly, measured while training, 0 to 1; `None` where the network
    /// does not classify.
    pub accuracy: Option<f32>,
    /// Loss on the validation images after the epoch; `None` without any.
    pub val_loss: Option<f32>,
    /// Accuracy on the validation images after the epoch, 0 to 1; `None` without any, or where the network does not
    /// classify.
    pub val_accuracy: Option<f32>,
    /// Learning rate of the epoch's last step.
    pub learning_rate: f64,
    /// Wall-clock seconds, validation included.
    pub seconds: f64,
    /// Training images per second, validation left out.
    pub images_per_second: f64,
}

impl EpochRecord {
    /// The measures in Keras's words.
    pub(crate) fn measures(&self) -> String {
        let measures = [
            ("loss", Some(self.loss)),
            ("accuracy", self.accuracy),
            ("val_loss", self.val_loss),
            ("val_accuracy", self.val_accuracy),
        ];
        measures_text(&measures)
    }
}

/// Those that there are, in Keras's words.
pub(crate) fn measures_text(measures: &[(&str, Option<f32>)]) -> String {
    let told = |&(name, value): &(&str, Option<f32>)| Some(format!("{name}: {:.4}", value?));
    let told: Vec<String> = measures.iter().filter_map(told).collect();
    told.join(" - ")
}

/// The steps of an epoch that are done.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct EpochSoFar {
    /// Training images of the whole epoch.
    pub(crate) images: usize,
    pub(crate) steps: usize,
    pub(crate) images_seen: usize,
    pub(crate) loss_sum: f64,
    /// Images classified correctly, by a network that classifies.
    pub(crate) correct: Option<usize>,
    pub(crate) seconds: f64,
}

impl EpochSoFar {
    pub(crate) fn new(images: usize, classifies: bool) -> Self {
        Self {
            images,
            steps: 0,
            images_seen: 0,
            loss_sum: 0.0,
            correct: classifies.then_some(0),
            seconds: 0.0,
        }
    }

    pub(crate) fn loss(&self) -> f32 {
        (self.loss_sum / self.images_seen as f64) as f32
    }

    pub(crate) fn accuracy(&self) -> Option<f32> {
        self.correct
            .map(|correct| correct as f32 / self.images_seen as f32)
    }

    pub(crate) fn images_per_second(&self) -> f64 {
        self.images_seen as f64 / self.seconds
    }
}

/// The epochs of a training run, in order.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct History {
    /// One record per epoch.
    pub epochs: Vec<EpochRecord>,
}

impl History {
    /// The epoch with the lowest validation loss: where early stopping would have gone back to.
    /// `None` without validation data.
    pub fn best_epoch(&self) -> Option<&EpochRecord> {
        self.epochs
            .iter()
            .filter(|record| record.val_loss.is_some_and(|loss| !loss.is_nan()))
            .min_by(|a, b| {
                a.val_loss
                    .partial_cmp(&b.val_loss)
                    .expect("NaN was left out")
            })
    }

    /// The last epoch; `None` before the first has ended.
    pub fn last(&self) -> Option<&EpochRecord> {
        self.epochs.last()
    }

    /// Wall-clock seconds of all epochs together.
    pub fn seconds(&self) -> f64 {
        self.epochs.iter().map(|record| record.seconds).sum()
    }

    pub(crate) fn table(&self) -> Table {
        let measure =
            |value: Option<f32>| value.map_or("–".to_owned(), |value| format!("{value:.4}"));
        let rows = self.epochs.iter().map(|record| {
            [
                record.epoch.to_string(),
                measure(Some(record.loss)),
                measure(record.accuracy),
                measure(record.val_loss),
                measure(record.val_accuracy),
                significant(record.learning_rate),
                format!("{:.1}", record.seconds),
            ]
        });
        let header = [
            "epoch",
            "loss",
            "accuracy",
            "val_loss",
            "val_accuracy",
            "learning rate",
            "seconds",
        ];
        Table::new(header, rows.collect())
    }

    /// Writes one row per epoch, with the names of [`EpochRecord`]'s fields as header.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save_csv(&self, path: impl AsRef<Path>) -> Result<()> {
        self.write_rows(path.as_ref())
    }

    fn write_rows(&self, path: &Path) -> Result<()> {
        write_csv(path, self.epochs.iter())
    }
}

/// A table with one row per epoch.
impl fmt::Display for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.table().fmt(f)
    }
}

/// Why a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ended {
    /// All epochs are done.
    Completed,
    /// Early stopping saw no improvement.
    StoppedEarly,
    /// A callback asked for it.
    ByCallback,
    /// The interrupt signal: Ctrl-C, or the notebook's Stop button.
    ///
    /// The model keeps what it has learned, from the batches of an unfinished epoch as well; that
    /// epoch is not in the history. The best weights and the average are not put in place yet.
    /// [`finish`](crate::finish) trains the rest of the run, as if nobody had stopped it.
    Interrupted,
}

/// In a sentence, for those who watch.
impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Completed => "All epochs are done.",
            Self::StoppedEarly => "Stopped early: validation no longer improves.",
            Self::ByCallback => "Stopped by a callback.",
            Self::Interrupted => {
                "Interrupted: the model keeps what it has learned. `finish` trains the rest of this \
                 run; `fit` begins a new run of `config.epochs` more."
            }
        })
    }
}
