use candle_core::Tensor;
use fmnist_kernels as kernels;
use serde::{Deserialize, Serialize};

use super::stage::{Place, Staged};
use super::sums_stage::SumsStage;
use super::{Activation, Init, Layer, Pass, Weight, at_least_one};
use crate::error::{Error, Result};

/// `keras.layers.Dense`: every output is a weighted sum of all inputs, plus a bias.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[must_use = "a setting gives back the changed value"]
pub struct Dense {
    pub(crate) units: usize,
    pub(crate) activation: Activation,
    pub(crate) init: Init,
}

impl Dense {
    /// `units` outputs, at least 1; linear, Glorot uniform, zero bias.
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

    /// Follows the sum with `activation`.
    pub fn activation(self, activation: Activation) -> Self {
        Self { activation, ..self }
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
        at_least_one("the number of units of Dense", self.units)?;
        match input {
            [_] => Ok(vec![self.units]),
            _ => Err(Error::Invalid(format!(
                "Dense needs a flat input, but gets {input:?}: put a Flatten layer before it"
            ))),
        }
    }

    fn weights(&self, input: &[usize]) -> Vec<Weight> {
        let shape = vec![input[0], self.units];
        let bias = self.init.of_bias(&shape);
        vec![
            Weight::new("kernel", shape, self.init),
            Weight::new("bias", vec![self.units], bias),
        ]
    }

    fn forward(&self, input: &Tensor, weights: &[Tensor], _: &Pass<'_>) -> Result<Tensor> {
        self.activation
            .apply(input.matmul(&weights[0])?.broadcast_add(&weights[1])?)
    }
}

impl Dense {
    pub(super) fn stage(&self, place: &Place<'_>) -> Option<Staged> {
        let kernel = kernels::Dense {
            inputs: place.inputs[0][0],
            outputs: self.units,
        };
        Some(SumsStage::staged(kernel, self.activation, place))
    }
}
