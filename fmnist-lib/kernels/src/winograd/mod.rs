//! 3x3 and 5x5 convolutions by Winograd's algorithms, in all three passes.
//!
//! F(3x3, 3x3) computes 3x3 outputs from 5x5 inputs with 25 multiplications per pair of channels
//! instead of 81; its 25 products are matrix products over channels. Tiles of three fit the 9x9 output
//! of the report's third convolution exactly and the 11x11 of the second with little waste; where tiles
//! of four fit better, F(4x4, 3x3) takes 36 instead of 144, and F(4x4, 5x5) takes 64 instead of 400.
//! Errors are below 5e-6 of the largest number (`transform::pairs`). The gradients are the transposes
//! of the same three linear maps, so that all passes have the same cost, and the gradient of the
//! weights and of the input share one transformation. A few images are transformed at a time: their
//! tiles fill a second-level cache, and the transformed weights are read once for all of them.

mod backward;
mod forward;
mod tiles;
mod transform;
mod weights;
mod window;

use super::operands::{Backward, Forward};
use super::output::{Gradients, refill};
use super::simd::Isa;
use super::{check_len, check_sides, images_per_task, scratch, sum_in_order};
use rayon::prelude::*;
use std::mem::MaybeUninit;
use tiles::{Tiles, Work};
use transform::Algorithm;

/// The shape of a convolution, stride 1; batches are `[n][height][width][inputs]` and
/// `[n][height + 2 padding + 1 - window][width + 2 padding + 1 - window][outputs]`, weights
/// `[window][window][inputs][outputs]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conv {
    /// Rows and columns of a window: 3 or 5.
    pub window: usize,
    /// Rows of the input, with the padding at least those of a window.
    pub height: usize,
    /// Columns of the input, with the padding at least those of a window.
    pub width: usize,
    /// Channels of the input.
    pub inputs: usize,
    /// Channels of the output.
    pub outputs: usize,
    /// Rows and columns of zeros around the input: 0, or half a window to keep its size.
    pub padding: usize,
}

/// Tiles transformed together, or those of one image: their products stay in the second-level cache
/// while the transformed weights are read once for all of them.
const TOGETHER: usize = 96;

impl Conv {
    /// Rows and columns of the output.
    pub fn output_size(&self) -> (usize, usize) {
        let size = |side| side + 2 * self.padding + 1 - self.window;
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
        self.window * self.window * self.inputs * self.outputs
    }

    /// Multiplications for an image, an input and an output; without Winograd, as many as a window and
    /// the output have places.
    pub fn multiplications(&self) -> usize {
        self.multiplications_by(self.algorithm())
    }

    fn multiplications_by(&self, algorithm: Algorithm) -> usize {
        let (rows, columns) = self.output_size();
        let tiles = |side: usize| side.div_ceil(algorithm.output());
        tiles(rows) * tiles(columns) * algorithm.points()
    }

    fn algorithm(&self) -> Algorithm {
        let [three, four] = [Algorithm::F3x3, Algorithm::F4x3].map(|a| self.multiplications_by(a));
        match self.window {
            5 => Algorithm::F4x5,
            // Larger tiles take longer to transform.
            _ if 4 * four < 3 * three => Algorithm::F4x3,
            _ => Algorithm::F3x3,
        }
    }

    /// Images transformed together.
    fn images_together(&self) -> usize {
        let tiles = Tiles::new(self, 1).count;
        (TOGETHER / tiles).clamp(1, 32)
    }

    /// `y = activation(conv(x, weights) + bias)`.
    ///
    /// Relative to the largest output, errors stay below 1e-5, as do those of the gradients (2e-5 for
    /// 5x5 windows where there are only a few of them); a NaN or an infinity makes NaN of
    /// all outputs of the tiles it touches.
    ///
    /// # Panics
    /// When a slice has the wrong length or the padded image is smaller than a window.
    pub fn forward(&self, isa: Isa, operands: Forward<'_>, y: &mut Vec<f32>) {
        let what = "Conv::forward";
        let Forward {
            x,
            weights,
            bias,
            activation,
        } = operands;
        let n = self.check(what, x, weights);
        let (rows, columns) = self.output_size();
        let pixels = rows * columns;
        operands.check(what, n * pixels, self.outputs);
        let (points, together) = (self.algorithm().points(), self.images_together());
        let fill = |u: &[f32], y: &mut [MaybeUninit<f32>]| {
            let tasks = x.par_chunks(together * self.input_len());
            let tasks = tasks.zip(y.par_chunks_mut(together * self.output_len()));
            tasks.enumerate().for_each(|(i, (x, y))| {
                let images = x.len() / self.input_len();
                let first = i * together * pixels;
                let operands = Forward {
                    x,
                    weights: u,
                    bias,
                    activation: activation.pixels(first, images * pixels, self.outputs),
                };
                let tiles = Tiles::new(self, images);
                scratch::with(tiles.len(), |work| {
                    forward::chunk(isa, *self, operands, Work::new(&tiles, work), y);
                });
            });
        };
        scratch::with(
            points * weights::forward_panels(isa.panel(), self).len,
            |u| {
                weights::forward(isa, *self, weights, u);
                // SAFETY: the tiles cover all outputs of all images.
                unsafe { refill(y, n * self.output_len(), |y| fill(u, y)) };
            },
        );
    }

    /// The gradients of the weights, the bias and, where it is asked for, the input.
    ///
    /// # Panics
    /// When a slice has the wrong length or the padded image is smaller than a window.
    pub fn backward(&self, isa: Isa, operands: Backward<'_>, gradients: &mut Gradients) {
        let what = "Conv::backward";
        let Backward {
            x,
            weights,
            y,
            dy,
            activation,
            wants_input,
        } = operands;
        let n = self.check(what, x, weights);
        let (rows, columns) = self.output_size();
        let pixels = rows * columns;
        operands.check(what, n * pixels, self.outputs);
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
                let (first, count) = (i * images * pixels, y.len() / self.outputs);
                let operands = Backward {
                    x,
                    weights: u,
                    y,
                    dy,
                    activation: activation.pixels(first, count, self.outputs),
                    wants_input,
                };
                backward::task(isa, *self, operands, dx)
            });
            partial = sums.collect();
        };
        gradients.input.clear();
        if wants_input {
            scratch::with(
                self.algorithm().points() * weights::backward_panels(isa.panel(), self).len,
                |u| {
                    weights::backward(isa, *self, weights, u);
                    // SAFETY: each task writes all pixels of its images.
                    unsafe { refill(&mut gradients.input, x.len(), |dx| fill(u, dx)) };
                },
            );
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
        assert!(
            [3, 5].contains(&self.window),
            "{what}: windows of {}",
            self.window
        );
        check_sides(what, self.window, &[padded[0], padded[1], self.inputs]);
        let n = x.len() / self.input_len();
        check_len(what, "x", x.len(), n * self.input_len());
        check_len(what, "weights", weights.len(), self.weights_len());
        n
    }
}
