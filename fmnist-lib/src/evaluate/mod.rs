//! What a trained network says of images it has not learned from.

mod class_report;
mod confusion;
mod metric;
mod roc;

use std::fmt;
use std::ops::Range;

use candle_core::{D, Device, Tensor};
use serde::{Deserialize, Serialize};

use crate::data::Dataset;
use crate::data::batch;
use crate::error::{Error, Result};
use crate::loss::{AnyLoss, Loss, Targets};
use crate::model::Model;
use crate::support::interrupt::Interruptible;
use crate::support::table::counted;

pub use class_report::{ClassScores, ClassificationReport};
pub use confusion::ConfusionMatrix;
pub use metric::{MacroF1, Metric, RocAuc, TopKAccuracy};
pub use roc::RocCurve;

/// Images per forward pass. It has no influence on the results, only on speed and memory.
const BATCH: usize = 256;

/// How well a network does on a dataset.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Mean cross-entropy, in nats.
    pub loss: f32,
    /// Fraction classified correctly, 0 to 1.
    pub accuracy: f32,
    /// Which class was taken for which.
    pub confusion: ConfusionMatrix,
}

impl fmt::Display for Evaluation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "loss: {:.4} - accuracy: {:.4}", self.loss, self.accuracy)
    }
}

/// What a network says of each image. Both fields have one entry for each image:
/// [`mean`](Self::mean) and [`evaluate`](Self::evaluate) refuse fields of different lengths.
#[derive(Clone, Debug, PartialEq)]
pub struct Predictions {
    /// For each image, the probability of each class; each row sums to 1.
    pub probabilities: Vec<Vec<f32>>,
    /// For each image, the most probable class.
    pub classes: Vec<u8>,
}

impl Predictions {
    /// The mean of several predictions for the same images: of several networks, or of the images
    /// and their mirror images (test-time augmentation).
    ///
    /// ```no_run
    /// # use fmnist_lib::*;
    /// # let (data, model) = (FashionMnist::load()?, one_layer().build(1)?);
    /// let both = [predict(&model, &data.test)?, predict(&model, &data.test.mirrored())?];
    /// println!("{}", Predictions::mean(&both)?.evaluate(&data.test)?);
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// # Errors
    /// When there is none, or they are of different numbers of images.
    pub fn mean(predictions: &[Self]) -> Result<Self> {
        predictions.iter().try_for_each(Self::check)?;
        let images = predictions.first().map_or(0, |first| first.classes.len());
        if images == 0 || predictions.iter().any(|one| one.classes.len() != images) {
            return Err(Error::Invalid(
                "a mean of predictions needs one or more, all of the same images".into(),
            ));
        }
        let of_classes =
            |one: &Self, classes| one.probabilities.iter().all(|row| row.len() == classes);
        let classes = predictions[0].probabilities[0].len();
        if !predictions.iter().all(|one| of_classes(one, classes)) {
            return Err(Error::Invalid(
                "a mean of predictions needs one or more, all of the same classes".into(),
            ));
        }
        let part = 1.0 / predictions.len() as f32;
        let mean = |image: usize| -> Vec<f32> {
            let rows = predictions.iter().map(|one| &one.probabilities[image]);
            let of_class = |class: usize| rows.clone().map(|row| row[class]).sum::<f32>() * part;
            (0..classes).map(of_class).collect()
        };
        let probabilities: Vec<Vec<f32>> = (0..images).map(mean).collect();
        let most_probable = |row: &Vec<f32>| {
            // The first of equals, as in `predict`.
            let better = |best, class| if row[class] > row[best] { class } else { best };
            (1..classes).fold(0, better) as u8
        };
        Ok(Self {
            classes: probabilities.iter().map(most_probable).collect(),
            probabilities,
        })
    }

    /// How well these predictions fit the labels of `dataset`. The loss is NaN where a probability
    /// is.
    ///
    /// # Errors
    /// When they are not of as many images as it has, or it has none.
    pub fn evaluate(&self, dataset: &Dataset) -> Result<Evaluation> {
        self.check()?;
        let losses = dataset.labels().iter().zip(&self.probabilities);
        // A probability that has become 0 costs as much as the least that f32 can hold. A NaN is
        // not less than that number, and stays.
        let cost = |probability: f32| match probability < f32::MIN_POSITIVE {
            true => -f64::from(f32::MIN_POSITIVE).ln(),
            false => -f64::from(probability).ln(),
        };
        if let Some(row) = (self.probabilities.iter()).find(|row| row.len() != dataset.classes()) {
            return Err(Error::Invalid(format!(
                "these predictions are of {} classes, but the images of {}",
                row.len(),
                dataset.classes()
            )));
        }
        let loss: f64 = losses
            .map(|(&label, row)| cost(row[usize::from(label)]))
            .sum();
        Evaluation::of(dataset, &self.classes, loss)
    }

    /// Refuses predictions of more or fewer images than `dataset` has.
    fn check_images(&self, what: &str, dataset: &Dataset) -> Result<()> {
        let (said, there) = (self.probabilities.len(), dataset.len());
        if said == there {
            return Ok(());
        }
        Err(Error::Invalid(format!(
            "{what}: the predictions are of {}, the labels of {}",
            counted(said, "image"),
            counted(there, "image")
        )))
    }

    fn check(&self) -> Result<()> {
        let (probabilities, classes) = (self.probabilities.len(), self.classes.len());
        if probabilities == classes {
            return Ok(());
        }
        Err(Error::Invalid(format!(
            "these predictions hold {} of probabilities, but {}: each image needs one of both",
            counted(probabilities, "row"),
            counted(classes, "class number")
        )))
    }
}

impl Evaluation {
    /// From the class that each image of `dataset` was called, and the sum of their losses.
    fn of(dataset: &Dataset, classes: &[u8], loss: f64) -> Result<Self> {
        let confusion = ConfusionMatrix::of(dataset, classes)?;
        refuse_empty(dataset)?;
        Ok(Self {
            loss: (loss / dataset.len() as f64) as f32,
            accuracy: confusion.accuracy() as f32,
            confusion,
        })
    }
}

fn refuse_empty(dataset: &Dataset) -> Result<()> {
    if dataset.is_empty() {
        return Err(Error::Invalid("there are no images to evaluate".into()));
    }
    Ok(())
}

/// Measures `model`, a classifier, on `dataset`, without dropout. Any other network: [`mean_loss`].
///
/// # Errors
/// When the dataset is empty, or the network does not take its images or give a score for each of its classes; [`Error::Interrupted`].
pub fn evaluate(model: &Model, dataset: &Dataset) -> Result<Evaluation> {
    let loss = AnyLoss::CrossEntropy;
    let (loss, classes) = all_losses(model, dataset, loss.as_loss(), &Interruptible::begin())?;
    Evaluation::of(dataset, &classes, loss)
}

/// The mean loss of `model` on the images of `dataset`, without dropout.
///
/// # Errors
/// When the dataset is empty, or `loss` cannot compare what the network gives; [`Error::Interrupted`].
pub fn mean_loss(model: &Model, dataset: &Dataset, loss: impl Into<AnyLoss>) -> Result<f32> {
    let loss = loss.into();
    let (sum, _) = all_losses(model, dataset, loss.as_loss(), &Interruptible::begin())?;
    Ok((sum / dataset.len() as f64) as f32)
}

/// What training records of validation images.
pub(crate) struct Measured {
    pub(crate) loss: f32,
    /// Of a network that classifies.
    pub(crate) accuracy: Option<f32>,
}

/// How many forward passes measure a dataset.
pub(crate) fn batches_of(dataset: &Dataset) -> usize {
    dataset.len().div_ceil(BATCH)
}

/// Of these batches the mean losses, and how many images were classified correctly by a network that classifies: two
/// numbers for each. To the end whatever happens.
pub(crate) fn measure(
    model: &Model,
    dataset: &Dataset,
    loss: &dyn Loss,
    batches: Range<usize>,
) -> Result<Vec<f32>> {
    model.check_data(dataset, loss)?;
    let images = batches.start * BATCH..dataset.len().min(batches.end * BATCH);
    let mut measured = Vec::new();
    for_each_batch(model, dataset, images, None, |outputs, targets| {
        let mean = loss.of_batch(outputs, targets)?.to_scalar::<f32>()?;
        let mut correct = 0;
        if model.classifies(dataset) {
            let labels = targets.labels.to_vec1::<u32>()?;
            let pairs = argmax(outputs)?.into_iter().zip(labels);
            correct = pairs
                .filter(|&(class, label)| u32::from(class) == label)
                .count();
        }
        measured.extend([mean, correct as f32]);
        Ok(())
    })?;
    Ok(measured)
}

impl Measured {
    /// From what [`measure`] says of all batches.
    pub(crate) fn of(model: &Model, dataset: &Dataset, batches: &[f32]) -> Self {
        let (mut sum, mut correct, mut rest) = (0.0, 0.0, dataset.len());
        for batch in batches.chunks_exact(2) {
            let images = rest.min(BATCH);
            sum += f64::from(batch[0]) * images as f64;
            correct += f64::from(batch[1]);
            rest -= images;
        }
        let count = dataset.len() as f64;
        Self {
            loss: (sum / count) as f32,
            accuracy: model
                .classifies(dataset)
                .then_some((correct / count) as f32),
        }
    }
}

/// The sum of the losses of all images, and what each was called by a network that classifies.
fn all_losses(
    model: &Model,
    dataset: &Dataset,
    loss: &dyn Loss,
    stop: &Interruptible,
) -> Result<(f64, Vec<u8>)> {
    let mut classes = Vec::new();
    let mut sum = 0.0;
    model.check_data(dataset, loss)?;
    for_each_batch(
        model,
        dataset,
        0..dataset.len(),
        Some(stop),
        |outputs, targets| {
            let mean = loss.of_batch(outputs, targets)?.to_scalar::<f32>()?;
            sum += f64::from(mean) * targets.labels.dims1()? as f64;
            if model.classifies(dataset) {
                classes.extend(argmax(outputs)?);
            }
            Ok(())
        },
    )?;
    Ok((sum, classes))
}

/// What `model` gives for each image of `dataset`, without dropout: Keras's `model.predict`. A tensor of the shape
/// (images, output shape of the last layer), on the CPU: scores, or the images of an autoencoder.
///
/// # Errors
/// When the dataset is empty, or the network does not take its images; [`Error::Interrupted`].
pub fn outputs(model: &Model, dataset: &Dataset) -> Result<Tensor> {
    let mut parts = Vec::new();
    let stop = Interruptible::begin();
    for_each_batch(
        model,
        dataset,
        0..dataset.len(),
        Some(&stop),
        |outputs, _| {
            parts.push(outputs.to_device(&Device::Cpu)?);
            Ok(())
        },
    )?;
    Ok(Tensor::cat(&parts, 0)?)
}

/// The class probabilities that `model` gives each image of `dataset`; its labels play no part.
///
/// # Errors
/// As for [`evaluate`].
pub fn predict(model: &Model, dataset: &Dataset) -> Result<Predictions> {
    let mut predictions = Predictions {
        probabilities: Vec::new(),
        classes: Vec::new(),
    };
    let stop = Interruptible::begin();
    let loss = AnyLoss::CrossEntropy;
    model.check_data(dataset, loss.as_loss())?;
    for_each_batch(
        model,
        dataset,
        0..dataset.len(),
        Some(&stop),
        |logits, _| {
            let probabilities = candle_nn::ops::softmax(logits, D::Minus1)?;
            predictions
                .probabilities
                .extend(probabilities.to_vec2::<f32>()?);
            predictions.classes.extend(argmax(logits)?);
            Ok(())
        },
    )?;
    Ok(predictions)
}

fn for_each_batch(
    model: &Model,
    dataset: &Dataset,
    images: Range<usize>,
    stop: Option<&Interruptible>,
    mut visit: impl FnMut(&Tensor, &Targets<'_>) -> Result<()>,
) -> Result<()> {
    refuse_empty(dataset)?;
    model.check_images(dataset)?;
    let indices: Vec<usize> = images.collect();
    for indices in indices.chunks(BATCH) {
        if stop.is_some_and(Interruptible::requested) {
            return Err(Error::Interrupted);
        }
        let scaling = model.spec().input_scaling();
        let (images, labels) = batch(dataset, indices, scaling, model.device())?;
        let outputs = model.forward(&images, None)?;
        model.check_scores(&outputs, indices.len())?;
        let targets = Targets {
            labels: &labels,
            images: &images,
            classes: dataset.classes(),
        };
        visit(&outputs, &targets)?;
    }
    Ok(())
}

fn argmax(logits: &Tensor) -> Result<Vec<u8>> {
    let classes = logits.argmax(D::Minus1)?.to_vec1::<u32>()?;
    Ok(classes.into_iter().map(|class| class as u8).collect())
}
