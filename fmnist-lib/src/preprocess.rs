//! From bytes to batches: scaling, the random split, shuffling.

use candle_core::{Device, Tensor};
use rand::seq::SliceRandom;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::augment::Augmentation;
use crate::seed::{Purpose, generator};
use crate::{CLASSES, Dataset, Error, PIXELS, Result, SIDE};

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
    /// Standardisation to mean 0 and deviation 1 over the pixels of `training`.
    pub fn standard(training: &Dataset) -> Self {
        let count = training.images().len() as f64;
        let mean = training.images().iter().map(|&p| f64::from(p)).sum::<f64>() / count;
        let variance = training
            .images()
            .iter()
            .map(|&p| (f64::from(p) - mean).powi(2))
            .sum::<f64>()
            / count;
        Self::Standard {
            mean: mean as f32,
            deviation: variance.sqrt() as f32,
        }
    }

    /// Pixels to a tensor of shape (images, 28, 28, 1), `f32`, on `device`.
    ///
    /// # Errors
    /// When `pixels` is not a whole number of images, or the device is out of memory.
    pub fn apply(self, pixels: &[u8], device: &Device) -> Result<Tensor> {
        if !pixels.len().is_multiple_of(PIXELS) {
            return Err(Error::Invalid(format!(
                "{} bytes are not a whole number of {SIDE}x{SIDE} images",
                pixels.len()
            )));
        }
        self.gather::<&[u8]>(pixels.chunks(PIXELS).collect(), device)
    }

    /// Some images, 784 pixels each, to a tensor of shape (images, 28, 28, 1).
    fn gather<I: AsRef<[u8]> + Sync>(self, images: Vec<I>, device: &Device) -> Result<Tensor> {
        let table: [f32; 256] = std::array::from_fn(|pixel| self.scale(pixel as u8));
        let mut scaled = vec![0.0; images.len() * PIXELS];
        scaled
            .par_chunks_mut(PIXELS)
            .zip(&images)
            .for_each(|(scaled, image)| {
                for (value, &pixel) in scaled.iter_mut().zip(image.as_ref()) {
                    *value = table[usize::from(pixel)];
                }
            });
        Ok(Tensor::from_vec(
            scaled,
            (images.len(), SIDE, SIDE, 1),
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
        let mut quota = [0_usize; CLASSES];
        order.iter().for_each(|&index| quota[group(index)] += 1);
        quota = quota.map(|size| (size as f64 * self.train_fraction).round() as usize);
        let (train, validation): (Vec<usize>, Vec<usize>) = order.into_iter().partition(|&index| {
            let left = &mut quota[group(index)];
            let train = *left > 0;
            *left = left.saturating_sub(1);
            train
        });
        if train.is_empty() || validation.is_empty() {
            return Err(Error::Invalid(format!(
                "a training fraction of {} leaves one side of {} images empty",
                self.train_fraction,
                dataset.len()
            )));
        }
        Ok((dataset.select(&train)?, dataset.select(&validation)?))
    }
}

/// The order in which epoch `epoch` (from 1) visits `count` training images.
pub(crate) fn shuffled(count: usize, seed: u64, epoch: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    order.shuffle(&mut generator(seed, Purpose::Shuffle { epoch }));
    order
}

/// One batch as tensors: inputs (batch, 28, 28, 1) `f32` and labels (batch) `u32`. `indices` must be
/// within the dataset.
pub(crate) fn batch(
    dataset: &Dataset,
    indices: &[usize],
    scaling: Scaling,
    device: &Device,
) -> Result<(Tensor, Tensor)> {
    let images = indices.iter().map(|&index| dataset.image(index)).collect();
    Ok((
        scaling.gather::<&[u8]>(images, device)?,
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
        scaling.gather(images, device)?,
        labels(dataset, indices, device)?,
    ))
}

fn labels(dataset: &Dataset, indices: &[usize], device: &Device) -> Result<Tensor> {
    let label = |&index: &usize| u32::from(dataset.labels()[index]);
    let labels: Vec<u32> = indices.iter().map(label).collect();
    let count = labels.len();
    Ok(Tensor::from_vec(labels, count, device)?)
}
