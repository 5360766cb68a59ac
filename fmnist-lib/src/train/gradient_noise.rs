//! How much the gradients of batches differ.

use crate::data::Dataset;
use crate::data::{batch, shuffled};
use crate::error::{Error, Result};
use crate::loss::{AnyLoss, Targets};
use crate::model::Model;
use crate::nn::Step;
use crate::support::interrupt::Interruptible;
use crate::support::table::counted;

/// What [`gradient_noise`] found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GradientNoise {
    /// Images in each batch.
    pub batch_size: usize,
    /// Batches that were compared.
    pub batches: usize,
    /// Length of the mean gradient, without what noise adds to it; NaN where nothing else is left.
    pub gradient: f64,
    /// Root mean square of how far the gradients of batches lie from their mean.
    pub noise: f64,
}

impl GradientNoise {
    /// Noise over gradient: 1 where the gradient of a batch is as much noise as direction.
    pub fn ratio(&self) -> f64 {
        self.noise / self.gradient
    }

    /// The batch size at which the ratio is 1: the simple noise scale of McCandlish et al. (2018, An
    /// Empirical Model of Large-Batch Training). Larger batches hardly save steps.
    pub fn scale(&self) -> f64 {
        self.batch_size as f64 * self.ratio().powi(2)
    }
}

/// Compares the gradients of up to `batches` random batches of `dataset`, none of which share an image,
/// at the model's present weights, which stay as they are. Dropout is at work, as in training.
///
/// # Errors
/// [`Error::Invalid`] when there are not enough images for two batches; [`Error::Interrupted`] on Ctrl-C
/// or a notebook's Stop.
pub fn gradient_noise(
    model: &Model,
    dataset: &Dataset,
    batch_size: usize,
    batches: usize,
    seed: u64,
) -> Result<GradientNoise> {
    if batch_size == 0 || batches.min(dataset.len() / batch_size.max(1)) < 2 {
        return Err(Error::Invalid(format!(
            "gradient noise compares at least 2 batches of 1 image or more: a dataset of {} does \
             not hold {batches} of {batch_size}",
            counted(dataset.len(), "image")
        )));
    }
    let loss = AnyLoss::CrossEntropy;
    model.check_learns()?;
    model.check_data(dataset, loss.as_loss())?;
    let stop = Interruptible::begin();
    let order = shuffled(dataset.len(), seed, 1);
    let (mut count, mut mean, mut squares) = (0, Vec::new(), 0.0);
    for (index, indices) in order.chunks_exact(batch_size).take(batches).enumerate() {
        let (images, labels) = batch(
            dataset,
            indices,
            model.spec().input_scaling(),
            model.device(),
        )?;
        let step = Step {
            seed,
            epoch: 1,
            step: index + 1,
        };
        let targets = Targets {
            labels: &labels,
            images: &images,
            classes: dataset.classes(),
        };
        let of_weights = model.gradients(&targets, loss.as_loss(), step)?.of_weights;
        let gradient: Vec<f32> = of_weights.into_iter().flatten().flatten().collect();
        mean.resize(gradient.len(), 0.0);
        count += 1;
        // Welford (1962): the mean so far, and the squared distances from it.
        for (mean, &value) in mean.iter_mut().zip(&gradient) {
            let apart = f64::from(value) - *mean;
            *mean += apart / f64::from(count);
            squares += apart * (f64::from(value) - *mean);
        }
        if stop.requested() {
            return Err(Error::Interrupted);
        }
    }
    let variance = squares / f64::from(count - 1);
    // The mean of `count` gradients is longer than the true one by the noise that is left in it.
    let length: f64 = mean.iter().map(|mean| mean * mean).sum();
    Ok(GradientNoise {
        batch_size,
        batches: count as usize,
        gradient: (length - variance / f64::from(count)).sqrt(),
        noise: variance.sqrt(),
    })
}
