//! The convolution as an operation of Candle's graph.

use candle_core::{CpuStorage, CustomOp3, Layout, Shape, Tensor};
use fmnist_kernels as kernels;

use crate::nn::{contiguous, f32_slices};

/// Convolution, bias and ReLU in one operation, so that the sums before the ReLU are never stored.
pub(super) struct ConvOp {
    pub(super) relu: bool,
    pub(super) padding: usize,
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
        let (window, _, _, outputs) = kernel.dims4()?;
        Ok(kernels::Conv {
            window,
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
        let operands = kernels::Forward {
            x: contiguous(input, input_layout)?,
            weights: contiguous(kernel, kernel_layout)?,
            bias: contiguous(bias, bias_layout)?,
            activation: self.activation(),
        };
        conv.forward(kernels::Isa::best(), operands, &mut output);
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
            let operands = kernels::Backward {
                x: slices[0],
                weights: slices[1],
                y: slices[2],
                dy: slices[3],
                activation: self.activation(),
                wants_input,
            };
            conv.backward(kernels::Isa::best(), operands, &mut gradients);
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
