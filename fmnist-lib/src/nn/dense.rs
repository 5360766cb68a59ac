use candle_core::Tensor;
use serde::{Deserialize, Serialize};

use super::{Activation, Init, Layer, Pass, Weight};
use crate::{Error, Result};

/// `keras.layers.Dense`: every output is a weighted sum of all inputs, plus a bias.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dense {
    pub(crate) units: usize,
    pub(crate) activation: Activation,
    init: Init,
}

impl Dense {
    /// `units` outputs; linear, Glorot uniform, zero bias.
    pub fn new(units: usize) -> Self {
        Self {
            units,
            activation: Activation::Linear,
            init: Init::GlorotUniform,
        }
    }

    /// Follows the sum with a ReLU.
    pub fn relu(self) -> Self {
        Self {
            activation: Activation::Relu,
            ..self
        }
    }

    /// Starts the kernel as `init` says.
    pub fn init(self, init: Init) -> Self {
        Self { init, ..self }
    }
}

impl Layer for Dense {
    fn kind(&self) -> &str {
        "Dense"
    }

    fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>> {
        match input {
            [_] => Ok(vec![self.units]),
            _ => Err(Error::Invalid(format!(
                "Dense needs a flat input, but gets {input:?}: put a Flatten layer before it"
            ))),
        }
    }

    fn weights(&self, input: &[usize]) -> Vec<Weight> {
        vec![
            Weight::new("kernel", vec![input[0], self.units], self.init),
            Weight::new("bias", vec![self.units], Init::Zeros),
        ]
    }

    fn forward(&self, input: &Tensor, weights: &[Tensor], _: &Pass<'_>) -> Result<Tensor> {
        self.activation
            .apply(input.matmul(&weights[0])?.broadcast_add(&weights[1])?)
    }
}
