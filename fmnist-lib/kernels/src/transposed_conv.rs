//! A transposed convolution: the way back through a convolution, taken forward.

use crate::activation::Activation;
use crate::operands::{Backward, Forward};
use crate::output::{Gradients, refill};
use crate::simd::Isa;
use crate::window_conv::InputGradient;
use crate::{WindowConv, check_len, images_per_task, sum_in_order};
use rayon::prelude::*;
use std::mem::MaybeUninit;

/// Its field is the convolution that it goes back through: what that one reads, this one gives. Batches are
/// `[n][rows][columns][outputs]` and `[n][height][width][channels]`, weights
/// `[window rows][window columns][channels][outputs]`, as in Keras.
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

    /// Each pixel of `x` adds its multiple of the weights to the pixels of its window in `y`; `bias` is added to all.
    ///
    /// # Panics
    /// When a slice has the wrong length or no window fits.
    pub fn forward(&self, isa: Isa, x: &[f32], weights: &[f32], bias: &[f32], y: &mut Vec<f32>) {
        let what = "TransposedConv::forward";
        let n = self.check(what, x, weights);
        let Self(conv) = self;
        let windows = conv.windows;
        check_len(what, "bias", bias.len(), windows.channels);
        let fill = |y: &mut [MaybeUninit<f32>]| {
            InputGradient::with(conv, weights, true, |back| {
                let images = y.par_chunks_mut(windows.input_len());
                let tasks = images.zip(x.par_chunks(conv.output_len()));
                tasks.for_each(|(y, x)| {
                    if let Some(back) = back {
                        back.image(isa, x, conv.outputs, y);
                    }
                });
            });
        };
        // SAFETY: all pixels of all images are written.
        unsafe { refill(y, n * windows.input_len(), fill) };
        y.par_chunks_mut(windows.input_len()).for_each(|image| {
            for pixel in image.chunks_exact_mut(windows.channels) {
                pixel.iter_mut().zip(bias).for_each(|(y, bias)| *y += bias);
            }
        });
    }

    /// The gradients of the weights, the bias and, where `wants_input`, the input, from the gradient
    /// `dy` of the output.
    ///
    /// # Panics
    /// As [`forward`](Self::forward).
    pub fn backward(
        &self,
        isa: Isa,
        x: &[f32],
        weights: &[f32],
        dy: &[f32],
        wants_input: bool,
        gradients: &mut Gradients,
    ) {
        let what = "TransposedConv::backward";
        let n = self.check(what, x, weights);
        let Self(conv) = self;
        let (channels, image) = (conv.windows.channels, conv.windows.input_len());
        check_len(what, "dy", dy.len(), n * image);
        let activation = Activation {
            relu: false,
            dropout: None,
        };
        // What is the input there is the gradient of the output here, and the other way round.
        let operands = Backward {
            x: dy,
            weights,
            y: x,
            dy: x,
            activation,
            wants_input: false,
        };
        conv.backward(isa, operands, gradients);
        let tasks = dy.par_chunks(images_per_task(n) * image);
        let sums = tasks.map(|dy| {
            let mut sums = vec![0.0; channels];
            for pixel in dy.chunks_exact(channels) {
                sums.iter_mut().zip(pixel).for_each(|(sum, dy)| *sum += dy);
            }
            sums
        });
        let partial: Vec<Vec<f32>> = sums.collect();
        gradients.bias = vec![0.0; channels];
        sum_in_order(&partial, &mut gradients.bias);
        gradients.input.clear();
        if wants_input {
            let operands = Forward {
                x: dy,
                weights,
                bias: &vec![0.0; conv.outputs],
                activation,
            };
            conv.forward(isa, operands, &mut gradients.input);
        }
    }
}
