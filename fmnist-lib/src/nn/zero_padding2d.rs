use candle_core::Tensor;
use fmnist_kernels::Padding;
use serde::{Deserialize, Serialize};

use super::stage::{Backward, Forward, Place, Stage, Staged};
use super::{Layer, Pass, image_shape};
use crate::error::Result;

/// `keras.layers.ZeroPadding2D`: adds rows and columns of zeros around the image, so that a
/// convolution sees the border of the image as often as its middle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ZeroPadding2d {
    pub(crate) size: Zeros,
}

impl ZeroPadding2d {
    /// `2` adds two rows and columns on each side, `(1, 2)` one row and two columns, `((0, 1), (0, 1))` a row below and a
    /// column to the right. Before one convolution, to keep the image's size,
    /// [`Conv2d::same`](super::Conv2d::same) does the same in less time.
    pub fn new(size: impl Into<Zeros>) -> Self {
        Self { size: size.into() }
    }
}

/// Rows of zeros above and below, and columns left and right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Written", into = "Written")]
pub struct Zeros(pub(crate) [[usize; 2]; 2]);

impl From<usize> for Zeros {
    fn from(size: usize) -> Self {
        Self([[size; 2]; 2])
    }
}

impl From<(usize, usize)> for Zeros {
    fn from((rows, columns): (usize, usize)) -> Self {
        Self([[rows; 2], [columns; 2]])
    }
}

impl From<((usize, usize), (usize, usize))> for Zeros {
    fn from(((top, bottom), (left, right)): ((usize, usize), (usize, usize))) -> Self {
        Self([[top, bottom], [left, right]])
    }
}

/// A number where all are equal, as networks were written before they could differ.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Written {
    All(usize),
    Axes([usize; 2]),
    Each([[usize; 2]; 2]),
}

impl From<Written> for Zeros {
    fn from(written: Written) -> Self {
        match written {
            Written::All(size) => size.into(),
            Written::Axes([rows, columns]) => (rows, columns).into(),
            Written::Each(sides) => Self(sides),
        }
    }
}

impl From<Zeros> for Written {
    fn from(Zeros(sides): Zeros) -> Self {
        match sides.as_flattened() {
            [first, others @ ..] if others.iter().all(|other| other == first) => Self::All(*first),
            _ => Self::Each(sides),
        }
    }
}

impl Layer for ZeroPadding2d {
    fn kind(&self) -> &str {
        "ZeroPadding2D"
    }

    fn output_shape(&self, input: &[usize]) -> Result<Vec<usize>> {
        let (height, width, channels) = image_shape("ZeroPadding2d", input)?;
        let Zeros([rows, columns]) = self.size;
        let wide = |side: usize, [before, after]: [usize; 2]| {
            side.saturating_add(before).saturating_add(after)
        };
        Ok(vec![wide(height, rows), wide(width, columns), channels])
    }

    fn forward(&self, input: &Tensor, _: &[Tensor], _: &Pass<'_>) -> Result<Tensor> {
        zeros_around(input, self.size.0)
    }
}

impl ZeroPadding2d {
    pub(super) fn stage(&self, place: &Place<'_>) -> Option<Staged> {
        Some(Staged::alone(Padding {
            height: place.inputs[0][0],
            width: place.inputs[0][1],
            channels: place.inputs[0][2],
            zeros: self.size.0,
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
