use candle_core::Tensor;
use serde::{Deserialize, Serialize};

use super::{Activation, Init, Layer, Pass, Weight};
use crate::{Error, Result};

/// `keras.layers.BatchNormalization`: gives each channel the mean `beta` and the deviation `gamma`,
/// both learned (Ioffe & Szegedy, 2015).
///
/// While training it measures mean and variance over the batch, and follows them with moving means;
/// when evaluating it uses these. A dense layer's outputs are channels too.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct BatchNorm {
    pub(crate) momentum: f64,
    pub(crate) epsilon: f64,
    pub(crate) activation: Activation,
}

impl BatchNorm {
    /// Keras's: momentum 0.99, epsilon 0.001; linear.
    pub fn new() -> Self {
        Self {
            momentum: 0.99,
            epsilon: 1e-3,
            activation: Activation::Linear,
        }
    }

    /// Keeps this part of the moving means in each step, 0 to 1. Where a run has few steps, less
    /// than the default lets them keep up.
    pub fn momentum(self, momentum: f64) -> Self {
        Self { momentum, ..self }
    }

    /// Follows with a ReLU.
    pub fn relu(self) -> Self {
        Self {
            activation: Activation::Relu,
            ..self
        }
    }
}

impl Default for BatchNorm {
    fn default() -> Self {
        Self::new()
    }
}

/// The places of the moving means among a layer's weights.
pub(crate) const MOVING_MEAN: usize = 2;
pub(crate) const MOVING_VARIANCE: usize = 3;

impl Layer for BatchNorm {
    fn kind(&self) -> &str {
        "BatchNormalization"
    }

    fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>> {
        if !(0.0..=1.0).contains(&self.momentum) {
            return Err(Error::Invalid(format!(
                "the momentum of a batch normalisation is between 0 and 1, not {}",
                self.momentum
            )));
        }
        Ok(input.to_vec())
    }

    fn weights(&self, input: &[usize]) -> Vec<Weight> {
        let shape: Vec<usize> = input.last().copied().into_iter().collect();
        let weight = |name, init| Weight::new(name, shape.clone(), init);
        vec![
            weight("gamma", Init::Ones),
            weight("beta", Init::Zeros),
            weight("moving_mean", Init::Zeros).not_trainable(),
            weight("moving_variance", Init::Ones).not_trainable(),
        ]
    }

    fn forward(&self, input: &Tensor, weights: &[Tensor], pass: &Pass<'_>) -> Result<Tensor> {
        let (gamma, beta) = (&weights[0], &weights[1]);
        let moving = (&weights[MOVING_MEAN], &weights[MOVING_VARIANCE]);
        let (centred, variance) = if pass.is_training() {
            let channels = input.dims().last().copied().unwrap_or(1);
            let pixels = input.reshape(((), channels))?;
            let mean = pixels.mean(0)?;
            let centred = input.broadcast_sub(&mean)?;
            let variance = centred.sqr()?.reshape(((), channels))?.mean(0)?;
            follow(moving.0, &mean, self.momentum)?;
            follow(moving.1, &variance, self.momentum)?;
            (centred, variance)
        } else {
            (input.broadcast_sub(moving.0)?, moving.1.clone())
        };
        let scale = (gamma / (variance + self.epsilon)?.sqrt()?)?;
        let normalised = centred.broadcast_mul(&scale)?.broadcast_add(beta)?;
        self.activation.apply(normalised)
    }
}

/// Moves a moving mean towards that of a batch, in place; not at all where that is not finite, as
/// when training diverges.
pub(crate) fn follow(moving: &Tensor, batch: &Tensor, momentum: f64) -> Result<()> {
    let batch = batch.detach();
    let sum = batch.sum_all()?.to_dtype(candle_core::DType::F64)?;
    if sum.to_scalar::<f64>()?.is_finite() {
        let moved = ((moving.detach() * momentum)? + (batch * (1.0 - momentum))?)?;
        moving.slice_set(&moved, 0, 0)?;
    }
    Ok(())
}
