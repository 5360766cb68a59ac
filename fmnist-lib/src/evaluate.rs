//! What a trained network says of images it has not learned from.

use std::fmt;

use candle_core::{D, Tensor};
use serde::{Deserialize, Serialize};

use crate::interrupt::Interruptible;
use crate::metrics::ConfusionMatrix;
use crate::preprocess::batch;
use crate::{CLASSES, Dataset, Error, Model, Result};

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

/// What a network says of each image.
#[derive(Clone, Debug, PartialEq)]
pub struct Predictions {
    /// For each image, the probability of each class; each row sums to 1.
    pub probabilities: Vec<[f32; CLASSES]>,
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
        let images = predictions.first().map_or(0, |first| first.classes.len());
        if images == 0 || predictions.iter().any(|one| one.classes.len() != images) {
            return Err(Error::Invalid(
                "a mean of predictions needs one or more, all of the same images".into(),
            ));
        }
        let part = 1.0 / predictions.len() as f32;
        let mean = |image: usize| -> [f32; CLASSES] {
            let of_class = |class: usize| {
                let sum: f32 = predictions
                    .iter()
                    .map(|one| one.probabilities[image][class])
                    .sum();
                sum * part
            };
            std::array::from_fn(of_class)
        };
        let probabilities: Vec<[f32; CLASSES]> = (0..images).map(mean).collect();
        let most_probable = |row: &[f32; CLASSES]| {
            // The first of equals, as in `predict`.
            (1..CLASSES).fold(
                0,
                |best, class| if row[class] > row[best] { class } else { best },
            ) as u8
        };
        Ok(Self {
            classes: probabilities.iter().map(most_probable).collect(),
            probabilities,
        })
    }

    /// How well these predictions fit the labels of `dataset`.
    ///
    /// # Errors
    /// When they are not of as many images as it has, or it has none.
    pub fn evaluate(&self, dataset: &Dataset) -> Result<Evaluation> {
        let losses = dataset.labels().iter().zip(&self.probabilities);
        // A probability that has become 0 costs as much as the least that f32 can hold.
        let loss: f64 = losses
            .map(|(&label, row)| -f64::from(row[usize::from(label)].max(f32::MIN_POSITIVE)).ln())
            .sum();
        Evaluation::of(dataset, &self.classes, loss)
    }
}

impl Evaluation {
    /// From the class that each image of `dataset` was called, and the sum of their losses.
    fn of(dataset: &Dataset, classes: &[u8], loss: f64) -> Result<Self> {
        let confusion = ConfusionMatrix::new(dataset.labels(), classes)?;
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

/// Measures `model` on `dataset`, without dropout.
///
/// # Errors
/// When the dataset is empty or the network does not end in 10 scores; [`Error::Interrupted`].
pub fn evaluate(model: &Model, dataset: &Dataset) -> Result<Evaluation> {
    measure(model, dataset, Some(&Interruptible::begin()))
}

/// As [`evaluate`]; without `stop`, to the end whatever happens.
pub(crate) fn measure(
    model: &Model,
    dataset: &Dataset,
    stop: Option<&Interruptible>,
) -> Result<Evaluation> {
    let mut classes = Vec::with_capacity(dataset.len());
    let mut loss = 0.0;
    for_each_batch(model, dataset, stop, |logits, labels| {
        let count = labels.dims1()? as f64;
        loss +=
            f64::from(candle_nn::loss::cross_entropy(logits, labels)?.to_scalar::<f32>()?) * count;
        classes.extend(argmax(logits)?);
        Ok(())
    })?;
    Evaluation::of(dataset, &classes, loss)
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
    for_each_batch(model, dataset, Some(&stop), |logits, _| {
        for row in candle_nn::ops::softmax(logits, D::Minus1)?.to_vec2::<f32>()? {
            predictions
                .probabilities
                .push(row.try_into().expect("for_each_batch checks the width"));
        }
        predictions.classes.extend(argmax(logits)?);
        Ok(())
    })?;
    Ok(predictions)
}

fn for_each_batch(
    model: &Model,
    dataset: &Dataset,
    stop: Option<&Interruptible>,
    mut visit: impl FnMut(&Tensor, &Tensor) -> Result<()>,
) -> Result<()> {
    refuse_empty(dataset)?;
    let indices: Vec<usize> = (0..dataset.len()).collect();
    for indices in indices.chunks(BATCH) {
        if stop.is_some_and(Interruptible::requested) {
            return Err(Error::Interrupted);
        }
        let scaling = model.spec().input_scaling();
        let (inputs, labels) = batch(dataset, indices, scaling, model.device())?;
        let logits = model.forward(&inputs, None)?;
        model.check_scores(&logits, indices.len())?;
        visit(&logits, &labels)?;
    }
    Ok(())
}

fn argmax(logits: &Tensor) -> Result<Vec<u8>> {
    let classes = logits.argmax(D::Minus1)?.to_vec1::<u32>()?;
    Ok(classes.into_iter().map(|class| class as u8).collect())
}
