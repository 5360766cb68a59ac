//! One training step, up to the gradients: with the fused kernels where they fit, layer by layer
//! through Candle elsewhere.

use candle_core::{D, Device, Tensor, Var};
use candle_nn::loss::cross_entropy;
use candle_nn::ops::log_softmax;

use super::Model;
use super::fused::Fused;
use crate::metrics::correct;
use crate::nn::{MOVING_MEAN, MOVING_VARIANCE, Step, f32_slices, follow, on_cpu_in_f32};
use crate::{CLASSES, Error, Result};

/// What one batch says of the weights.
pub(crate) struct Gradients {
    /// Mean cross-entropy of the batch.
    pub(crate) loss: f32,
    /// Images classified correctly.
    pub(crate) correct: usize,
    /// For each weight, the gradient of the loss; `None` where the loss does not depend on it.
    pub(crate) of_weights: Vec<Option<Tensor>>,
}

impl Model {
    /// Loss and gradients of a batch: inputs (batch, 28, 28, 1), labels (batch). `smoothing` is the
    /// part of the target that all classes share.
    pub(crate) fn gradients(
        &self,
        input: &Tensor,
        labels: &Tensor,
        smoothing: f64,
        step: Step,
    ) -> Result<Gradients> {
        let fused = self.fused.as_ref().filter(|_| self.suits_fused(input));
        let scores = match fused {
            // Candle's graph starts at the scores: behind them the kernels go back by themselves.
            Some(fused) => {
                Var::from_tensor(&self.forward_fused(fused, input, Some(step))?)?.into_inner()
            }
            None => self.forward_by_layers(input, Some(step))?,
        };
        self.check_scores(&scores, input.dim(0)?)?;
        let mut loss = cross_entropy(&scores, labels)?;
        if smoothing > 0.0 {
            // Cross-entropy against the uniform distribution.
            let uniform = log_softmax(&scores, D::Minus1)?.mean_all()?.neg()?;
            loss = ((loss * (1.0 - smoothing))? + (uniform * smoothing)?)?;
        }
        let gradients = loss.backward()?;
        let of_weights = match fused {
            Some(fused) => {
                let of_scores = gradients.get(&scores).ok_or_else(|| {
                    let model = self.spec.name();
                    Error::Invalid(format!("the loss of model {model} depends on no score"))
                })?;
                self.backward_fused(fused, input, of_scores)?
            }
            None => self.vars().map(|var| gradients.get(var).cloned()).collect(),
        };
        Ok(Gradients {
            loss: loss.to_scalar()?,
            correct: correct(&scores, labels)?,
            of_weights,
        })
    }

    /// Refuses scores that are not one for each class and image.
    pub(crate) fn check_scores(&self, scores: &Tensor, images: usize) -> Result<()> {
        if scores.dims() == [images, CLASSES] {
            return Ok(());
        }
        Err(Error::Invalid(format!(
            "model {} gives {:?} for {images} images; its last layer must give {CLASSES} scores \
             each, as Dense::new({CLASSES}) does",
            self.spec.name(),
            scores.dims(),
        )))
    }

    pub(super) fn suits_fused(&self, input: &Tensor) -> bool {
        input.dims().get(1..) == Some(&self.spec.input) && on_cpu_in_f32(&[input])
    }

    pub(super) fn forward_fused(
        &self,
        fused: &Fused,
        input: &Tensor,
        step: Option<Step>,
    ) -> Result<Tensor> {
        let mut tensors: Vec<&Tensor> = vec![input];
        tensors.extend(self.vars().map(|var| var.as_tensor()));
        let count = input.dim(0)?;
        let scores = f32_slices(&tensors, |slices| {
            fused.forward(slices[0], count, &slices[1..], step)
        })?;
        if step.is_some() {
            for (first, moments, momentum) in fused.moments() {
                for (place, values) in [
                    (MOVING_MEAN, moments.mean),
                    (MOVING_VARIANCE, moments.variance),
                ] {
                    let moving = self.named_weights()[first + place].var.as_tensor();
                    let batch = Tensor::from_vec(values, moving.shape(), &Device::Cpu)?;
                    follow(moving, &batch, momentum)?;
                }
            }
        }
        let width = scores.len() / count.max(1);
        Ok(Tensor::from_vec(scores, (count, width), &Device::Cpu)?)
    }

    fn backward_fused(
        &self,
        fused: &Fused,
        input: &Tensor,
        of_scores: &Tensor,
    ) -> Result<Vec<Option<Tensor>>> {
        let mut tensors: Vec<&Tensor> = vec![input, of_scores];
        tensors.extend(self.vars().map(|var| var.as_tensor()));
        let of_weights = f32_slices(&tensors, |slices| {
            fused.backward(slices[0], &slices[2..], slices[1])
        })?;
        of_weights
            .into_iter()
            .zip(self.vars())
            .map(|(values, var)| {
                let tensor = |values| Tensor::from_vec(values, var.shape(), &Device::Cpu);
                Ok(values.map(tensor).transpose()?)
            })
            .collect()
    }
}
