use candle_core::Tensor;
use fmnist_kernels::{TransposedConv, WindowConv, Windows};
use serde::{Deserialize, Serialize};

use super::conv2d::convolve;
use super::sliding::{Pair, Sliding, placed};
use super::stage::{Place, Staged};
use super::sums::{kernel_and_bias, sums_settings};
use super::sums_stage::SumsStage;
use super::{Activation, Init, Layer, Pass, Weight, at_least_one, image_shape, without_batch};
use crate::error::Result;

/// `keras.layers.Conv2DTranspose`: each pixel adds a window of its own to a larger image, and a bias is added to
/// each sum; by default windows of 3×3, one pixel apart. With `strides(2)` and [`same`](Self::same) both sides
/// double: the way back from a [`Conv2d`](super::Conv2d) with these strides.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[must_use = "a setting gives back the changed value"]
pub struct Conv2dTranspose {
    pub(crate) filters: usize,
    pub(crate) kernel_size: Pair,
    pub(crate) strides: Pair,
    pub(crate) same: bool,
    pub(crate) activation: Activation,
    pub(crate) init: Init,
    pub(crate) bias: bool,
}

impl Conv2dTranspose {
    /// `filters` windows of 3×3, at least 1; linear, Glorot uniform, zero bias.
    pub fn new(filters: usize) -> Self {
        Self {
            filters,
            kernel_size: 3.into(),
            strides: 1.into(),
            same: false,
            activation: Activation::Linear,
            init: Init::GlorotUniform,
            bias: true,
        }
    }

    /// Makes the windows as large as `size`, at least 1.
    pub fn kernel_size(self, size: impl Into<Pair>) -> Self {
        Self {
            kernel_size: size.into(),
            ..self
        }
    }

    /// Moves the windows of neighbouring pixels so many pixels apart, at least 1.
    pub fn strides(self, strides: impl Into<Pair>) -> Self {
        Self {
            strides: strides.into(),
            ..self
        }
    }

    /// Cuts the image to the size of the input times the strides (`padding="same"`). Without this, nothing of a
    /// window is cut off.
    pub fn same(self) -> Self {
        Self { same: true, ..self }
    }

    /// The windows of the convolution that leads back from the output to an input of shape `input`.
    ///
    /// # Errors
    /// When the input is no image, or a size is 0 or too large.
    pub(crate) fn windows(&self, input: &[usize]) -> Result<Windows> {
        let (height, width, _) = image_shape("Conv2dTranspose", input)?;
        let (Pair(window), Pair(strides)) = (self.kernel_size, self.strides);
        let sides = [height, width];
        // Keras's `compute_conv_transpose_output_length`.
        let side = |axis: usize| {
            let even = sides[axis].saturating_mul(strides[axis]);
            let more = window[axis].saturating_sub(strides[axis]);
            even.saturating_add(if self.same { 0 } else { more })
        };
        let sliding = Sliding {
            same: self.same,
            ..Sliding::default()
        };
        let output = [side(0), side(1), self.filters];
        sliding.windows("Conv2dTranspose", &output, self.kernel_size, self.strides)
    }
}

sums_settings!(Conv2dTranspose);

impl Layer for Conv2dTranspose {
    fn kind(&self) -> &str {
        "Conv2DTranspose"
    }

    fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>> {
        at_least_one("the number of filters of Conv2dTranspose", self.filters)?;
        let windows = self.windows(input)?;
        Ok(vec![windows.height, windows.width, self.filters])
    }

    fn weights(&self, input: &[usize]) -> Vec<Weight> {
        let [rows, columns] = self.kernel_size.0;
        let shape = vec![rows, columns, self.filters, input[2]];
        kernel_and_bias(shape, self.filters, self.init, self.bias)
    }

    /// As a convolution of the input with zeros between its pixels, with the windows turned around.
    fn forward(&self, input: &Tensor, weights: &[Tensor], _: &Pass<'_>) -> Result<Tensor> {
        let windows = self.windows(without_batch(input))?;
        let mut wide = input.clone();
        for axis in [0, 1] {
            wide = spread(&wide, axis + 1, windows.strides[axis])?;
        }
        let (_, height, width, channels) = wide.dims4()?;
        let [rows, columns] = windows.window;
        let around = |axis: usize, side: usize, to: usize| {
            let before = windows.window[axis] - 1 - windows.padding[axis][0];
            [before, to + windows.window[axis] - 1 - side - before]
        };
        let turned = Windows {
            height,
            width,
            channels,
            window: windows.window,
            strides: [1, 1],
            padding: [
                around(0, height, windows.height),
                around(1, width, windows.width),
            ],
        };
        let backwards = |count: usize| {
            let places: Vec<u32> = (0..count as u32).rev().collect();
            Tensor::from_vec(places, count, input.device())
        };
        let kernel = (weights[0].contiguous()?)
            .index_select(&backwards(rows)?, 0)?
            .index_select(&backwards(columns)?, 1)?
            .transpose(2, 3)?;
        let sums = convolve(&wide, &kernel, &turned, 1)?;
        let sums = match weights.get(1) {
            Some(bias) => sums.broadcast_add(bias)?,
            None => sums,
        };
        self.activation.apply(sums)
    }
}

/// Puts `stride - 1` zeros between neighbours along a dimension.
fn spread(images: &Tensor, dimension: usize, stride: usize) -> Result<Tensor> {
    let side = images.dim(dimension)?;
    let apart = images.unsqueeze(dimension + 1)?;
    let apart = apart.pad_with_zeros(dimension + 1, 0, stride - 1)?;
    let whole = apart.flatten(dimension, dimension + 1)?;
    Ok(whole.narrow(dimension, 0, (side - 1) * stride + 1)?)
}

impl Conv2dTranspose {
    pub(super) fn stage(&self, place: &Place<'_>) -> Option<Staged> {
        let kernel = TransposedConv(WindowConv {
            windows: placed(self.windows(place.inputs[0])),
            outputs: place.inputs[0][2],
            groups: 1,
        });
        Some(SumsStage::staged(kernel, self.activation, place))
    }
}
