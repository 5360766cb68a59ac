use candle_core::Tensor;
use serde::{Deserialize, Serialize};

use super::{Layer, Pass, image_shape};
use crate::Result;

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
        Ok(vec![
            height + 2 * self.size,
            width + 2 * self.size,
            channels,
        ])
    }

    fn forward(&self, input: &Tensor, _: &[Tensor], _: &Pass<'_>) -> Result<Tensor> {
        zeros_around(input, self.size, self.size)
    }
}

/// Images with rows and columns of zeros: `before` above and to the left, `after` below and to the
/// right.
pub(super) fn zeros_around(images: &Tensor, before: usize, after: usize) -> Result<Tensor> {
    let wide = images.pad_with_zeros(2, before, after)?;
    Ok(wide.pad_with_zeros(1, before, after)?)
}
