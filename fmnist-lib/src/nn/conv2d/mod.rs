mod op;
mod stage;

use candle_core::Tensor;
use fmnist_kernels::Windows;
use serde::{Deserialize, Serialize};

use super::sliding::{Pair, Sliding, sliding_layer};
use super::sums::{kernel_and_bias, sums_settings, yes};
use super::{Activation, Init, Layer, Pass, Weight};
use super::{at_least_one, on_cpu_in_f32, without_batch, zeros_around};
use crate::error::{Error, Result};
use crate::support::stored::{is_one, one};
use op::ConvOp;

/// `keras.layers.Conv2D`: slides `filters` windows over the image and adds a bias to each sum; by
/// default windows of 3×3, one pixel at a time, without padding ("valid").
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[must_use = "a setting gives back the changed value"]
pub struct Conv2d {
    pub(crate) filters: usize,
    #[serde(rename = "window")]
    pub(crate) kernel_size: Pair,
    pub(crate) activation: Activation,
    pub(crate) init: Init,
    // What is as before there was a choice is left out.
    #[serde(default = "yes", skip_serializing_if = "Clone::clone")]
    pub(crate) bias: bool,
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub(crate) groups: usize,
    #[serde(flatten)]
    pub(crate) sliding: Sliding,
}

impl Conv2d {
    /// `filters` windows of 3×3, at least 1; linear, Glorot uniform, zero bias.
    pub fn new(filters: usize) -> Self {
        Self {
            filters,
            kernel_size: 3.into(),
            activation: Activation::Linear,
            init: Init::GlorotUniform,
            bias: true,
            groups: 1,
            sliding: Sliding::default(),
        }
    }

    /// Makes the windows as large as `size`, at least 1: `5` is 5×5, `(1, 7)` one row of seven columns.
    pub fn kernel_size(self, size: impl Into<Pair>) -> Self {
        Self {
            kernel_size: size.into(),
            ..self
        }
    }

    /// Splits channels and filters into so many equal parts, at least 1, each of which sees nothing of the others
    /// ("grouped convolution", Krizhevsky et al., 2012; Xie et al., 2017). Default 1. As many groups as channels:
    /// [`DepthwiseConv2d`](crate::DepthwiseConv2d).
    pub fn groups(self, groups: usize) -> Self {
        Self { groups, ..self }
    }
}

sums_settings!(Conv2d);
sliding_layer!(Conv2d, usual: |_| 1.into());

impl Layer for Conv2d {
    fn kind(&self) -> &str {
        "Conv2D"
    }

    fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>> {
        at_least_one("the number of filters of Conv2d", self.filters)?;
        at_least_one("the number of groups of Conv2d", self.groups)?;
        let windows = self.windows(self.kernel_size, input)?;
        let (channels, filters, groups) = (windows.channels, self.filters, self.groups);
        if !(channels.is_multiple_of(groups) && filters.is_multiple_of(groups)) {
            return Err(Error::Invalid(format!(
                "{groups} groups of Conv2d must divide its {channels} channels and its {filters} filters"
            )));
        }
        let [rows, columns] = windows.output_size();
        Ok(vec![rows, columns, self.filters])
    }

    fn weights(&self, input: &[usize]) -> Vec<Weight> {
        let [rows, columns] = self.kernel_size.0;
        let shape = vec![rows, columns, input[2] / self.groups, self.filters];
        kernel_and_bias(shape, self.filters, self.init, self.bias)
    }

    fn forward(&self, input: &Tensor, weights: &[Tensor], _: &Pass<'_>) -> Result<Tensor> {
        let shape = without_batch(input);
        self.output_shape(shape)?;
        let windows = self.windows(self.kernel_size, shape)?;
        let kernel = &weights[0];
        let [rows, columns] = windows.window;
        let fitting = [rows, columns, shape[2] / self.groups, self.filters];
        if kernel.dims() != fitting {
            return Err(Error::Invalid(format!(
                "Conv2d needs a kernel of shape {fitting:?} for an input of {shape:?}, but gets {:?}",
                kernel.dims()
            )));
        }
        let bias = match weights.get(1) {
            Some(bias) => bias,
            None => &Tensor::zeros(self.filters, kernel.dtype(), kernel.device())?,
        };
        if let Some(conv) = stage::winograd(&windows, self.filters)
            && self.groups == 1
            && on_cpu_in_f32(&[input, kernel, bias])
        {
            let relu = self.activation == Activation::Relu;
            let padding = conv.padding;
            let sums = input
                .contiguous()?
                .apply_op3(kernel, bias, ConvOp { relu, padding })?;
            return if relu {
                Ok(sums)
            } else {
                self.activation.apply(sums)
            };
        }
        let sums = convolve(input, kernel, &windows, self.groups)?;
        self.activation.apply(sums.broadcast_add(bias)?)
    }
}

/// The sums of a convolution by Candle: `images` with channels last, `kernel` as Keras has it.
pub(super) fn convolve(
    images: &Tensor,
    kernel: &Tensor,
    windows: &Windows,
    groups: usize,
) -> Result<Tensor> {
    let [rows, columns] = windows.output_size();
    let reached =
        |count: usize, axis: usize| (count - 1) * windows.strides[axis] + windows.window[axis];
    // Candle's gradient fails where rows or columns are left over.
    let wide = zeros_around(images, windows.padding)?
        .narrow(1, 0, reached(rows, 0))?
        .narrow(2, 0, reached(columns, 1))?
        .permute((0, 3, 1, 2))?;
    let kernel = kernel.permute((3, 2, 0, 1))?;
    let [down, across] = windows.strides;
    // Candle knows one stride for both directions.
    let stride = if down == across { down } else { 1 };
    let mut sums = wide
        .conv2d(&kernel, 0, stride, 1, groups)?
        .permute((0, 2, 3, 1))?;
    if down != across {
        for (axis, count, stride) in [(1, rows, down), (2, columns, across)] {
            let kept: Vec<u32> = (0..count).map(|at| (at * stride) as u32).collect();
            let kept = Tensor::from_vec(kept, count, images.device())?;
            sums = sums.contiguous()?.index_select(&kept, axis)?;
        }
    }
    Ok(sums)
}
