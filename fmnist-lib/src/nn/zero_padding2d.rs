use candle_core::Tensor;
use fmnist_kernels::Padding;
use serde::{Deserialize, Serialize};

use super::stage::{Backward, Forward, Place, Stage, Staged};
use super::{Layer, Pass, image_shape};
use crate::error::Result;

/// `keras.layers.ZeroPadding2D`: adds `size` rows and columns of zeros on each side, so that a
/// convolution sees the border of the image as often as its middle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ZeroPadding2d {
    pub(crate) size: usize,
}

impl ZeroPadding2d {
    /// `size` rows and columns on each side. Before one convolution, to keep the image's size,
    /// [`Conv2d::same`](super::Conv2d::same) does the same in less time.
    pub fn new(size: usize) -> Self {
        Self { size }
    }
}

impl Layer for ZeroPadding2d {
    fn kind(&self) -> &str {
        "ZeroPadding2D"
    }

    fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>> {
        let (height, width, channels) = image_shape("ZeroPadding2d", input)?;
        let wide = |side: usize| side.saturating_add(self.size.saturating_mul(2));
        Ok(vec![wide(height), wide(width), channels])
    }

    fn forward(&self, input: &Tensor, _: &[Tensor], _: &Pass<'_>) -> Result<Tensor> {
        zeros_around(input, [[self.size; 2]; 2])
    }
}

impl ZeroPadding2d {
    pub(super) fn stage(&self, place: &Place<'_>) -> Option<Staged> {
        Some(Staged::alone(Padding {
            height: place.inputs[0][0],
            width: place.inputs[0][1],
            channels: place.inputs[0][2],
            size: self.size,
        }))
    }
}

impl Stage for Padding {
    fn kernel(&self) -> &'static str {
        "copies"
    }

    fn forward(&self, pass: Forward<'_>) -> Result<()> {
        self.forward(pass.inputs[0], pass.output);
        Ok(())
    }

    fn reads_inputs(&self) -> bool {
        false
    }

    fn reads_output(&self) -> bool {
        false
    }

    fn backward(&self, pass: Backward<'_>) -> Result<()> {
        self.backward(pass.gradient, &mut pass.of_inputs[0]);
        Ok(())
    }
}

/// Images with rows of zeros above and below, and columns of zeros left and right.
pub(super) fn zeros_around(images: &Tensor, padding: [[usize; 2]; 2]) -> Result<Tensor> {
    let [[top, bottom], [left, right]] = padding;
    let wide = images.pad_with_zeros(2, left, right)?;
    Ok(wide.pad_with_zeros(1, top, bottom)?)
}
