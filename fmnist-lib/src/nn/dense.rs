use candle_core::Tensor;
use fmnist_kernels as kernels;
use serde::{Deserialize, Serialize};

use super::stage::{Place, Staged};
use super::sums::{kernel_and_bias, sums_settings, yes};
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
    // What is as before there was a choice is left out.
    #[serde(default = "yes", skip_serializing_if = "Clone::clone")]
    pub(crate) bias: bool,
}

impl Dense {
    /// `units` outputs, at least 1; linear, Glorot uniform, zero bias.
    pub fn new(units: usize) -> Self {
        Self {
            units,
            activation: Activation::Linear,
            init: Init::GlorotUniform,
            bias: true,
        }
    }
}

sums_settings!(Dense);

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
        kernel_and_bias(shape, self.units, self.init, self.bias)
    }

    fn forward(&self, input: &Tensor, weights: &[Tensor], _: &Pass<'_>) -> Result<Tensor> {
        let sums = input.matmul(&weights[0])?;
        self.activation.apply(match weights.get(1) {
            Some(bias) => sums.broadcast_add(bias)?,
            None => sums,
        })
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
