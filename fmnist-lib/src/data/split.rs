//! The random split into images that train and images that validate.

use rand::seq::SliceRandom;

use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::support::seed::{Purpose, generator};
use crate::support::table::counted;

/// Which images train and which validate.
#[derive(Clone, Copy, Debug, PartialEq)]
#[must_use = "a setting gives back the changed value"]
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
