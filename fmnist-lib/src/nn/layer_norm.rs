use candle_core::{D, Tensor};
use fmnist_kernels as kernels;
use serde::{Deserialize, Serialize};

use super::stage::{Backward, Forward, Place, Stage, Staged};
use super::{Init, Layer, Pass, Weight};
use crate::error::Result;

/// `keras.layers.LayerNormalization`: gives the channels of each pixel (or the outputs of a dense layer)
/// the mean `beta` and the deviation `gamma`, both learned (Ba et al., 2016). Training and evaluation
/// do the same.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[must_use = "a setting gives back the changed value"]
pub struct LayerNorm {
    pub(crate) epsilon: f64,
}

impl LayerNorm {
    /// Keras's: epsilon 0.001.
    pub fn new() -> Self {
        Self { epsilon: 1e-3 }
    }

    /// Adds `epsilon` to the variance. PyTorch's is 1e-5.
    pub fn epsilon(self, epsilon: f64) -> Self {
        Self { epsilon }
    }

    pub(super) fn stage(&self, place: &Place<'_>) -> Option<Staged> {
        Some(Staged::alone(kernels::LayerNorm {
            channels: place.output.last().copied().unwrap_or(1),
            epsilon: self.epsilon as f32,
        }))
    }
}

impl Default for LayerNorm {
    fn default() -> Self {
        Self::new()
    }
}

impl Layer for LayerNorm {
    fn kind(&self) -> &str {
        "LayerNormalization"
    }

    fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>> {
        super::check_epsilon("LayerNorm", self.epsilon)?;
        Ok(input.to_vec())
    }

    fn weights(&self, input: &[usize]) -> Vec<Weight> {
        let shape: Vec<usize> = input.last().copied().into_iter().collect();
        vec![
            Weight::new("gamma", shape.clone(), Init::Ones),
            Weight::new("beta", shape, Init::Zeros),
        ]
    }

    fn forward(&self, input: &Tensor, weights: &[Tensor], _: &Pass<'_>) -> Result<Tensor> {
        let centred = input.broadcast_sub(&input.mean_keepdim(D::Minus1)?)?;
        let variance = centred.sqr()?.mean_keepdim(D::Minus1)?;
        let normal = centred.broadcast_div(&(variance + self.epsilon)?.sqrt()?)?;
        Ok(normal
            .broadcast_mul(&weights[0])?
            .broadcast_add(&weights[1])?)
    }
}

impl Stage for kernels::LayerNorm {
    fn kernel(&self) -> &'static str {
        "vector loops"
    }

    fn forward(&self, pass: Forward<'_>) -> Result<()> {
        pass.weights
            .read(|w| self.forward(pass.inputs[0], w[0], w[1], pass.output))
    }

    fn reads_output(&self) -> bool {
        false
    }

    fn backward(&self, mut pass: Backward<'_>) -> Result<()> {
        pass.fill(|pass, dy, w, into| self.backward(pass.inputs[0], w[0], dy, into))
    }
}
