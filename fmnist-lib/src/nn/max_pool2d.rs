use candle_core::{CpuStorage, CustomOp1, D, Layout, Shape, Tensor};
use serde::{Deserialize, Serialize};

use super::kernels;
use super::{Layer, Pass, f32_slices, image_shape, on_cpu_in_f32};
use crate::{Error, Result};

/// `keras.layers.MaxPooling2D`: the largest value of each `size`×`size` window, windows side by
/// side, rows and columns that do not fill a window left out. Where several values tie, the first
/// (row by row) receives the gradient, as in TensorFlow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MaxPool2d {
    pub(crate) size: usize,
}

impl MaxPool2d {
    /// Windows of `size`×`size`.
    pub fn new(size: usize) -> Self {
        Self { size }
    }
}

impl Layer for MaxPool2d {
    fn kind(&self) -> &str {
        "MaxPooling2D"
    }

    fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>> {
        let (height, width, channels) = image_shape("MaxPool2d", input)?;
        if self.size == 0 || height < self.size || width < self.size {
            return Err(Error::Invalid(format!(
                "a {0}x{0} pooling window does not fit into an input of {height}x{width}",
                self.size
            )));
        }
        Ok(vec![height / self.size, width / self.size, channels])
    }

    fn forward(&self, input: &Tensor, _: &[Tensor], _: &Pass<'_>) -> Result<Tensor> {
        if on_cpu_in_f32(&[input]) {
            return Ok(input
                .contiguous()?
                .apply_op1(MaxPoolOp { size: self.size })?);
        }
        // Candle's max_pool2d hands a unique maximum only a quarter of its gradient.
        let size = self.size;
        let (batch, height, width, channels) = input.dims4()?;
        let (rows, columns) = (height / size, width / size);
        let windows = input
            .narrow(1, 0, rows * size)?
            .narrow(2, 0, columns * size)?
            .reshape(vec![batch, rows, size, columns, size, channels])?
            .permute(vec![0, 1, 3, 5, 2, 4])?
            .reshape((batch, rows, columns, channels, size * size))?;
        let largest = windows.argmax_keepdim(D::Minus1)?;
        Ok(windows.gather(&largest, D::Minus1)?.squeeze(D::Minus1)?)
    }
}

struct MaxPoolOp {
    size: usize,
}

impl MaxPoolOp {
    fn kernel(&self, input: &Shape) -> candle_core::Result<kernels::MaxPool> {
        let (_, height, width, channels) = input.dims4()?;
        Ok(kernels::MaxPool {
            height,
            width,
            channels,
            size: self.size,
        })
    }
}

impl CustomOp1 for MaxPoolOp {
    fn name(&self) -> &'static str {
        "max-pool2d"
    }

    fn cpu_fwd(
        &self,
        storage: &CpuStorage,
        layout: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        let (batch, height, width, channels) = layout.shape().dims4()?;
        let (start, len) = (layout.start_offset(), layout.shape().elem_count());
        let mut output = Vec::new();
        self.kernel(layout.shape())?
            .forward(&storage.as_slice::<f32>()?[start..start + len], &mut output);
        let shape = (batch, height / self.size, width / self.size, channels);
        Ok((CpuStorage::F32(output), shape.into()))
    }

    fn bwd(
        &self,
        input: &Tensor,
        output: &Tensor,
        gradient: &Tensor,
    ) -> candle_core::Result<Option<Tensor>> {
        let kernel = self.kernel(input.shape())?;
        let mut result = Vec::new();
        f32_slices(&[input, output, gradient], |slices| {
            kernel.backward(slices[0], slices[1], slices[2], &mut result);
        })?;
        let result = Tensor::from_vec(result, input.shape(), input.device())?;
        Ok(Some(result))
    }
}
