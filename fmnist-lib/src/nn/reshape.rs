use candle_core::Tensor;
use serde::{Deserialize, Serialize};

use super::stage::{Place, Staged};
use super::{Layer, Pass, product};
use crate::error::{Error, Result};

/// `keras.layers.Reshape`: the same values in another shape.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reshape {
    pub(crate) shape: Vec<usize>,
}

impl Reshape {
    /// The shape of one image, the batch dimension left out: `[7, 7, 16]`.
    pub fn new(shape: impl Into<Vec<usize>>) -> Self {
        Self {
            shape: shape.into(),
        }
    }

    pub(super) fn stage(&self, _: &Place<'_>) -> Option<Staged> {
        None
    }
}

impl Layer for Reshape {
    fn kind(&self) -> &str {
        "Reshape"
    }

    fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>> {
        if product(&self.shape) == product(input) {
            return Ok(self.shape.clone());
        }
        Err(Error::Invalid(format!(
            "the shape {:?} has {} values, but the input {input:?} has {}",
            self.shape,
            product(&self.shape),
            product(input)
        )))
    }

    fn forward(&self, input: &Tensor, _: &[Tensor], _: &Pass<'_>) -> Result<Tensor> {
        let shape = [&[input.dim(0)?], &self.shape[..]].concat();
        Ok(input.reshape(shape)?)
    }
}
