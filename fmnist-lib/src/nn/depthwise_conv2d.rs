use candle_core::Tensor;
use fmnist_kernels::{Depthwise, Windows};
use serde::{Deserialize, Serialize};

use super::conv2d::convolve;
use super::sliding::{Pair, Sliding, placed, sliding_layer};
use super::stage::{Place, Staged};
use super::sums::{kernel_and_bias, sums_settings};
use super::sums_stage::SumsStage;
use super::{Activation, Init, Layer, Pass, Weight, at_least_one, without_batch};
use crate::error::Result;

/// `keras.layers.DepthwiseConv2D`: windows that look at one channel each, and a bias; by default
/// windows of 3×3, one pixel at a time, without padding ("valid"). A 1×1 [`Conv2d`](super::Conv2d)
/// behind it makes a separable convolution (Howard et al., 2017).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[must_use = "a setting gives back the changed value"]
pub struct DepthwiseConv2d {
    #[serde(rename = "size")]
    pub(crate) kernel_size: Pair,
    #[serde(flatten)]
    pub(crate) sliding: Sliding,
    pub(crate) multiplier: usize,
    pub(crate) activation: Activation,
    pub(crate) init: Init,
    pub(crate) bias: bool,
}

impl DepthwiseConv2d {
    /// Windows of `kernel_size`: `3` is 3×3. One filter for each channel, Glorot uniform; zero bias.
    pub fn new(kernel_size: impl Into<Pair>) -> Self {
        Self {
            kernel_size: kernel_size.into(),
            sliding: Sliding::default(),
            multiplier: 1,
            activation: Activation::Linear,
            init: Init::GlorotUniform,
            bias: true,
        }
    }

    /// Gives each channel so many filters, at least 1.
    pub fn depth_multiplier(self, multiplier: usize) -> Self {
        Self { multiplier, ..self }
    }
}

sums_settings!(DepthwiseConv2d);
sliding_layer!(DepthwiseConv2d, usual: |_| 1.into());

impl Layer for DepthwiseConv2d {
    fn kind(&self) -> &str {
        "DepthwiseConv2D"
    }

    fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>> {
        at_least_one("the depth multiplier of DepthwiseConv2d", self.multiplier)?;
        let windows = self.windows(self.kernel_size, input)?;
        let [rows, columns] = windows.output_size();
        let channels = windows.channels.saturating_mul(self.multiplier);
        Ok(vec![rows, columns, channels])
    }

    fn weights(&self, input: &[usize]) -> Vec<Weight> {
        let [rows, columns] = self.kernel_size.0;
        let shape = vec![rows, columns, input[2], self.multiplier];
        let outputs = input[2] * self.multiplier;
        kernel_and_bias(shape, outputs, self.init, self.bias)
    }

    fn forward(&self, input: &Tensor, weights: &[Tensor], _: &Pass<'_>) -> Result<Tensor> {
        let windows = self.windows(self.kernel_size, without_batch(input))?;
        let (rows, columns, channels, multiplier) = weights[0].dims4()?;
        let kernel = weights[0].reshape((rows, columns, 1, channels * multiplier))?;
        let sums = convolve(input, &kernel, &windows, channels)?;
        let sums = match weights.get(1) {
            Some(bias) => sums.broadcast_add(bias)?,
            None => sums,
        };
        self.activation.apply(sums)
    }
}

impl DepthwiseConv2d {
    pub(super) fn stage(&self, place: &Place<'_>) -> Option<Staged> {
        let kernel = Depthwise {
            windows: placed(self.windows(self.kernel_size, place.inputs[0])),
            multiplier: self.multiplier,
        };
        Some(SumsStage::staged(kernel, self.activation, place))
    }
}
