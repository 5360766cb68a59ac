use candle_core::Tensor;
use serde::{Deserialize, Serialize};

use super::stage::{Place, Staged};
use super::{Layer, Pass, product};
use crate::error::Result;

/// `keras.layers.Flatten`: rows, columns and channels in one line, channels fastest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flatten;

impl Flatten {
    pub(super) fn stage(&self, _: &Place<'_>) -> Option<Staged> {
        None
    }
}

impl Layer for Flatten {
    fn kind(&self) -> &str {
        "Flatten"
    }

    fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>> {
        Ok(vec![product(input)])
    }

    fn forward(&self, input: &Tensor, _: &[Tensor], _: &Pass<'_>) -> Result<Tensor> {
        Ok(input.flatten_from(1)?)
    }
}
