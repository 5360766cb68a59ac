use std::ops::Not;

use candle_core::{CpuStorage, CustomOp3, Layout, Shape, Tensor};
use serde::{Deserialize, Serialize};

use super::kernels::{self, Isa};
use super::zero_padding2d::zeros_around;
use super::{Activation, Init, Layer, Pass, Weight, f32_slices, image_shape, on_cpu_in_f32};
use crate::{Error, Result};

/// `keras.layers.Conv2D`: slides `filters` windows over the image, one pixel at a time, and adds a
/// bias to each; by default without padding ("valid").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conv2d {
    pub(crate) filters: usize,
    pub(crate) window: usize,
    pub(crate) activation: Activation,
    init: Init,
    // Left out where it is true: such networks are written as before there was a choice.
    #[serde(default = "yes", skip_serializing_if = "Clone::clone")]
    bias: bool,
    #[serde(default, skip_serializing_if = "Not::not")]
    same: bool,
}

fn yes() -> bool {
    true
}

impl Conv2d {
    /// `filters` windows of 3×3; linear, Glorot uniform, zero bias.
    pub fn new(filters: usize) -> Self {
        Self {
            filters,
            window: 3,
            activation: Activation::Linear,
            init: Init::GlorotUniform,
            bias: true,
            same: false,
        }
    }

    /// Makes the windows `size`×`size`.
    pub fn window(self, size: usize) -> Self {
        Self {
            window: size,
            ..self
        }
    }

    /// Puts zeros around the image, so that the output has its size (`padding="same"`).
    pub fn same(self) -> Self {
        Self { same: true, ..self }
    }

    /// Follows the sum with a ReLU.
    pub fn relu(self) -> Self {
        Self {
            activation: Activation::Relu,
            ..self
        }
    }

    /// Adds no bias (`use_bias=False`): a [`BatchNorm`](super::BatchNorm) behind it would take it
    /// away again.
    pub fn without_bias(self) -> Self {
        Self {
            bias: false,
            ..self
        }
    }

    pub(crate) fn has_bias(&self) -> bool {
        self.bias
    }

    pub(crate) fn is_same(&self) -> bool {
        self.same
    }

    /// Starts the kernel as `init` says.
    pub fn init(self, init: Init) -> Self {
        Self { init, ..self }
    }
}

impl Layer for Conv2d {
    fn kind(&self) -> &str {
        "Conv2D"
    }

    fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>> {
        let (height, width, _) = image_shape("Conv2d", input)?;
        let lost = match self.same {
            true => 0,
            false => self.window.saturating_sub(1),
        };
        if self.window == 0 || height.min(width) <= lost {
            return Err(Error::Invalid(format!(
                "a {0}x{0} convolution does not fit into an input of {height}x{width}",
                self.window
            )));
        }
        Ok(vec![height - lost, width - lost, self.filters])
    }

    fn weights(&self, input: &[usize]) -> Vec<Weight> {
        let shape = vec![self.window, self.window, input[2], self.filters];
        let bias = Weight::new("bias", vec![self.filters], Init::Zeros);
        let bias = self.bias.then_some(bias);
        let kernel = Weight::new("kernel", shape, self.init);
        std::iter::once(kernel).chain(bias).collect()
    }

    fn forward(&self, input: &Tensor, weights: &[Tensor], _: &Pass<'_>) -> Result<Tensor> {
        let kernel = &weights[0];
        let bias = match weights.get(1) {
            Some(bias) => bias,
            None => &Tensor::zeros(self.filters, kernel.dtype(), kernel.device())?,
        };
        if self.window == 3 && on_cpu_in_f32(&[input, kernel, bias]) {
            let op = ConvOp {
                relu: self.activation == Activation::Relu,
                padding: usize::from(self.same),
            };
            return Ok(input.contiguous()?.apply_op3(kernel, bias, op)?);
        }
        let input = match self.same {
            // Where the number of zeros is odd, Keras puts one more below and to the right.
            true => &zeros_around(input, (self.window - 1) / 2, self.window / 2)?,
            false => input,
        };
        let sums = input
            .permute((0, 3, 1, 2))?
            .conv2d(&kernel.permute((3, 2, 0, 1))?, 0, 1, 1, 1)?
            .permute((0, 2, 3, 1))?
            .broadcast_add(bias)?;
        self.activation.apply(sums)
    }
}

/// Convolution, bias and ReLU in one operation, so that the sums before the ReLU are never stored.
struct ConvOp {
    relu: bool,
    padding: usize,
}

impl ConvOp {
    fn activation(&self) -> kernels::Activation<'static> {
        kernels::Activation {
            relu: self.relu,
            dropout: None,
        }
    }

    fn geometry(&self, input: &Shape, kernel: &Shape) -> candle_core::Result<kernels::Conv> {
        let (_, height, width, inputs) = input.dims4()?;
        let outputs = kernel.dims4()?.3;
        Ok(kernels::Conv {
            height,
            width,
            inputs,
            outputs,
            padding: self.padding,
        })
    }
}

impl CustomOp3 for ConvOp {
    fn name(&self) -> &'static str {
        "conv2d"
    }

    fn cpu_fwd(
        &self,
        input: &CpuStorage,
        input_layout: &Layout,
        kernel: &CpuStorage,
        kernel_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        let conv = self.geometry(input_layout.shape(), kernel_layout.shape())?;
        let (rows, columns) = conv.output_size();
        let shape = (input_layout.dims()[0], rows, columns, conv.outputs);
        let mut output = Vec::new();
        conv.forward(
            Isa::best(),
            contiguous(input, input_layout)?,
            contiguous(kernel, kernel_layout)?,
            contiguous(bias, bias_layout)?,
            self.activation(),
            &mut output,
        );
        Ok((CpuStorage::F32(output), shape.into()))
    }

    fn bwd(
        &self,
        input: &Tensor,
        kernel: &Tensor,
        bias: &Tensor,
        output: &Tensor,
        gradient: &Tensor,
    ) -> candle_core::Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let conv = self.geometry(input.shape(), kernel.shape())?;
        // Pixels need no gradient: for a first layer that is half of the work.
        let wants_input = input.track_op();
        let mut gradients = kernels::Gradients::default();
        f32_slices(&[input, kernel, output, gradient], |slices| {
            let (x, w, y, dy) = (slices[0], slices[1], slices[2], slices[3]);
            let activation = self.activation();
            conv.backward(
                Isa::best(),
                x,
                w,
                y,
                dy,
                activation,
                wants_input,
                &mut gradients,
            );
        })?;
        let tensor = |values, like: &Tensor| Tensor::from_vec(values, like.shape(), input.device());
        let dx = wants_input
            .then(|| tensor(gradients.input, input))
            .transpose()?;
        let (dw, db) = (
            tensor(gradients.weights, kernel)?,
            tensor(gradients.bias, bias)?,
        );
        Ok((dx, Some(dw), Some(db)))
    }
}

fn contiguous<'a>(storage: &'a CpuStorage, layout: &Layout) -> candle_core::Result<&'a [f32]> {
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(&storage.as_slice::<f32>()?[start..end]),
        None => candle_core::bail!("conv2d needs contiguous tensors"),
    }
}
