//! A convolution of each channel by itself.

mod slide;
mod weights;

use crate::activation::Activation;
use crate::by_image::{ByImage, OfImage};
use crate::operands::{Backward, Forward};
use crate::output::{Gradients, as_uninit, refill};
use crate::simd::Isa;
use crate::{Windows, check_len, check_sides, scratch, window_conv};
use rayon::prelude::*;
use slide::{scatter, slide};
use std::mem::MaybeUninit;
use weights::add_weights;

/// Windows that look at one channel; batches are `[n][height][width][channels]` and
/// `[n][rows][columns][channels * multiplier]`, weights `[window rows][window columns][channels][multiplier]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Depthwise {
    /// What it slides over.
    pub windows: Windows,
    /// Filters of each channel.
    pub multiplier: usize,
}

impl Depthwise {
    /// Values of a pixel of the output.
    fn outputs(&self) -> usize {
        self.windows.channels * self.multiplier
    }

    /// Floats of an image of the output.
    fn output_len(&self) -> usize {
        self.windows.count() * self.outputs()
    }

    /// Floats of the weights.
    fn weights_len(&self) -> usize {
        self.windows.window[0] * self.windows.window[1] * self.outputs()
    }

    fn check(&self, what: &str, x: &[f32], weights: &[f32]) -> usize {
        self.windows.check(what);
        check_sides(what, 1, &[self.multiplier, self.outputs()]);
        let n = x.len() / self.windows.input_len();
        check_len(what, "x", x.len(), n * self.windows.input_len());
        check_len(what, "weights", weights.len(), self.weights_len());
        n
    }

    /// As many filters as channels, where each channel comes once for each of its filters.
    fn repeated(&self) -> Windows {
        Windows {
            channels: self.outputs(),
            ..self.windows
        }
    }

    /// Calls `work` with an image in which each channel comes once for each of its filters, and the zeros around it.
    fn with_repeated<R>(&self, x: &[f32], work: impl FnOnce(&[f32]) -> R) -> R {
        if self.multiplier == 1 {
            return self.windows.with_zeros(x, work);
        }
        scratch::with(x.len() * self.multiplier, |repeated| {
            for (to, from) in repeated.chunks_exact_mut(self.multiplier).zip(x) {
                to.fill(*from);
            }
            self.repeated().with_zeros(repeated, work)
        })
    }

    fn of_image<'a>(&self, activation: Activation<'a>, image: usize) -> Activation<'a> {
        let pixels = self.windows.count();
        activation.pixels(image * pixels, pixels, self.outputs())
    }

    /// `y = activation(conv(x, weights) + bias)`.
    ///
    /// # Panics
    /// When a slice has the wrong length or no window fits.
    pub fn forward(&self, isa: Isa, operands: Forward<'_>, y: &mut Vec<f32>) {
        let what = "Depthwise::forward";
        let n = self.check(what, operands.x, operands.weights);
        operands.check(what, n * self.windows.count(), self.outputs());
        let fill = |y: &mut [MaybeUninit<f32>]| {
            let images = y.par_chunks_mut(self.output_len());
            let tasks = images.zip(operands.x.par_chunks(self.windows.input_len()));
            tasks.enumerate().for_each(|(image, (y, x))| {
                self.with_repeated(x, |x| {
                    let activation = self.of_image(operands.activation, image);
                    let of_image = Forward {
                        x,
                        activation,
                        ..operands
                    };
                    slide(isa, self.repeated(), of_image, y);
                });
            });
        };
        // SAFETY: all outputs of all windows of all images are written.
        unsafe { refill(y, n * self.output_len(), fill) };
    }

    /// The gradients of the weights, the bias and, where it is asked for, the input.
    ///
    /// # Panics
    /// When a slice has the wrong length or no window fits.
    pub fn backward(&self, isa: Isa, operands: Backward<'_>, gradients: &mut Gradients) {
        let what = "Depthwise::backward";
        let n = self.check(what, operands.x, operands.weights);
        operands.check(what, n * self.windows.count(), self.outputs());
        let (back, outputs) = (Back::new(self, operands.weights), self.outputs());
        let layer = ByImage {
            input: self.windows.input_len(),
            output: [self.windows.count(), outputs],
            weights: self.weights_len(),
        };
        let image = |image: Backward<'_>, into: OfImage<'_>| {
            scratch::with(image.dy.len(), |dy| {
                window_conv::sums(isa, [outputs; 2], image, dy, into.bias);
                self.with_repeated(image.x, |x| {
                    add_weights(isa, self.repeated(), x, dy, into.weights);
                });
                if let Some(dx) = into.input {
                    back.image(isa, dy, dx);
                }
            });
        };
        // SAFETY: all channels of all pixels of an image are written.
        unsafe { layer.backward(operands, gradients, image) };
    }
}

/// How the gradient of the input comes from that of the sums.
struct Back<'a> {
    layer: Depthwise,
    weights: &'a [f32],
    /// The convolution that leads back, where windows move by one pixel, and its weights.
    turned: Option<(Windows, Vec<f32>)>,
    no_bias: Vec<f32>,
}

impl<'a> Back<'a> {
    fn new(layer: &Depthwise, weights: &'a [f32]) -> Self {
        let outputs = layer.outputs();
        let turned = layer.repeated().turned(outputs).map(|windows| {
            let flipped = weights.chunks_exact(outputs).rev().flatten().copied();
            (windows, flipped.collect())
        });
        Self {
            layer: *layer,
            weights,
            turned,
            no_bias: vec![0.0; outputs],
        }
    }

    /// Of an image.
    fn image(&self, isa: Isa, dy: &[f32], dx: &mut [MaybeUninit<f32>]) {
        let multiplier = self.layer.multiplier;
        if multiplier == 1 {
            return self.repeated(isa, dy, dx);
        }
        scratch::with(dx.len() * multiplier, |repeated| {
            self.repeated(isa, dy, as_uninit(repeated));
            for (dx, parts) in dx.iter_mut().zip(repeated.chunks_exact(multiplier)) {
                dx.write(parts.iter().sum());
            }
        });
    }

    /// Of an image in which each channel comes once for each of its filters.
    fn repeated(&self, isa: Isa, dy: &[f32], dx: &mut [MaybeUninit<f32>]) {
        let windows = self.layer.repeated();
        match &self.turned {
            Some((turned, weights)) => turned.with_zeros(dy, |dy| {
                let operands = Forward {
                    x: dy,
                    weights,
                    bias: &self.no_bias,
                    activation: Activation::default(),
                };
                slide(isa, *turned, operands, dx);
            }),
            None => scratch::with(windows.wide_len(), |wide| {
                scatter(isa, windows, dy, self.weights, wide);
                windows.without_zeros(wide, dx);
            }),
        }
    }
}
