//! Losses that compare number by number.

use candle_core::{DType, Tensor};
use serde::{Deserialize, Serialize};

use super::mean_of::MeanOf;
use super::{Loss, Targets};
use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::nn::{f32_slices, on_cpu_in_f32};

/// Keras keeps probabilities so far from 0 and 1 (`keras.config.epsilon()`).
const EPSILON: f64 = 1e-7;

/// `keras.losses.MeanSquaredError`, PyTorch's `MSELoss`: the mean of the squared differences, over all numbers of all
/// outputs of a batch.
///
/// Outputs of the images' shape are compared with the images (an autoencoder), and one output for each class with
/// 1 for the label and 0 for the others; see [`Targets::like`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MeanSquaredError;

impl MeanSquaredError {
    /// The loss; it has no settings.
    pub fn new() -> Self {
        Self
    }
}

impl Loss for MeanSquaredError {
    fn of_batch(&self, outputs: &Tensor, targets: &Targets<'_>) -> Result<Tensor> {
        let targets = targets.like(outputs)?;
        let squared = MeanOf {
            value: |y, t| (y - t) * (y - t),
            slope: |y, t| 2.0 * (y - t),
        };
        if let Some(mean) = squared.apply(outputs, &targets) {
            return mean;
        }
        Ok((outputs - targets)?.sqr()?.mean_all()?)
    }

    fn check(&self, output_shape: &[usize], dataset: &Dataset) -> Result<()> {
        check_shape("the mean squared error", output_shape, dataset)
    }
}

/// `keras.losses.BinaryCrossentropy`: each output is the probability of a yes, in nats, and what it is compared with
/// is between 0 (no) and 1 (yes): the pixels of an image scaled to 0 to 1, or each class by itself. The mean over all
/// numbers of all outputs of a batch; see [`MeanSquaredError`] for what is compared.
///
/// [`evaluate`](crate::evaluate()) and [`predict`](crate::predict) take what a classifier gives for scores, of which
/// they make probabilities that sum to 1. That fits [`from_logits`](Self::from_logits). Outputs that are probabilities
/// already keep their order, and so their accuracy, but their cross-entropy says nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BinaryCrossEntropy {
    from_logits: bool,
}

impl BinaryCrossEntropy {
    /// Takes outputs from 0 to 1, as [`Activation::Sigmoid`](crate::Activation::Sigmoid) gives them (PyTorch's
    /// `BCELoss`).
    pub fn new() -> Self {
        Self { from_logits: false }
    }

    /// Takes outputs of any size, and the sigmoid of each for the probability: `from_logits=True`, PyTorch's
    /// `BCEWithLogitsLoss`. The gradient is exact where a probability is near 0 or 1.
    pub fn from_logits() -> Self {
        Self { from_logits: true }
    }
}

impl Loss for BinaryCrossEntropy {
    fn of_batch(&self, outputs: &Tensor, targets: &Targets<'_>) -> Result<Tensor> {
        let targets = targets.like(outputs)?;
        if !are_fractions(&targets)? {
            let least: f32 = targets.min_all()?.to_scalar()?;
            let most: f32 = targets.max_all()?.to_scalar()?;
            return Err(Error::Invalid(format!(
                "binary cross-entropy compares with numbers from 0 to 1, but the images are scaled to {least} to \
                 {most}, or are no numbers: leave the network's scaling as it is by default, or use the mean squared error"
            )));
        }
        let entropy = if self.from_logits {
            FROM_LOGITS
        } else {
            FROM_PROBABILITIES
        };
        if let Some(mean) = entropy.apply(outputs, &targets) {
            return mean;
        }
        if self.from_logits {
            // softplus(x) - x t, of which no part overflows.
            let softplus = ((outputs.abs()?.neg()?.exp()? + 1.0)?.log()? + outputs.relu()?)?;
            return Ok((softplus - (outputs * targets)?)?.mean_all()?);
        }
        let yes = outputs.clamp(EPSILON, 1.0 - EPSILON)?;
        let no = (1.0 - &yes)?;
        let of_yes = (yes.log()? * &targets)?;
        let of_no = (no.log()? * (1.0 - targets)?)?;
        Ok((of_yes + of_no)?.mean_all()?.neg()?)
    }

    fn check(&self, output_shape: &[usize], dataset: &Dataset) -> Result<()> {
        check_shape("binary cross-entropy", output_shape, dataset)
    }
}

/// Softplus of x, less x t: no part overflows.
const FROM_LOGITS: MeanOf = MeanOf {
    value: |x, t| x.max(0.0) - x * t + (-x.abs()).exp().ln_1p(),
    slope: |x, t| {
        let small = (-x.abs()).exp();
        let unlikely = small / (1.0 + small);
        // Neither way is a small difference taken from 1.
        if x >= 0.0 {
            (1.0 - t) - unlikely
        } else {
            unlikely - t
        }
    },
};

const FROM_PROBABILITIES: MeanOf = MeanOf {
    value: |y, t| {
        let yes = y.clamp(EPSILON as f32, 1.0 - EPSILON as f32);
        -(t * yes.ln() + (1.0 - t) * (1.0 - yes).ln())
    },
    slope: |y, t| {
        let yes = y.clamp(EPSILON as f32, 1.0 - EPSILON as f32);
        // What is kept away from 0 and 1 does not move.
        if yes == y {
            (y - t) / (y * (1.0 - y))
        } else {
            0.0
        }
    },
};

/// Whether all numbers are from 0 to 1.
fn are_fractions(targets: &Tensor) -> Result<bool> {
    let fraction = |&target: &f32| (0.0..=1.0).contains(&target);
    if on_cpu_in_f32(&[targets]) {
        return Ok(f32_slices(&[targets], |slices| {
            slices[0].iter().all(fraction)
        })?);
    }
    let least: f64 = targets.min_all()?.to_dtype(DType::F64)?.to_scalar()?;
    let most: f64 = targets.max_all()?.to_dtype(DType::F64)?.to_scalar()?;
    Ok(least >= 0.0 && most <= 1.0)
}

fn check_shape(loss: &str, output_shape: &[usize], dataset: &Dataset) -> Result<()> {
    let (image, classes) = (dataset.shape(), dataset.classes());
    if output_shape == image || output_shape == [classes] {
        return Ok(());
    }
    Err(Error::Invalid(format!(
        "it gives {output_shape:?} for each image, but {loss} compares with the image, {image:?}, or with its label, \
         [{classes}]"
    )))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use candle_core::{Device, Tensor};

    use super::{BinaryCrossEntropy, FROM_LOGITS, Loss, MeanSquaredError, Targets};

    #[test]
    fn what_cannot_be_compared_is_an_error() {
        let labels = Tensor::new(&[0_u32, 1, 2, 0], &Device::Cpu).unwrap();
        let targets = Targets {
            labels: &labels,
            images: &labels,
            classes: 3,
        };
        let outputs = Tensor::new(&[[0.5_f32; 5]; 4], &Device::Cpu).unwrap();
        assert!(
            MeanSquaredError::new()
                .of_batch(&outputs, &targets)
                .is_err()
        );
        assert!(
            BinaryCrossEntropy::new()
                .of_batch(&outputs, &targets)
                .is_err()
        );
    }

    /// Sigmoid of x, less t, in f64.
    #[test]
    fn the_gradient_from_logits_is_exact_where_the_network_is_sure() {
        for x in [-17.0_f32, -2.0, 0.0, 2.0, 17.0] {
            for t in [0.0_f32, 0.25, 1.0] {
                let sigmoid = 1.0 / (1.0 + (-f64::from(x)).exp());
                let no = 1.0 / (1.0 + f64::from(x).exp());
                let exact = f64::from(1.0 - t) * sigmoid - f64::from(t) * no;
                let found = f64::from((FROM_LOGITS.slope)(x, t));
                assert!(
                    (found - exact).abs() <= 2e-7 * exact.abs() + 1e-12,
                    "{x}, {t}: {found} for {exact}"
                );
            }
        }
    }

    /// The losses of Keras 3.15.1: `MeanSquaredError()`, `BinaryCrossentropy()` and
    /// `BinaryCrossentropy(from_logits=True)` of these numbers and `np.eye(3)[[1, 2]]`, or these images.
    #[test]
    fn losses_are_those_of_keras() {
        let new = |values: &[f32], shape: &[usize]| {
            Tensor::from_slice(values, shape, &Device::Cpu).unwrap()
        };
        let labels = Tensor::new(&[1_u32, 2], &Device::Cpu).unwrap();
        let images = new(&[0.0, 0.25, 1.0, 0.5], &[1, 2, 2, 1]);
        let drawn = new(&[0.1, 0.25, 0.75, 0.9], &[1, 2, 2, 1]);
        let scores = new(&[0.2, 0.9, 0.0, 0.5, 0.01, 1.0], &[2, 3]);
        let logits = new(&[2.0, -1.0, 0.5, 30.0, -40.0, 0.0], &[2, 3]);
        let (squared, binary): (&dyn Loss, &dyn Loss) =
            (&MeanSquaredError::new(), &BinaryCrossEntropy::new());
        for (loss, outputs, keras) in [
            (squared, &scores, 0.050_016_664),
            (squared, &drawn, 0.058_124_997),
            (binary, &scores, 0.171_950_31),
            (binary, &drawn, 0.539_837_6),
            (&BinaryCrossEntropy::from_logits(), &logits, 5.851_236),
        ] {
            let targets = Targets {
                labels: &labels,
                images: &images,
                classes: 3,
            };
            let found = loss.of_batch(outputs, &targets).unwrap();
            let found: f32 = found.to_scalar().unwrap();
            assert!(
                (found - keras).abs() < 1e-6,
                "{loss:?}: {found} for {keras}"
            );
        }
    }
}
