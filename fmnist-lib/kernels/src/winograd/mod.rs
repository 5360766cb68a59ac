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
mod products;
mod staged;
mod tiles;
mod transform;
mod weights;
mod window;

use super::operands::{Backward, Forward};
use super::output::{Gradients, refill};
use super::simd::Isa;
use super::{check_len, check_sides, scratch};
use std::mem::MaybeUninit;
use tiles::Tiles;
use transform::Algorithm;
use weights::Panelled;

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

/// Floats of the transformed weights of all points, at most, that tasks read and add to as a whole: two megabytes.
const MOST: usize = 1 << 19;

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

    /// Whether the transformed weights are too many for a cache.
    fn is_staged(&self) -> bool {
        self.algorithm().points() * self.inputs * self.outputs > MOST
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
        let n = self.check(what, operands.x, operands.weights);
        let pixels = self.output_len() / self.outputs;
        operands.check(what, n * pixels, self.outputs);
        let batch = if self.is_staged() {
            staged::forward
        } else {
            forward::batch
        };
        scratch::with(Panelled::forward(isa.panel(), self).len(), |u| {
            weights::forward(isa, *self, operands.weights, u);
            let operands = Forward {
                weights: u,
                ..operands
            };
            let fill = |y: &mut [MaybeUninit<f32>]| batch(isa, *self, operands, y);
            // SAFETY: the tiles cover all outputs of all images.
            unsafe { refill(y, n * self.output_len(), fill) };
        });
    }

    /// The gradients of the weights, the bias and, where it is asked for, the input.
    ///
    /// # Panics
    /// When a slice has the wrong length or the padded image is smaller than a window.
    pub fn backward(&self, isa: Isa, operands: Backward<'_>, gradients: &mut Gradients) {
        let what = "Conv::backward";
        let n = self.check(what, operands.x, operands.weights);
        let pixels = self.output_len() / self.outputs;
        operands.check(what, n * pixels, self.outputs);
        let batch = if self.is_staged() {
            staged::backward
        } else {
            backward::batch
        };
        let Gradients {
            input,
            weights,
            bias,
        } = gradients;
        input.clear();
        if !operands.wants_input {
            let operands = Backward {
                weights: &[],
                ..operands
            };
            return batch(isa, *self, operands, None, [weights, bias]);
        }
        scratch::with(Panelled::backward(isa.panel(), self).len(), |u| {
            weights::backward(isa, *self, operands.weights, u);
            let operands = Backward {
                weights: u,
                ..operands
            };
            let fill = |dx: &mut [MaybeUninit<f32>]| {
                batch(isa, *self, operands, Some(dx), [weights, bias]);
            };
            // SAFETY: each task writes all pixels of its images.
            unsafe { refill(input, operands.x.len(), fill) };
        });
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
