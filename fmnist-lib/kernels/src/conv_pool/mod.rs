//! The first layer as one kernel: 3x3 convolution of a one-channel image, bias, ReLU, 2x2 maximum
//! pooling and dropout.
//!
//! The convolution's own output, the largest activation of the network, never exists: the four sums
//! under a pooling window stay in registers. Of the window one byte per channel is kept, the place
//! of its maximum, so that the gradient of the weights touches one position in four: the 4x4 pixels
//! under a window are one vector, from which each channel looks up its own pixels. The images need
//! no gradient, and there is none.

mod backward;
mod forward;

use super::activation::{Activation, Dropout};
use super::output::{Gradients, refill};
use super::simd::Isa;
use super::{check_len, check_sides, images_per_task, sum_in_order};
use rayon::prelude::*;
use std::mem::MaybeUninit;

/// Where the output is 0 for good: a ReLU at or below 0, or dropped.
const DEAD: u8 = 16;
/// The places of a window's four sums in its 4x4 patch of pixels, in row-major order.
const PLACES: [u8; 4] = [0, 1, 4, 5];

/// The shape of the fused first layer; batches are `[n][height][width]`, row-major.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvPool {
    /// Rows of an image, at least 4.
    pub height: usize,
    /// Columns of an image, at least 4.
    pub width: usize,
    /// Filters.
    pub channels: usize,
}

/// What [`ConvPool::forward`] reads.
#[derive(Clone, Copy, Debug)]
pub struct ConvPoolForward<'a> {
    /// Images, `[n][height][width]`.
    pub x: &'a [f32],
    /// `[3][3][channels]`
    pub weights: &'a [f32],
    /// One number for each channel.
    pub bias: &'a [f32],
    /// Which outputs are kept; `None` outside training.
    pub dropout: Option<Dropout<'a>>,
}

/// What [`ConvPool::backward`] reads.
#[derive(Clone, Copy, Debug)]
pub struct ConvPoolBackward<'a> {
    /// The images of the forward pass.
    pub x: &'a [f32],
    /// The codes that the forward pass left.
    pub codes: &'a [u8],
    /// The gradient of the outputs.
    pub dy: &'a [f32],
    /// [`Dropout::scale`] of the forward pass; 1 where it dropped nothing.
    pub scale: f32,
}

impl ConvPool {
    /// Rows and columns of the pooled output; as in Keras, an odd last row or column of the
    /// convolution is left out.
    pub fn pooled(&self) -> (usize, usize) {
        ((self.height - 2) / 2, (self.width - 2) / 2)
    }

    /// Floats of an image.
    pub fn input_len(&self) -> usize {
        self.height * self.width
    }

    /// Floats of an image's output, which is `[pooled rows][pooled columns][channels]`.
    pub fn output_len(&self) -> usize {
        let (rows, columns) = self.pooled();
        rows * columns * self.channels
    }

    fn check(&self, what: &str, x: &[f32]) -> usize {
        check_sides(what, 4, &[self.height, self.width, self.channels]);
        let n = x.len() / self.input_len();
        check_len(what, "x", x.len(), n * self.input_len());
        n
    }

    /// `y = dropout(maxpool(relu(conv(x) + bias)))` and the codes that the backward pass needs.
    ///
    /// `y` and `codes` become `[n][rows][columns][channels]`. A NaN among the pixels or weights of a
    /// window gives NaN.
    ///
    /// # Panics
    /// When a slice has the wrong length or the image is smaller than 4x4.
    pub fn forward(
        &self,
        isa: Isa,
        operands: ConvPoolForward<'_>,
        y: &mut Vec<f32>,
        codes: &mut Vec<u8>,
    ) {
        let what = "ConvPool::forward";
        let n = self.check(what, operands.x);
        check_len(what, "weights", operands.weights.len(), 9 * self.channels);
        check_len(what, "bias", operands.bias.len(), self.channels);
        let activation = Activation::relu(operands.dropout);
        let image = self.output_len();
        let pixels = image / self.channels;
        activation.check(what, n * pixels, self.channels);
        let fill = |y: &mut [MaybeUninit<f32>], codes: &mut [MaybeUninit<u8>]| {
            let out = y.par_chunks_mut(image).zip(codes.par_chunks_mut(image));
            let images = operands.x.par_chunks(self.input_len());
            let tasks = images.zip(out).enumerate();
            tasks.with_min_len(8).for_each(|(i, (x, (y, codes)))| {
                let operands = ConvPoolForward {
                    x,
                    dropout: activation.pixels(i * pixels, pixels, self.channels).dropout,
                    ..operands
                };
                forward::image(isa, *self, operands, y, codes);
            });
        };
        // SAFETY: every image's outputs and codes are written, all channels of all windows.
        unsafe {
            refill(y, n * image, |y| {
                refill(codes, n * image, |codes| fill(y, codes))
            })
        };
    }

    /// The gradients of the weights and the bias.
    ///
    /// # Panics
    /// When a slice has the wrong length or the image is smaller than 4x4.
    pub fn backward(&self, isa: Isa, operands: ConvPoolBackward<'_>, gradients: &mut Gradients) {
        let what = "ConvPool::backward";
        let ConvPoolBackward {
            x,
            codes,
            dy,
            scale,
        } = operands;
        let n = self.check(what, x);
        check_len(what, "codes", codes.len(), n * self.output_len());
        check_len(what, "dy", dy.len(), n * self.output_len());
        let images = images_per_task(n);
        let output = images * self.output_len();
        let outputs = dy.par_chunks(output).zip(codes.par_chunks(output));
        let tasks = x.par_chunks(images * self.input_len()).zip(outputs);
        let partial: Vec<_> = tasks
            .map(|(x, (dy, codes))| {
                // Nine rows of weights, then the bias.
                let mut sums = vec![0.0; 10 * self.channels];
                let operands = ConvPoolBackward {
                    x,
                    codes,
                    dy,
                    scale,
                };
                backward::images(isa, *self, operands, &mut sums);
                sums
            })
            .collect();
        let mut total = vec![0.0; 10 * self.channels];
        sum_in_order(&partial, &mut total);
        total.iter_mut().for_each(|sum| *sum *= scale);
        gradients.input.clear();
        gradients.bias = total.split_off(9 * self.channels);
        gradients.weights = total;
    }
}
