//! A run as TensorBoard shows it.

mod proto;
mod summary;
mod writer;

use std::ops::ControlFlow;
use std::path::Path;

use candle_core::{DType, Tensor};

use self::proto::Value;
use self::summary::{histogram, image, scalar};
use self::writer::EventWriter;
use super::Callback;
use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::evaluate::{Predictions, predict};
use crate::history::{Ended, EpochRecord};
use crate::model::Model;
use crate::plot;

/// Of all mistakes, those that are shown: five rows.
const MISTAKES: usize = 40;

/// Writes event files for TensorBoard, as `keras.callbacks.TensorBoard` does and with its names: `tensorboard --logdir
/// logs` shows them while the model trains, beside those of Keras.
///
/// Each model has a folder, here `logs/one-layer`. After each epoch, the folder `train` in it gets `epoch_loss`,
/// `epoch_accuracy` and `epoch_learning_rate`, and the folder `validation` gets `epoch_loss` and `epoch_accuracy`, as far
/// as they are in the [`EpochRecord`]. A step of TensorBoard is an epoch, counted from 1 as in the history (Keras counts
/// from 0).
///
/// ```no_run
/// # use fmnist_lib::*;
/// # let data = FashionMnist::load()?;
/// # let (train, validation) = Split::new(0.8, 42).apply(&data.train)?;
/// let mut board = TensorBoard::new("logs/one-layer").histogram_freq(1).mistakes(&validation);
/// let mut model = one_layer().build(42)?;
/// fit_with(&mut model, &train, &validation, FitConfig::default(), &mut [&mut board])?;
/// # Ok::<(), Error>(())
/// ```
///
/// [`finish_with`](crate::finish_with) goes on in the same folder, with this value or a new one for the same folder:
/// TensorBoard shows one curve. Another model in the same folder makes a curve that begins anew.
///
/// Training ends with [`Error::Io`] where a file cannot be written, and before the first step where the folder cannot be.
#[derive(Debug)]
#[must_use = "fit_with takes it as a callback"]
pub struct TensorBoard {
    train: EventWriter,
    validation: EventWriter,
    histogram_freq: usize,
    mistakes_on: Option<Dataset>,
}

impl TensorBoard {
    /// For the folder `log_dir`, which is made where there is none, as are those above it.
    pub fn new(log_dir: impl AsRef<Path>) -> Self {
        Self::of(log_dir.as_ref())
    }

    fn of(log_dir: &Path) -> Self {
        Self {
            train: EventWriter::new(log_dir.join("train")),
            validation: EventWriter::new(log_dir.join("validation")),
            histogram_freq: 0,
            mistakes_on: None,
        }
    }

    /// Writes a histogram of each weight after the first epoch of the model, and then every so many epochs, to the folder
    /// `train`: `conv-1/kernel/histogram`. 0, the default, writes none.
    pub fn histogram_freq(mut self, epochs: usize) -> Self {
        self.histogram_freq = epochs;
        self
    }

    /// Writes an image of the mistakes on `validation`, which is copied, when training has ended, to the folder
    /// `validation`: `mistakes`. It shows the 40 of which the model is surest, as [`plot::predictions`]. Where the run was
    /// stopped by the interrupt signal, or nothing is mistaken, there is none.
    ///
    /// A network that does not classify these images is refused before the first step.
    pub fn mistakes(mut self, validation: &Dataset) -> Self {
        self.mistakes_on = Some(validation.clone());
        self
    }
}

impl Callback for TensorBoard {
    fn on_train_begin(&mut self, model: &Model) -> Result<()> {
        if let Some(dataset) = &self.mistakes_on {
            // What would refuse all of them refuses the first one, now.
            predict(model, &dataset.take(1))
                .map_err(|error| error.about("the images for TensorBoard's mistakes"))?;
        }
        // Somebody else may have written into the folders since the run before.
        self.validation.close();
        self.train.close();
        self.train.write(0, Vec::new())
    }

    fn on_epoch_end(&mut self, model: &Model, record: &EpochRecord) -> Result<ControlFlow<()>> {
        let mut of_training = scalars(&[
            ("epoch_loss", Some(record.loss)),
            ("epoch_accuracy", record.accuracy),
            ("epoch_learning_rate", Some(record.learning_rate as f32)),
        ]);
        if self.histogram_freq > 0 && (record.epoch - 1).is_multiple_of(self.histogram_freq) {
            of_training.extend(histograms(model)?);
        }
        self.train.write(record.epoch, of_training)?;
        let of_validation = scalars(&[
            ("epoch_loss", record.val_loss),
            ("epoch_accuracy", record.val_accuracy),
        ]);
        // A folder without any events would be a run without curves.
        if !of_validation.is_empty() {
            self.validation.write(record.epoch, of_validation)?;
        }
        Ok(ControlFlow::Continue(()))
    }

    fn on_train_end(&mut self, model: &Model, _ended: Ended) -> Result<()> {
        let Some(dataset) = &self.mistakes_on else {
            return Ok(());
        };
        let predictions = match predict(model, dataset) {
            // Whoever has pressed Stop waits for nothing more.
            Err(Error::Interrupted) => return Ok(()),
            predictions => predictions?,
        };
        let indices = surest_mistakes(&predictions, dataset.labels());
        if indices.is_empty() {
            return Ok(());
        }
        let figure = plot::predictions(dataset, &indices, &predictions.classes)?;
        let shown = image("mistakes", figure.png_size(1), figure.png(1)?);
        let epoch = model.history().last().map_or(0, |record| record.epoch);
        self.validation.write(epoch, vec![shown])
    }
}

/// Those that there are.
fn scalars(measures: &[(&str, Option<f32>)]) -> Vec<Value> {
    let told = |&(tag, value): &(&str, Option<f32>)| Some(scalar(tag, value?));
    measures.iter().filter_map(told).collect()
}

/// Of each weight. TensorBoard shows those of a layer together: what is before the first `/`.
fn histograms(model: &Model) -> Result<Vec<Value>> {
    let weights = model.weights().into_iter();
    let of = |(name, weight): (String, Tensor)| {
        let values = weight.flatten_all()?.to_dtype(DType::F64)?.to_vec1()?;
        let tag = format!("{}/histogram", name.replace('.', "/"));
        Ok(histogram(&tag, &values))
    };
    weights.map(of).collect()
}

/// Where the class is not the label, the most probable classes first.
fn surest_mistakes(predictions: &Predictions, labels: &[u8]) -> Vec<usize> {
    let classes = &predictions.classes;
    let sure = |&index: &usize| predictions.probabilities[index][usize::from(classes[index])];
    let mut mistakes: Vec<usize> = (0..labels.len())
        .filter(|&index| classes[index] != labels[index])
        .collect();
    mistakes.sort_by(|a, b| sure(b).total_cmp(&sure(a)));
    mistakes.truncate(MISTAKES);
    mistakes
}
