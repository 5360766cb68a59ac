//! A transposed convolution: the way back through a convolution, taken forward.

use crate::activation::Activation;
use crate::by_image::{ByImage, OfImage};
use crate::operands::{Backward, Forward};
use crate::output::{Gradients, refill};
use crate::simd::Isa;
use crate::window_conv::{InputGradient, Parts, end};
use crate::{WindowConv, check_len};
use rayon::prelude::*;
use std::mem::MaybeUninit;

/// Its field is the convolution that it goes back through: what that one reads, this one gives. Batches are
/// `[n][rows][columns][outputs]` and `[n][height][width][channels]`, weights
/// `[window rows][window columns][channels / groups][outputs]`, as in Keras.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransposedConv(pub WindowConv);

impl TransposedConv {
    fn check(&self, what: &str, x: &[f32], weights: &[f32]) -> usize {
        self.0.check_sides(what);
        let n = x.len() / self.0.output_len();
        check_len(what, "x", x.len(), n * self.0.output_len());
        check_len(what, "weights", weights.len(), self.0.weights_len());
        n
    }

    /// Pixels and channels of an image of the output.
    fn pixels(&self) -> [usize; 2] {
        let windows = self.0.windows;
        [windows.height * windows.width, windows.channels]
    }

    fn of_image<'a>(&self, activation: Activation<'a>, image: usize) -> Activation<'a> {
        let [pixels, channels] = self.pixels();
        activation.pixels(image * pixels, pixels, channels)
    }

    /// Each pixel of `x` adds its multiple of the weights to the pixels of its window in `y`; bias and activation
    /// follow.
    ///
    /// # Panics
    /// When a slice has the wrong length or no window fits.
    pub fn forward(&self, isa: Isa, operands: Forward<'_>, y: &mut Vec<f32>) {
        let what = "TransposedConv::forward";
        let n = self.check(what, operands.x, operands.weights);
        let (Self(conv), [pixels, channels]) = (self, self.pixels());
        operands.check(what, n * pixels, channels);
        let fill = |y: &mut [MaybeUninit<f32>]| {
            InputGradient::with(isa, conv, operands.weights, |back| {
                let images = y.par_chunks_mut(pixels * channels);
                let tasks = images.zip(operands.x.par_chunks(conv.output_len()));
                tasks.enumerate().for_each(|(image, (y, x))| {
                    let activation = self.of_image(operands.activation, image);
                    back.image(isa, x, conv.outputs, y);
                    end(isa, operands.bias, activation, y);
                });
            });
        };
        // SAFETY: all pixels of all images are written.
        unsafe { refill(y, n * pixels * channels, fill) };
    }

    /// The gradients of the weights, the bias and, where it is asked for, the input.
    ///
    /// # Panics
    /// As [`forward`](Self::forward).
    pub fn backward(&self, isa: Isa, operands: Backward<'_>, gradients: &mut Gradients) {
        let what = "TransposedConv::backward";
        let n = self.check(what, operands.x, operands.weights);
        let (Self(conv), [pixels, channels]) = (self, self.pixels());
        operands.check(what, n * pixels, channels);
        let layer = ByImage {
            input: conv.output_len(),
            output: [pixels, channels],
            weights: conv.weights_len(),
        };
        Parts::with(isa, conv, operands.weights, |parts| {
            let image = |image: Backward<'_>, into: OfImage<'_>| parts.transposed(isa, image, into);
            // SAFETY: the gradient of the input is a convolution, which writes all of it.
            unsafe { layer.backward(operands, gradients, image) };
        });
    }
}
