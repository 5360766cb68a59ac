//! Images in the order of an epoch, and batches of them as tensors.

use candle_core::{Device, Tensor};
use rand::seq::SliceRandom;

use super::Dataset;
use super::augment::Augmentation;
use super::scaling::Scaling;
use crate::error::Result;
use crate::support::seed::{Purpose, generator};

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
