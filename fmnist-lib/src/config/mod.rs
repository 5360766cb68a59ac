//! How to train: every choice with Keras's or the report's default.

mod check;
mod schedule;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::data::Augmentation;
use crate::loss::{AnyLoss, CrossEntropy, Loss};
use crate::optim::{AnyOptimizer, Clip};
use crate::support::stored::{is_default, is_one, one};

pub use schedule::Schedule;

/// The settings of a [`fit`](crate::fit), by default the report's: 50 epochs, batches of 512, Adam at
/// 0.001.
///
/// ```
/// use fmnist_lib::{EarlyStopping, FitConfig};
///
/// let config = FitConfig::default().epochs(100).early_stopping(EarlyStopping::after(5));
/// assert_eq!(config.batch_size, 512);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[must_use = "a setting gives back the changed value"]
pub struct FitConfig {
    /// Epochs to train, on top of what the model has seen before. Default 50.
    pub epochs: usize,
    /// Images per step; the last batch of an epoch may be smaller. Default 512.
    pub batch_size: usize,
    /// Into how many parts a batch is cut. Gradients are computed shard by shard and added in a fixed order, so that
    /// several processes ([over MPI](crate::_several_processes)) can share a batch: the bits of the result depend
    /// on this number, and not on that of the processes, which must divide it. Default 1.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub shards: usize,
    /// What training makes small, and validation measures. Default: cross-entropy.
    #[serde(default, skip_serializing_if = "is_default")]
    pub loss: AnyLoss,
    /// How weights move along their gradients. Default: [`Adam`](crate::Adam).
    #[serde(default, skip_serializing_if = "is_default")]
    pub optimizer: AnyOptimizer,
    /// The learning rate at the start. Default 0.001.
    pub learning_rate: f64,
    /// How the learning rate changes over the epochs. Default: not at all.
    pub schedule: Schedule,
    /// Random changes of the training images. Default: none.
    #[serde(default)]
    pub augmentation: Augmentation,
    /// The part of the target, 0 to 1, that is shared evenly by all classes, as in Keras's
    /// `CategoricalCrossentropy(label_smoothing)` (Szegedy et al., 2016). Default 0.
    #[serde(default)]
    pub label_smoothing: f64,
    /// What an image of each class counts in the loss of training, label 0 first: Keras's
    /// `class_weight`. One of a rare class may count more:
    /// [`Dataset::balanced_weights`](crate::Dataset::balanced_weights). Default: all count 1.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub class_weight: Vec<f64>,
    /// The part of itself, times the learning rate, that a kernel loses in each step: `weight_decay` of
    /// Keras's `AdamW` (Loshchilov & Hutter, 2019). Biases and what batch normalisation learns keep
    /// their size. Default 0.
    #[serde(default)]
    pub weight_decay: f64,
    /// `keras.regularizers.L2` of all kernels: the loss gets this times the sum of their squares, which
    /// the recorded loss leaves out. PyTorch's `weight_decay` is twice this. Default 0.
    #[serde(default, skip_serializing_if = "is_default")]
    pub l2: f64,
    /// What is done to gradients that are too large. Default: nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clip: Option<Clip>,
    /// How much of the average of the weights is kept in each step, 0 to 1: Keras's `use_ema` with
    /// `ema_momentum`. The average is what is validated, what early stopping keeps, and what the
    /// model ends with. In early steps less is kept, `(1 + step) / (10 + step)`, as
    /// in TensorFlow's `ExponentialMovingAverage`. Default: no average.
    #[serde(default)]
    pub ema_momentum: Option<f64>,
    /// Decides the order of the images and what dropout drops. Default 0.
    pub seed: u64,
    /// Whether to stop when validation no longer improves. Default: no.
    pub early_stopping: Option<EarlyStopping>,
    /// A file that receives everything needed to go on, after each epoch, and the model that `fit`
    /// leaves, at the end. Its folder is made where there is none. Default: none.
    pub checkpoint: Option<PathBuf>,
    /// A file that receives the history as CSV, after each epoch. Its folder is made where there is
    /// none. Default: none.
    pub csv: Option<PathBuf>,
    /// What to show while training.
    pub verbose: Verbose,
}

impl Default for FitConfig {
    fn default() -> Self {
        Self {
            epochs: 50,
            batch_size: 512,
            shards: 1,
            loss: AnyLoss::default(),
            optimizer: AnyOptimizer::default(),
            learning_rate: 0.001,
            schedule: Schedule::Constant,
            augmentation: Augmentation::new(),
            label_smoothing: 0.0,
            class_weight: Vec::new(),
            weight_decay: 0.0,
            l2: 0.0,
            clip: None,
            ema_momentum: None,
            seed: 0,
            early_stopping: None,
            checkpoint: None,
            csv: None,
            verbose: Verbose::Auto,
        }
    }
}

impl FitConfig {
    /// Trains for `epochs`.
    pub fn epochs(self, epochs: usize) -> Self {
        Self { epochs, ..self }
    }

    /// Takes `batch_size` images a step.
    pub fn batch_size(self, batch_size: usize) -> Self {
        Self { batch_size, ..self }
    }

    /// Cuts each batch into `shards`.
    pub fn shards(self, shards: usize) -> Self {
        Self { shards, ..self }
    }

    /// Makes `loss` small in the place of cross-entropy: `loss(MeanSquaredError::new())`.
    pub fn loss(self, loss: impl Into<AnyLoss>) -> Self {
        Self {
            loss: loss.into(),
            ..self
        }
    }

    /// The loss of training, with what belongs to cross-entropy.
    pub(crate) fn training_loss(&self) -> Box<dyn Loss + '_> {
        match &self.loss {
            AnyLoss::CrossEntropy => Box::new(self.cross_entropy()),
            other => Box::new(other.as_loss()),
        }
    }

    pub(crate) fn cross_entropy(&self) -> CrossEntropy<'_> {
        CrossEntropy {
            label_smoothing: self.label_smoothing,
            class_weight: &self.class_weight,
        }
    }

    /// Moves weights by the rule of `optimizer`, at `learning_rate`:
    /// `optimizer(Sgd::new().momentum(0.9), 0.1)`.
    pub fn optimizer(self, optimizer: impl Into<AnyOptimizer>, learning_rate: f64) -> Self {
        Self {
            optimizer: optimizer.into(),
            learning_rate,
            ..self
        }
    }

    /// Adds `factor` times the squares of all kernels to what is minimised.
    pub fn l2(self, factor: f64) -> Self {
        Self { l2: factor, ..self }
    }

    /// Shortens the gradient of all weights together to `norm` where it is longer: Keras's
    /// `global_clipnorm`, PyTorch's `clip_grad_norm_`.
    pub fn clip_norm(self, norm: f64) -> Self {
        Self {
            clip: Some(Clip::Norm(norm)),
            ..self
        }
    }

    /// Brings each number of the gradient between `-value` and `value`: Keras's `clipvalue`.
    pub fn clip_value(self, value: f64) -> Self {
        Self {
            clip: Some(Clip::Value(value)),
            ..self
        }
    }

    /// Starts with `learning_rate`.
    pub fn learning_rate(self, learning_rate: f64) -> Self {
        Self {
            learning_rate,
            ..self
        }
    }

    /// Changes the learning rate by `schedule`.
    pub fn schedule(self, schedule: Schedule) -> Self {
        Self { schedule, ..self }
    }

    /// Changes the training images by `augmentation`.
    pub fn augmentation(self, augmentation: Augmentation) -> Self {
        Self {
            augmentation,
            ..self
        }
    }

    /// Shares this part of the target among all classes.
    pub fn label_smoothing(self, label_smoothing: f64) -> Self {
        Self {
            label_smoothing,
            ..self
        }
    }

    /// Lets an image of each class count so much in training.
    pub fn class_weight(self, weights: impl Into<Vec<f64>>) -> Self {
        let class_weight = weights.into();
        Self {
            class_weight,
            ..self
        }
    }

    /// Shrinks kernels by this part, times the learning rate, in each step (0.004 to 0.1 are usual).
    pub fn weight_decay(self, weight_decay: f64) -> Self {
        Self {
            weight_decay,
            ..self
        }
    }

    /// Averages the weights over the steps, keeping this part of the average in each (0.99 to 0.999
    /// are usual).
    pub fn ema_momentum(self, ema_momentum: f64) -> Self {
        Self {
            ema_momentum: Some(ema_momentum),
            ..self
        }
    }

    /// Draws everything random from `seed`.
    pub fn seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    /// Stops when validation no longer improves.
    pub fn early_stopping(self, early_stopping: EarlyStopping) -> Self {
        Self {
            early_stopping: Some(early_stopping),
            ..self
        }
    }

    /// Saves a checkpoint to `path` after each epoch and at the end; [`resume`](crate::resume) goes on
    /// from it.
    pub fn checkpoint(self, path: impl Into<PathBuf>) -> Self {
        Self {
            checkpoint: Some(path.into()),
            ..self
        }
    }

    /// Writes the history to `path` after each epoch.
    pub fn csv(self, path: impl Into<PathBuf>) -> Self {
        Self {
            csv: Some(path.into()),
            ..self
        }
    }

    /// Chooses what to show while training.
    pub fn verbose(self, verbose: Verbose) -> Self {
        Self { verbose, ..self }
    }
}

/// `keras.callbacks.EarlyStopping`: ends training when the validation loss no longer falls.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct EarlyStopping {
    /// Epochs without a new best before training stops.
    pub patience: usize,
    /// How much lower a validation loss must be to count as a new best. Default 0.
    pub min_delta: f32,
    /// Whether to go back to the weights of the best epoch at the end. Default: yes.
    pub restore_best: bool,
}

impl EarlyStopping {
    /// Stops after `patience` epochs without a new best, and restores the best weights.
    pub fn after(patience: usize) -> Self {
        Self {
            patience,
            min_delta: 0.0,
            restore_best: true,
        }
    }
}

/// What [`fit`](crate::fit) shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verbose {
    /// In a notebook that `notebooks/start.sh` serves, a progress bar and curves that move; on a
    /// terminal, a progress bar; elsewhere, one line per epoch.
    #[default]
    Auto,
    /// One line per epoch.
    Lines,
    /// Nothing.
    Silent,
}

/// Whether `FMNIST_QUICK=1` is set: notebooks, and the example `reproduce`, then train for few epochs, as their tests do.
pub fn quick() -> bool {
    std::env::var_os("FMNIST_QUICK").is_some_and(|value| value == "1")
}
