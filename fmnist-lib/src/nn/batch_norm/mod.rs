mod shared;

use candle_core::Tensor;
use fmnist_kernels as kernels;
use serde::{Deserialize, Serialize};

use super::ending::Ending;
use super::stage::{Backward, Forward, Place, Stage, Staged};
use super::{Activation, Init, Layer, Pass, Weight, check_epsilon};
use crate::error::{Error, Result};

/// `keras.layers.BatchNormalization`: gives each channel the mean `beta` and the deviation `gamma`,
/// both learned (Ioffe & Szegedy, 2015).
///
/// While training it measures mean and variance over the batch, and follows them with moving means;
/// when evaluating it uses these, and where it is [frozen](crate::Model::freeze), as in Keras, while training too. A
/// dense layer's outputs are channels too.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[must_use = "a setting gives back the changed value"]
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

    /// Adds `epsilon` to the variance. PyTorch's is 1e-5.
    pub fn epsilon(self, epsilon: f64) -> Self {
        Self { epsilon, ..self }
    }

    /// Follows with `activation`.
    pub fn activation(self, activation: Activation) -> Self {
        Self { activation, ..self }
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
const MOVING_MEAN: usize = 2;
const MOVING_VARIANCE: usize = 3;

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
        check_epsilon("BatchNorm", self.epsilon)?;
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
        let (centred, variance) = if pass.is_training() && !pass.is_frozen() {
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
fn follow(moving: &Tensor, batch: &Tensor, momentum: f64) -> Result<()> {
    let batch = batch.detach();
    let sum = batch.sum_all()?.to_dtype(candle_core::DType::F64)?;
    if sum.to_scalar::<f64>()?.is_finite() {
        let moved = ((moving.detach() * momentum)? + (batch * (1.0 - momentum))?)?;
        moving.slice_set(&moved, 0, 0)?;
    }
    Ok(())
}

#[derive(Debug)]
struct BatchNormStage {
    kernel: kernels::BatchNorm,
    momentum: f64,
    ending: Ending,
}

impl BatchNorm {
    pub(super) fn stage(&self, place: &Place<'_>) -> Option<Staged> {
        let kernel = kernels::BatchNorm {
            channels: place.output.last().copied().unwrap_or(1),
            epsilon: self.epsilon as f32,
        };
        let ending = Ending::new(self.activation, place);
        Some(Staged {
            followers: ending.followers(),
            stage: Box::new(BatchNormStage {
                kernel,
                momentum: self.momentum,
                ending,
            }),
        })
    }
}

impl Stage for BatchNormStage {
    fn kernel(&self) -> &'static str {
        "vector loops"
    }

    fn forward(&self, pass: Forward<'_>) -> Result<()> {
        let kept = pass.kept;
        let x = pass.inputs[0];
        let measures = pass.step.is_some() && !pass.frozen;
        if measures {
            kept.moments = self.kernel.moments(pass.isa, x);
            if let Some(others) = pass.part.others {
                let idle = pass.part.share == 0.0;
                let pixels = if idle {
                    0
                } else {
                    x.len() / self.kernel.channels
                };
                (kept.moments, kept.pixels) = shared::moments(others, &kept.moments, pixels)?;
            }
            kept.statistics.clear();
            let measured = [&kept.moments.mean, &kept.moments.variance];
            for (place, values) in [MOVING_MEAN, MOVING_VARIANCE].into_iter().zip(measured) {
                let moving = pass.weights.0[place].copy()?;
                let batch = Tensor::from_slice(values, moving.shape(), moving.device())?;
                follow(&moving, &batch, self.momentum)?;
                kept.statistics.push(moving);
            }
        }
        let activation = self.ending.begin(pass.images, pass.step, &mut kept.bits);
        pass.weights.read(|w| {
            if !measures {
                w[MOVING_MEAN].clone_into(&mut kept.moments.mean);
                w[MOVING_VARIANCE].clone_into(&mut kept.moments.variance);
            }
            let operands = kernels::BatchNormForward {
                x,
                gamma: w[0],
                beta: w[1],
                moments: &kept.moments,
                activation,
            };
            self.kernel.forward(pass.isa, operands, pass.output);
        })?;
        self.ending
            .end(pass.isa, pass.step, pass.output, &mut kept.sums);
        Ok(())
    }

    fn reads_output(&self) -> bool {
        !self.ending.is_fused()
    }

    fn backward(&self, mut pass: Backward<'_>) -> Result<()> {
        self.ending
            .return_gradient(pass.isa, &pass.kept.sums, pass.output, pass.gradient);
        pass.fill(|pass, dy, w, into| {
            let operands = kernels::BatchNormBackward {
                x: pass.inputs[0],
                gamma: w[0],
                beta: w[1],
                moments: &pass.kept.moments,
                fixed: pass.frozen || pass.part.others.is_some(),
                dy,
                activation: self.ending.again(&pass.kept.bits),
            };
            self.kernel.backward(pass.isa, operands, into);
        })?;
        match pass.part.others {
            Some(others) if !pass.frozen && pass.wants_inputs => {
                shared::complete(self.kernel, others, &mut pass)
            }
            _ => Ok(()),
        }
    }
}
