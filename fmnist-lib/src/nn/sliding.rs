//! What convolutions and pools share: the size of a window, its steps, and zeros around the image.

use std::ops::Not;

use candle_core::Tensor;
use fmnist_kernels::Windows;
use serde::{Deserialize, Serialize};

use super::{at_least_one, image_shape, zeros_around};
use crate::error::{Error, Result};

/// Pixels that a window, its step or its padding may have: the kernels rest on sides below 2^20.
const MOST: usize = 1_000_000;

/// Rows and columns: `3` is 3×3, `(1, 7)` one row of seven columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Sides", into = "Sides")]
pub struct Pair(pub(crate) [usize; 2]);

impl From<usize> for Pair {
    fn from(side: usize) -> Self {
        Self([side, side])
    }
}

impl From<(usize, usize)> for Pair {
    fn from((rows, columns): (usize, usize)) -> Self {
        Self([rows, columns])
    }
}

/// A number where both are equal, as networks were written before they could differ.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Sides {
    Both(usize),
    Each([usize; 2]),
}

impl From<Sides> for Pair {
    fn from(sides: Sides) -> Self {
        match sides {
            Sides::Both(side) => side.into(),
            Sides::Each(sides) => Self(sides),
        }
    }
}

impl From<Pair> for Sides {
    fn from(Pair([rows, columns]): Pair) -> Self {
        match rows == columns {
            true => Self::Both(rows),
            false => Self::Each([rows, columns]),
        }
    }
}

impl std::fmt::Display for Pair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}x{}", self.0[0], self.0[1])
    }
}

/// How the windows of a convolution or a pool move, and how far they reach over the border.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sliding {
    // What is as before there was a choice is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) strides: Option<Pair>,
    #[serde(default, skip_serializing_if = "Not::not")]
    pub(crate) same: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) padding: Option<Pair>,
}

/// The settings that a layer has from its field `sliding`. `usual` are the strides without a setting.
macro_rules! sliding_layer {
    ($layer:ident, usual: $usual:expr) => {
        impl $layer {
            /// Moves the windows by so many pixels, at least 1. Without this, a convolution moves them by
            /// 1, and a pool by as many as the window has.
            pub fn strides(mut self, strides: impl Into<Pair>) -> Self {
                let usual: fn(&Self) -> Pair = $usual;
                let strides = strides.into();
                self.sliding.strides = (strides != usual(&self)).then_some(strides);
                self
            }

            /// Lets the windows reach over the border, so that the output has the size of the image,
            /// divided by the strides (`padding="same"`). A convolution finds zeros there; a pool takes
            /// the pixels of the image alone.
            pub fn same(mut self) -> Self {
                (self.sliding.same, self.sliding.padding) = (true, None);
                self
            }

            /// Lets the windows reach over the border by so many pixels, fewer than they have: PyTorch's
            /// `padding`.
            pub fn padding(mut self, pixels: impl Into<Pair>) -> Self {
                let pixels = pixels.into();
                self.sliding.same = false;
                self.sliding.padding = (pixels != 0.into()).then_some(pixels);
                self
            }

            /// # Errors
            /// When the input is no image, a size is 0, or no window fits.
            pub(crate) fn windows(&self, size: Pair, input: &[usize]) -> Result<Windows> {
                let usual: fn(&Self) -> Pair = $usual;
                let strides = self.sliding.strides.unwrap_or_else(|| usual(self));
                self.sliding
                    .windows(stringify!($layer), input, size, strides)
            }
        }
    };
}
pub(super) use sliding_layer;

/// The windows over an input of a shape that a layer's `output_shape` has taken.
pub(super) fn placed(windows: Result<Windows>) -> Windows {
    windows.expect("output_shape has refused what does not fit")
}

/// The shape of a pool's output.
pub(super) fn pooled(windows: Windows) -> Vec<usize> {
    let [rows, columns] = windows.output_size();
    vec![rows, columns, windows.channels]
}

impl Sliding {
    /// The windows of `layer` over an input of shape `input`.
    ///
    /// # Errors
    /// When the input is no image, a size is 0, or no window fits; the message names `layer`.
    pub(super) fn windows(
        &self,
        layer: &str,
        input: &[usize],
        size: Pair,
        strides: Pair,
    ) -> Result<Windows> {
        let (height, width, channels) = image_shape(layer, input)?;
        let (Pair(window), Pair(strides)) = (size, strides);
        let zeros = self.padding.unwrap_or(0.into()).0;
        let settings = [("window", window), ("strides", strides), ("padding", zeros)];
        for (setting, sizes) in settings {
            let most = sizes[0].max(sizes[1]);
            if most > MOST {
                return Err(Error::Invalid(format!(
                    "the {setting} of {layer} is {most}, which is too large (at most {MOST})"
                )));
            }
        }
        for size in window {
            at_least_one(&format!("the window of {layer}"), size)?;
        }
        for stride in strides {
            at_least_one(&format!("the strides of {layer}"), stride)?;
        }
        let sides = [height, width];
        let padding = [0, 1].map(|axis| match self.same {
            false => [zeros[axis]; 2],
            // Keras's: an odd one goes below, or to the right.
            true => {
                let windows = sides[axis].div_ceil(strides[axis]).max(1);
                let reached = ((windows - 1) * strides[axis]).saturating_add(window[axis]);
                let all = reached.saturating_sub(sides[axis]);
                [all / 2, all - all / 2]
            }
        });
        for axis in [0, 1] {
            let [before, after] = padding[axis];
            if before > 0 && before >= window[axis] {
                return Err(Error::Invalid(format!(
                    "a padding of {before} is too much for the {size} window of {layer}: windows \
                     would lie outside of the image; make the padding smaller than the window"
                )));
            }
            if sides[axis].saturating_add(before + after) < window[axis] {
                return Err(Error::Invalid(format!(
                    "the {size} window of {layer} does not fit into an input of {height}x{width}; \
                     choose a smaller window, or call same() to let it reach over the border"
                )));
            }
        }
        Ok(Windows {
            height,
            width,
            channels,
            window,
            strides,
            padding,
        })
    }
}

/// The values of each window, by Candle: (batch, rows, columns, channels, pixels of the window), with
/// `outside` for pixels outside of the image.
pub(super) fn windows_of(images: &Tensor, windows: &Windows, outside: f64) -> Result<Tensor> {
    let mut wide = zeros_around(images, windows.padding)?;
    if outside != 0.0 {
        let within = zeros_around(&images.ones_like()?, windows.padding)?;
        let around = (wide.ones_like()? * outside)?;
        wide = within.gt(0.0)?.where_cond(&wide, &around)?;
    }
    let [rows, columns] = windows.output_size();
    let places = |count: usize, stride: usize, first: usize| {
        let places: Vec<u32> = (0..count).map(|at| (at * stride + first) as u32).collect();
        Tensor::from_vec(places, count, images.device())
    };
    let mut pixels = Vec::new();
    for y in 0..windows.window[0] {
        let lines = wide.index_select(&places(rows, windows.strides[0], y)?, 1)?;
        for x in 0..windows.window[1] {
            pixels.push(lines.index_select(&places(columns, windows.strides[1], x)?, 2)?);
        }
    }
    Ok(Tensor::stack(&pixels, 4)?)
}
