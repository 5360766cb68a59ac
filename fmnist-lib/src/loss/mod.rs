//! What training makes small.

mod any_loss;
mod cross_entropy;
mod elementwise;
mod mean_of;

use std::fmt::Debug;

use candle_core::{DType, Tensor};

pub use any_loss::AnyLoss;
pub(crate) use cross_entropy::CrossEntropy;
pub use elementwise::{BinaryCrossEntropy, MeanSquaredError};

use crate::data::Dataset;
use crate::error::Result;

/// How far the outputs of a network are from what they should be (`keras.losses`). Implement it to add your own.
///
/// ```
/// use std::sync::Arc;
///
/// use candle_core::Tensor;
/// use fmnist_lib::{AnyLoss, FitConfig, Loss, Result, Targets, candle_core};
///
/// /// `keras.losses.MeanAbsoluteError`.
/// #[derive(Debug)]
/// struct MeanAbsoluteError;
///
/// impl Loss for MeanAbsoluteError {
///     fn of_batch(&self, outputs: &Tensor, targets: &Targets<'_>) -> Result<Tensor> {
///         Ok((outputs - targets.like(outputs)?)?.abs()?.mean_all()?)
///     }
/// }
///
/// let config = FitConfig::default().loss(AnyLoss::Custom(Arc::new(MeanAbsoluteError)));
/// # let _ = config;
/// ```
pub trait Loss: Debug + Send + Sync {
    /// The mean over a batch, a tensor without dimensions. Gradients are Candle's of the operations that are used.
    ///
    /// `outputs` has the shape (batch, output shape of the last layer), in `f32`.
    ///
    /// # Errors
    /// When the two cannot be compared.
    fn of_batch(&self, outputs: &Tensor, targets: &Targets<'_>) -> Result<Tensor>;

    /// Refuses networks that give something else than this compares, before the first step. `output_shape` is that of
    /// the last layer, for one image.
    ///
    /// # Errors
    /// By default never.
    fn check(&self, _output_shape: &[usize], _dataset: &Dataset) -> Result<()> {
        Ok(())
    }

    /// The name of what it does, by which a [`Sweep`](crate::Sweep) finds the results of earlier runs;
    /// see [`Layer::key`](crate::Layer::key).
    fn key(&self) -> Option<String> {
        None
    }
}

/// What a batch should have given.
#[derive(Clone, Copy, Debug)]
pub struct Targets<'a> {
    /// The label of each image: (batch), `u32`.
    pub labels: &'a Tensor,
    /// What the network has got, scaled and augmented: (batch, height, width, channels), `f32`.
    pub images: &'a Tensor,
    /// Number of classes.
    pub classes: usize,
}

impl Targets<'_> {
    /// What outputs of the shape of `outputs` are compared with: the images themselves, where outputs have their
    /// shape (an autoencoder); otherwise the labels as rows of numbers, 1 at the label and 0 elsewhere ("one-hot"),
    /// (batch, classes).
    ///
    /// # Errors
    /// When the device is out of memory.
    pub fn like(&self, outputs: &Tensor) -> Result<Tensor> {
        if outputs.dims() == self.images.dims() {
            return Ok(self.images.detach());
        }
        let all = Tensor::arange(0, self.classes as u32, outputs.device())?;
        let hits = self.labels.unsqueeze(1)?.broadcast_eq(&all)?;
        Ok(hits.to_dtype(DType::F32)?)
    }
}

impl<L: Loss + ?Sized> Loss for &L {
    fn of_batch(&self, outputs: &Tensor, targets: &Targets<'_>) -> Result<Tensor> {
        (**self).of_batch(outputs, targets)
    }

    fn check(&self, output_shape: &[usize], dataset: &Dataset) -> Result<()> {
        (**self).check(output_shape, dataset)
    }

    fn key(&self) -> Option<String> {
        (**self).key()
    }
}
