use candle_core::{D, Tensor};
use fmnist_kernels::{self as kernels, Windows};
use serde::{Deserialize, Serialize};

use super::sliding::{Pair, Sliding, placed, pooled, sliding_layer, windows_of};
use super::stage::{Backward, Forward, Place, Stage, Staged};
use super::{Layer, Pass, image_shape, without_batch};
use crate::error::Result;

/// `keras.layers.AvgPool2D`: the mean of each window in each channel. Windows lie side by side, and rows
/// and columns that do not fill a window are left out, unless said otherwise. What lies outside of the
/// image is not counted, as in Keras; PyTorch counts zeros there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[must_use = "a setting gives back the changed value"]
pub struct AvgPool2d {
    #[serde(rename = "size")]
    pub(crate) pool_size: Pair,
    #[serde(flatten)]
    pub(crate) sliding: Sliding,
}

impl AvgPool2d {
    /// Windows of `pool_size`, at least 1: `2` is 2×2.
    pub fn new(pool_size: impl Into<Pair>) -> Self {
        Self {
            pool_size: pool_size.into(),
            sliding: Sliding::default(),
        }
    }

    pub(super) fn stage(&self, place: &Place<'_>) -> Option<Staged> {
        let windows = placed(self.windows(self.pool_size, place.inputs[0]));
        Some(Staged::alone(kernels::AveragePool(windows)))
    }
}

sliding_layer!(AvgPool2d, usual: |it| it.pool_size);

impl Layer for AvgPool2d {
    fn kind(&self) -> &str {
        "AveragePooling2D"
    }

    fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>> {
        self.windows(self.pool_size, input).map(pooled)
    }

    fn forward(&self, input: &Tensor, _: &[Tensor], _: &Pass<'_>) -> Result<Tensor> {
        let windows = self.windows(self.pool_size, without_batch(input))?;
        let sums = windows_of(input, &windows, 0.0)?.sum(D::Minus1)?;
        let pixels = windows_of(&input.ones_like()?, &windows, 0.0)?.sum(D::Minus1)?;
        Ok((sums / pixels)?)
    }
}

impl Stage for kernels::AveragePool {
    fn kernel(&self) -> &'static str {
        "vector loops"
    }

    fn forward(&self, pass: Forward<'_>) -> Result<()> {
        self.forward(pass.isa, pass.inputs[0], pass.output);
        Ok(())
    }

    fn reads_inputs(&self) -> bool {
        false
    }

    fn reads_output(&self) -> bool {
        false
    }

    fn backward(&self, pass: Backward<'_>) -> Result<()> {
        self.backward(pass.isa, pass.gradient, &mut pass.of_inputs[0]);
        Ok(())
    }
}

/// `keras.layers.GlobalAvgPool2D`: the mean of each channel, as a flat output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GlobalAvgPool2d;

impl GlobalAvgPool2d {
    pub(super) fn stage(&self, place: &Place<'_>) -> Option<Staged> {
        let &[height, width, _] = place.inputs[0] else {
            unreachable!("output_shape has refused it");
        };
        AvgPool2d::new((height, width)).stage(place)
    }
}

impl Layer for GlobalAvgPool2d {
    fn kind(&self) -> &str {
        "GlobalAveragePooling2D"
    }

    fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>> {
        let (_, _, channels) = image_shape("GlobalAvgPool2d", input)?;
        Ok(vec![channels])
    }

    fn forward(&self, input: &Tensor, _: &[Tensor], _: &Pass<'_>) -> Result<Tensor> {
        Ok(input.mean((1, 2))?)
    }
}
