//! 3x3 convolutions by Winograd's F(3x3, 3x3), in all three passes.

mod backward;
mod forward;
mod transform;
mod window;

use super::activation::Activation;
use super::gemm::row_stride;
use super::output::{Gradients, refill};
use super::simd::{Isa, LANES};
use super::{check_len, check_sides, images_per_task, scratch, sum_in_order};
use rayon::prelude::*;
use std::mem::MaybeUninit;
use transform::{OUTPUT, POINTS};

/// The shape of a 3x3 convolution, stride 1; batches are `[n][height][width][inputs]` and
/// `[n][height + 2 padding - 2][width + 2 padding - 2][outputs]`, weights `[3][3][inputs][outputs]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conv {
    /// Rows of the input, with the padding at least 3.
    pub height: usize,
    /// Columns of the input, with the padding at least 3.
    pub width: usize,
    /// Channels of the input.
    pub inputs: usize,
    /// Channels of the output.
    pub outputs: usize,
    /// Rows and columns of zeros around the input: 0, or 1 to keep its size.
    pub padding: usize,
}

/// Images transformed together: their products stay in the second-level cache while the
/// transformed weights are read once for all of them.
const CHUNK: usize = 8;

impl Conv {
    /// Rows and columns of the output.
    pub fn output_size(&self) -> (usize, usize) {
        let size = |side| side + 2 * self.padding - 2;
        (size(self.height), size(self.width))
    }

    /// Floats of an image of the input.
    pub fn input_len(&self) -> usize {
        self.height * self.width * self.inputs
    }

    /// Floats of an image of the output.
    pub fn output_len(&self) -> usize {
        let (rows, columns) = self.output_size();
        rows * columns * self.outputs
    }

    /// Floats of the weights.
    pub fn weights_len(&self) -> usize {
        9 * self.inputs * self.outputs
    }

    /// `y = activation(conv(x, weights) + bias)`.
    ///
    /// Relative to the largest output, errors stay below 1e-5; a NaN or an infinity makes NaN of
    /// all outputs of the 3x3 tiles it touches.
    ///
    /// # Panics
    /// When a slice has the wrong length or the padded image is smaller than 3x3.
    #[allow(clippy::too_many_arguments)]
    pub fn forward(
        &self,
        isa: Isa,
        x: &[f32],
        weights: &[f32],
        bias: &[f32],
        activation: Activation<'_>,
        y: &mut Vec<f32>,
    ) {
        let what = "Conv::forward";
        let n = self.check(what, x, weights);
        check_len(what, "bias", bias.len(), self.outputs);
        let (rows, columns) = self.output_size();
        let pixels = rows * columns;
        activation.check(what, n * pixels, self.outputs);
        let fill = |u: &[f32], y: &mut [MaybeUninit<f32>]| {
            let tasks = x.par_chunks(CHUNK * self.input_len());
            let tasks = tasks.zip(y.par_chunks_mut(CHUNK * self.output_len()));
            tasks.enumerate().for_each(|(i, (x, y))| {
                let images = x.len() / self.input_len();
                let act = activation.pixels(i * CHUNK * pixels, images * pixels, self.outputs);
                let tiles = Tiles::new(self, images);
                scratch::with(tiles.input_len() + tiles.output_len(), |work| {
                    let (v, m) = work.split_at_mut(tiles.input_len());
                    forward::chunk(isa, *self, x, u, bias, act, v, m, y);
                });
            });
        };
        scratch::with(forward::weights_len(self), |u| {
            forward::weights(isa, *self, weights, u);
            // SAFETY: the tiles cover all outputs of all images.
            unsafe { refill(y, n * self.output_len(), |y| fill(u, y)) };
        });
    }

    /// The gradients of the weights, the bias and, where `wants_input`, the input, from the gradient
    /// `dy` of the output `y`; `activation` is that of the forward pass.
    ///
    /// # Panics
    /// When a slice has the wrong length or the padded image is smaller than 3x3.
    #[allow(clippy::too_many_arguments)]
    pub fn backward(
        &self,
        isa: Isa,
        x: &[f32],
        weights: &[f32],
        y: &[f32],
        dy: &[f32],
        activation: Activation<'_>,
        wants_input: bool,
        gradients: &mut Gradients,
    ) {
        let what = "Conv::backward";
        let n = self.check(what, x, weights);
        check_len(what, "y", y.len(), n * self.output_len());
        check_len(what, "dy", dy.len(), n * self.output_len());
        let (rows, columns) = self.output_size();
        activation.check(what, n * rows * columns, self.outputs);
        let images = images_per_task(n);
        let (input, output) = (images * self.input_len(), images * self.output_len());
        let mut partial = vec![];
        let mut fill = |u: &[f32], dx: &mut [MaybeUninit<f32>]| {
            let mut parts: Vec<_> = dx.chunks_mut(input).map(Some).collect();
            parts.resize_with(n.div_ceil(images), || None);
            let tasks = x
                .par_chunks(input)
                .zip(y.par_chunks(output))
                .zip(dy.par_chunks(output));
            let sums = tasks.zip(parts).enumerate().map(|(i, (((x, y), dy), dx))| {
                backward::task(isa, *self, i * images, x, u, y, dy, activation, dx)
            });
            partial = sums.collect();
        };
        gradients.input.clear();
        if wants_input {
            scratch::with(backward::weights_len(self), |u| {
                backward::weights(isa, *self, weights, u);
                // SAFETY: each task writes all pixels of its images.
                unsafe { refill(&mut gradients.input, x.len(), |dx| fill(u, dx)) };
            });
        } else {
            fill(&[], &mut []);
        }
        let mut total = vec![0.0; self.weights_len() + self.outputs];
        sum_in_order(&partial, &mut total);
        gradients.bias = total.split_off(self.weights_len());
        gradients.weights = total;
    }

    fn check(&self, what: &str, x: &[f32], weights: &[f32]) -> usize {
        check_sides(what, 1, &[self.height, self.width, self.outputs]);
        let padded = [self.height, self.width].map(|side| side + 2 * self.padding);
        check_sides(what, 3, &[padded[0], padded[1], self.inputs]);
        let n = x.len() / self.input_len();
        check_len(what, "x", x.len(), n * self.input_len());
        check_len(what, "weights", weights.len(), self.weights_len());
        n
    }
}

/// How the transformed tiles of a few images lie in memory: `[25 points][tiles][channels]`, the
/// tiles of an image in row-major order.
#[derive(Clone, Copy)]
struct Tiles {
    /// Tiles along the columns and rows of an image.
    across: usize,
    down: usize,
    /// Tiles of all images.
    count: usize,
    /// Floats between two tiles.
    input_row: usize,
    output_row: usize,
}

impl Tiles {
    fn new(conv: &Conv, images: usize) -> Self {
        let (rows, columns) = conv.output_size();
        let (down, across) = (rows.div_ceil(OUTPUT), columns.div_ceil(OUTPUT));
        Self {
            across,
            down,
            count: images * down * across,
            input_row: row_stride(conv.inputs),
            output_row: row_stride(conv.outputs),
        }
    }

    /// Floats between two points; a vector more than needed, or the 25 places that a tile's
    /// transform writes would compete for the same few sets of the cache.
    fn input_point(&self) -> usize {
        self.count * self.input_row + LANES
    }

    fn output_point(&self) -> usize {
        self.count * self.output_row + LANES
    }

    fn input_len(&self) -> usize {
        POINTS * self.input_point()
    }

    fn output_len(&self) -> usize {
        POINTS * self.output_point()
    }

    /// Image, row and column of a tile's corner in the output and, the same, in the input.
    #[inline(always)]
    fn corner(&self, tile: usize) -> (usize, usize, usize) {
        let per_image = self.down * self.across;
        let (image, within) = (tile / per_image, tile % per_image);
        (
            image,
            within / self.across * OUTPUT,
            within % self.across * OUTPUT,
        )
    }
}
