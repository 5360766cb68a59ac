use candle_core::{CpuStorage, CustomOp1, D, Layout, Shape, Tensor};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::{Layer, Pass, f32_slice, image_shape, on_cpu_in_f32};
use crate::{Error, Result};

/// `keras.layers.MaxPooling2D`: the largest value of each `size`×`size` window, windows side by
/// side, rows and columns that do not fill a window left out. Where several values tie, the first
/// (row by row) receives the gradient, as in TensorFlow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MaxPool2d {
    size: usize,
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
    /// For each output value of one image, hands `visit` its index and that of its maximum.
    fn maxima(
        &self,
        image: &[f32],
        [height, width, channels]: [usize; 3],
        mut visit: impl FnMut(usize, usize),
    ) {
        let size = self.size;
        let (rows, columns) = (height / size, width / size);
        for output in 0..rows * columns * channels {
            let (position, channel) = (output / channels, output % channels);
            let corner = (position / columns * size * width + position % columns * size) * channels
                + channel;
            let mut best = corner;
            for step in 1..size * size {
                let at = corner + (step / size * width + step % size) * channels;
                // A NaN wins and stays, so that divergence is seen rather than pooled away.
                if image[at] > image[best] || (image[at].is_nan() && !image[best].is_nan()) {
                    best = at;
                }
            }
            visit(output, best);
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
        let mut output = vec![0.0; shape.0 * shape.1 * shape.2 * shape.3];
        let (image, pooled) = (height * width * channels, shape.1 * shape.2 * channels);
        output
            .par_chunks_mut(pooled)
            .zip(input.par_chunks(image))
            .for_each(|(output, image)| {
                self.maxima(image, [height, width, channels], |to, from| {
                    output[to] = image[from]
                });
            });
        Ok((CpuStorage::F32(output), shape.into()))
    }

    fn bwd(
        &self,
        input: &Tensor,
        _: &Tensor,
        gradient: &Tensor,
    ) -> candle_core::Result<Option<Tensor>> {
        let (_, height, width, channels) = input.dims4()?;
        let image = height * width * channels;
        let pooled = (height / self.size) * (width / self.size) * channels;
        let mut output = vec![0.0; input.elem_count()];
        f32_slice(input, |input| {
            f32_slice(gradient, |gradient| {
                output
                    .par_chunks_mut(image)
                    .zip(input.par_chunks(image))
                    .zip(gradient.par_chunks(pooled))
                    .for_each(|((output, image), gradient)| {
                        let shape = [height, width, channels];
                        self.maxima(image, shape, |from, to| output[to] = gradient[from]);
                    });
            })
        })??;
        Ok(Some(Tensor::from_vec(
            output,
            input.shape(),
            input.device(),
        )?))
    }
}
