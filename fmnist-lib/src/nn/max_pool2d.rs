use candle_core::{D, Tensor};
use fmnist_kernels::{self as kernels, Windows};
use serde::{Deserialize, Serialize};

use super::sliding::{Pair, Sliding, placed, pooled, sliding_layer, windows_of};
use super::stage::{Backward, Forward, Place, Stage, Staged};
use super::{Layer, Pass, without_batch};
use crate::error::Result;

/// `keras.layers.MaxPool2D`: the largest value of each window in each channel. Windows lie side by side,
/// and rows and columns that do not fill a window are left out, unless said otherwise. Where several
/// values tie, the first (row by row) receives the gradient, as in TensorFlow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[must_use = "a setting gives back the changed value"]
pub struct MaxPool2d {
    #[serde(rename = "size")]
    pub(crate) pool_size: Pair,
    #[serde(flatten)]
    pub(crate) sliding: Sliding,
}

impl MaxPool2d {
    /// Windows of `pool_size`, at least 1: `2` is 2×2.
    pub fn new(pool_size: impl Into<Pair>) -> Self {
        Self {
            pool_size: pool_size.into(),
            sliding: Sliding::default(),
        }
    }

    /// Whether its windows are of `size` and lie side by side.
    pub(super) fn is_side_by_side(&self, size: usize) -> bool {
        *self == Self::new(size)
    }

    pub(super) fn stage(&self, place: &Place<'_>) -> Option<Staged> {
        let windows = placed(self.windows(self.pool_size, place.inputs[0]));
        Some(Staged::alone(kernels::MaxPool(windows)))
    }
}

sliding_layer!(MaxPool2d, usual: |it| it.pool_size);

impl Layer for MaxPool2d {
    fn kind(&self) -> &str {
        "MaxPooling2D"
    }

    fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>> {
        self.windows(self.pool_size, input).map(pooled)
    }

    fn forward(&self, input: &Tensor, _: &[Tensor], _: &Pass<'_>) -> Result<Tensor> {
        // Candle's max_pool2d hands a unique maximum only a quarter of its gradient.
        let windows = self.windows(self.pool_size, without_batch(input))?;
        let values = windows_of(input, &windows, f64::NEG_INFINITY)?;
        let place = values.argmax_keepdim(D::Minus1)?;
        let largest = values.gather(&place, D::Minus1)?.squeeze(D::Minus1)?;
        // Candle takes no NaN for the largest.
        let is_nan = values.ne(&values)?.max(D::Minus1)?;
        Ok(is_nan.where_cond(&(largest.ones_like()? * f64::NAN)?, &largest)?)
    }
}

impl Stage for kernels::MaxPool {
    fn kernel(&self) -> &'static str {
        "vector loops"
    }

    fn forward(&self, pass: Forward<'_>) -> Result<()> {
        self.forward(pass.isa, pass.inputs[0], pass.output);
        Ok(())
    }

    fn backward(&self, pass: Backward<'_>) -> Result<()> {
        self.backward(
            pass.isa,
            pass.inputs[0],
            pass.output,
            pass.gradient,
            &mut pass.of_inputs[0],
        );
        Ok(())
    }
}
