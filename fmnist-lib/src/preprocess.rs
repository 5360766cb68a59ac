//! From bytes to batches: scaling, the random split, shuffling.

use candle_core::{Device, Tensor};
use rand::seq::SliceRandom;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::augment::Augmentation;
use crate::seed::{Purpose, generator};
use crate::table::counted;
use crate::{Dataset, Error, PIXELS, Result, SIDE};

/// How a pixel (0 to 255) becomes a network input.
///
/// It is part of the [`ModelSpec`](crate::ModelSpec), so training, validation, test and a picture of
/// one's own are always scaled alike.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub enum Scaling {
    /// `pixel / 255`, in 0..1: the report's.
    #[default]
    Unit,
    /// The raw byte, 0..255.
    Raw,
    /// `(pixel - mean) / deviation`, both in pixels (0 to 255).
    Standard {
        /// Mean of all training pixels.
        mean: f32,
        /// Their standard deviation.
        deviation: f32,
    },
}

impl Scaling {
    /// Standardisation to mean 0 and deviation 1 over the pixels of `training`. Where all pixels are
    /// alike they have no deviation, and 1 stands in its place, as in scikit-learn's
    /// `StandardScaler`: each of them becomes 0.
    ///
    /// Without any images both values are NaN, which [`build`](crate::ModelSpec::build) and
    /// [`apply`](Self::apply) refuse.
    pub fn standard(training: &Dataset) -> Self {
        let count = training.images().len() as f64;
        let mean = training.images().iter().map(|&p| f64::from(p)).sum::<f64>() / count;
        let variance = training
            .images()
            .iter()
            .map(|&p| (f64::from(p) - mean).powi(2))
            .sum::<f64>()
            / count;
        let deviation = match variance.sqrt() as f32 {
            0.0 => 1.0,
            deviation => deviation,
        };
        Self::Standard {
            mean: mean as f32,
            deviation,
        }
    }

    /// Refuses what would make NaN or infinities of pixels.
    pub(crate) fn check(self) -> Result<()> {
        let finite = self.scale(0).is_finite() && self.scale(255).is_finite();
        match self {
            Self::Standard { mean, deviation } if deviation <= 0.0 || !finite => {
                Err(Error::Invalid(format!(
                    "pixels cannot be scaled by a mean of {mean} and a deviation of {deviation}: \
                     the deviation must be above 0, and the results finite; Scaling::standard \
                     takes both from a dataset that has images"
                )))
            }
            _ => Ok(()),
        }
    }

    /// Pixels of 28×28 images to a tensor of shape (images, 28, 28, 1), `f32`, on `device`. For images of
    /// another shape, see [`Dataset::to_tensor`].
    ///
    /// # Errors
    /// When `pixels` is not a whole number of images, the values of [`Standard`](Self::Standard)
    /// cannot work, or the device is out of memory.
    pub fn apply(self, pixels: &[u8], device: &Device) -> Result<Tensor> {
        self.check()?;
        if !pixels.len().is_multiple_of(PIXELS) {
            return Err(Error::Invalid(format!(
                "a whole number of {SIDE}x{SIDE} images cannot be made of {}: each needs {PIXELS}",
                counted(pixels.len(), "byte")
            )));
        }
        self.gather::<&[u8]>(pixels.chunks(PIXELS).collect(), [SIDE, SIDE, 1], device)
    }

    /// Some images of a shape to a tensor of shape (images, height, width, channels).
    fn gather<I: AsRef<[u8]> + Sync>(
        self,
        images: Vec<I>,
        shape: [usize; 3],
        device: &Device,
    ) -> Result<Tensor> {
        let table: [f32; 256] = std::array::from_fn(|pixel| self.scale(pixel as u8));
        let pixels = shape.iter().product();
        let mut scaled = vec![0.0; images.len() * pixels];
        scaled
            .par_chunks_mut(pixels)
            .zip(&images)
            .for_each(|(scaled, image)| {
                for (value, &pixel) in scaled.iter_mut().zip(image.as_ref()) {
                    *value = table[usize::from(pixel)];
                }
            });
        Ok(Tensor::from_vec(
            scaled,
            (images.len(), shape[0], shape[1], shape[2]),
            device,
        )?)
    }

    fn scale(self, pixel: u8) -> f32 {
        match self {
            Self::Unit => f32::from(pixel) / 255.0,
            Self::Raw => f32::from(pixel),
            Self::Standard { mean, deviation } => (f32::from(pixel) - mean) / deviation,
        }
    }
}

/// Which images train and which validate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Split {
    train_fraction: f64,
    seed: u64,
    stratified: bool,
}

impl Split {
    /// A random split with `train_fraction` of the images for training: 0.8 is the report's 80:20.
    pub fn new(train_fraction: f64, seed: u64) -> Self {
        Self {
            train_fraction,
            seed,
            stratified: false,
        }
    }

    /// Takes the same fraction of every class.
    pub fn stratified(self) -> Self {
        Self {
            stratified: true,
            ..self
        }
    }

    /// Divides `dataset` into (training, validation). Every image lands in exactly one of them.
    ///
    /// # Errors
    /// When the fraction is outside 0..1 or would leave one side empty.
    pub fn apply(&self, dataset: &Dataset) -> Result<(Dataset, Dataset)> {
        if !(0.0..=1.0).contains(&self.train_fraction) {
            return Err(Error::Invalid(format!(
                "the training fraction must be between 0 and 1 (0.8 for 80:20), not {}",
                self.train_fraction
            )));
        }
        let mut order: Vec<usize> = (0..dataset.len()).collect();
        order.shuffle(&mut generator(self.seed, Purpose::Split));
        let group = |index: usize| {
            if self.stratified {
                usize::from(dataset.labels()[index])
            } else {
                0
            }
        };
        let mut quota = vec![0_usize; dataset.classes()];
        order.iter().for_each(|&index| quota[group(index)] += 1);
        for size in &mut quota {
            *size = (*size as f64 * self.train_fraction).round() as usize;
        }
        let (train, validation): (Vec<usize>, Vec<usize>) = order.into_iter().partition(|&index| {
            let left = &mut quota[group(index)];
            let train = *left > 0;
            *left = left.saturating_sub(1);
            train
        });
        if train.is_empty() || validation.is_empty() {
            return Err(Error::Invalid(format!(
                "a training fraction of {} of {} leaves one side empty",
                self.train_fraction,
                counted(dataset.len(), "image")
            )));
        }
        Ok((dataset.select(&train)?, dataset.select(&validation)?))
    }
}

impl Dataset {
    /// All images as a tensor of shape (images, height, width, channels), `f32`, on `device`, their pixels
    /// scaled as a network takes them: [`ModelSpec::input_scaling`](crate::ModelSpec::input_scaling).
    ///
    /// # Errors
    /// When the values of [`Scaling::Standard`] cannot work, or the device is out of memory.
    pub fn to_tensor(&self, scaling: Scaling, device: &Device) -> Result<Tensor> {
        scaling.check()?;
        let images = self.images().chunks(self.pixels()).collect();
        scaling.gather::<&[u8]>(images, self.shape(), device)
    }
}

/// The order in which epoch `epoch` (from 1) visits `count` training images.
pub(crate) fn shuffled(count: usize, seed: u64, epoch: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    order.shuffle(&mut generator(seed, Purpose::Shuffle { epoch }));
    order
}

/// One batch as tensors: inputs (batch, height, width, channels) `f32` and labels (batch) `u32`. `indices` must be
/// within the dataset.
pub(crate) fn batch(
    dataset: &Dataset,
    indices: &[usize],
    scaling: Scaling,
    device: &Device,
) -> Result<(Tensor, Tensor)> {
    let images = indices.iter().map(|&index| dataset.image(index)).collect();
    Ok((
        scaling.gather::<&[u8]>(images, dataset.shape(), device)?,
        labels(dataset, indices, device)?,
    ))
}

/// As [`batch`], of images changed as `augmentation` says for `epoch`.
pub(crate) fn augmented_batch(
    dataset: &Dataset,
    indices: &[usize],
    scaling: Scaling,
    augmentation: &Augmentation,
    (seed, epoch): (u64, usize),
    device: &Device,
) -> Result<(Tensor, Tensor)> {
    if augmentation.is_nothing() {
        return batch(dataset, indices, scaling, device);
    }
    let images = augmentation.images(dataset, indices, seed, epoch);
    Ok((
        scaling.gather(images, dataset.shape(), device)?,
        labels(dataset, indices, device)?,
    ))
}

fn labels(dataset: &Dataset, indices: &[usize], device: &Device) -> Result<Tensor> {
    let label = |&index: &usize| u32::from(dataset.labels()[index]);
    let labels: Vec<u32> = indices.iter().map(label).collect();
    let count = labels.len();
    Ok(Tensor::from_vec(labels, count, device)?)
}
