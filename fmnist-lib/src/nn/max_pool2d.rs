use candle_core::{CpuStorage, CustomOp1, D, Layout, Shape, Tensor};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

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
    /// For each output pixel of one image, hands `visit` its offset in the output and those of its
    /// window's pixels in the input, all to be followed by the channels.
    fn windows(
        &self,
        [height, width, channels]: [usize; 3],
        mut visit: impl FnMut(usize, &mut dyn Iterator<Item = usize>),
    ) {
        let size = self.size;
        let (rows, columns) = (height / size, width / size);
        for row in 0..rows {
            for column in 0..columns {
                let corner = (row * width + column) * size;
                let mut window = (0..size * size)
                    .map(|step| (corner + step / size * width + step % size) * channels);
                visit((row * columns + column) * channels, &mut window);
            }
        }
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
        let input = &storage.as_slice::<f32>()?[layout.start_offset()..];
        let shape = (batch, height / self.size, width / self.size, channels);
        let pooled = shape.1 * shape.2 * channels;
        let mut output = vec![f32::NEG_INFINITY; batch * pooled];
        output
            .par_chunks_mut(pooled)
            .zip(input.par_chunks(height * width * channels))
            .for_each(|(output, image)| {
                self.windows([height, width, channels], |to, window| {
                    let output = &mut output[to..to + channels];
                    for from in window {
                        for (most, &value) in output.iter_mut().zip(&image[from..]) {
                            // A NaN stays, so that divergence is seen rather than pooled away.
                            if value > *most || value.is_nan() {
                                *most = value;
                            }
                        }
                    }
                });
            });
        Ok((CpuStorage::F32(output), shape.into()))
    }

    fn bwd(
        &self,
        input: &Tensor,
        output: &Tensor,
        gradient: &Tensor,
    ) -> candle_core::Result<Option<Tensor>> {
        let (_, height, width, channels) = input.dims4()?;
        let image = height * width * channels;
        let pooled = (height / self.size) * (width / self.size) * channels;
        let mut result = vec![0.0; input.elem_count()];
        f32_slices(&[input, output, gradient], |slices| {
            let (input, output, gradient) = (slices[0], slices[1], slices[2]);
            result
                .par_chunks_mut(image)
                .enumerate()
                .for_each(|(index, result)| {
                    let image = &input[index * image..][..image];
                    let output = &output[index * pooled..][..pooled];
                    let mut left = gradient[index * pooled..][..pooled].to_vec();
                    self.windows([height, width, channels], |to, window| {
                        let (output, left) =
                            (&output[to..to + channels], &mut left[to..to + channels]);
                        for from in window {
                            let result = &mut result[from..from + channels];
                            let values = image[from..from + channels].iter().zip(output);
                            for ((result, (value, most)), left) in
                                result.iter_mut().zip(values).zip(&mut *left)
                            {
                                // The first of several maxima takes the gradient, none is left for the others.
                                if value == most {
                                    *result = std::mem::take(left);
                                }
                            }
                        }
                    });
                });
        })?;
        Ok(Some(Tensor::from_vec(
            result,
            input.shape(),
            input.device(),
        )?))
    }
}
