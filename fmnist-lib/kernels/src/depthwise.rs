//! A convolution of each channel by itself.

use crate::output::Gradients;
use crate::{Windows, check_len, check_sides, images_per_task, sum_in_order};
use rayon::prelude::*;

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

    /// `y = conv(x, weights) + bias`.
    ///
    /// # Panics
    /// When a slice has the wrong length or no window fits.
    pub fn forward(&self, x: &[f32], weights: &[f32], bias: &[f32], y: &mut Vec<f32>) {
        let what = "Depthwise::forward";
        let n = self.check(what, x, weights);
        check_len(what, "bias", bias.len(), self.outputs());
        y.clear();
        y.resize(n * self.output_len(), 0.0);
        let images = y.par_chunks_mut(self.output_len());
        images
            .zip(x.par_chunks(self.windows.input_len()))
            .for_each(|(y, x)| {
                y.chunks_exact_mut(self.outputs())
                    .for_each(|y| y.copy_from_slice(bias));
                self.for_each_pixel(|window, tap, pixel| {
                    let y = &mut y[window..window + self.outputs()];
                    let w = &weights[tap..tap + self.outputs()];
                    let x = &x[pixel..pixel + self.windows.channels];
                    if self.multiplier == 1 {
                        y.iter_mut()
                            .zip(w)
                            .zip(x)
                            .for_each(|((y, w), x)| *y += w * x);
                        return;
                    }
                    let channels = y
                        .chunks_exact_mut(self.multiplier)
                        .zip(w.chunks_exact(self.multiplier));
                    for ((y, w), x) in channels.zip(x) {
                        y.iter_mut().zip(w).for_each(|(y, w)| *y += w * x);
                    }
                });
            });
    }

    /// The gradients of the weights, the bias and, where `wants_input`, the input, from the gradient
    /// `dy` of the output.
    ///
    /// # Panics
    /// When a slice has the wrong length or no window fits.
    pub fn backward(
        &self,
        x: &[f32],
        weights: &[f32],
        dy: &[f32],
        wants_input: bool,
        gradients: &mut Gradients,
    ) {
        let what = "Depthwise::backward";
        let n = self.check(what, x, weights);
        check_len(what, "dy", dy.len(), n * self.output_len());
        let images = images_per_task(n);
        let (input, output) = (self.windows.input_len(), self.output_len());
        let tasks = x
            .par_chunks(images * input)
            .zip(dy.par_chunks(images * output));
        let partial: Vec<Vec<f32>> = tasks
            .map(|(x, dy)| {
                // The weights, then the bias.
                let mut sums = vec![0.0; self.weights_len() + self.outputs()];
                let (of_weights, of_bias) = sums.split_at_mut(self.weights_len());
                for (x, dy) in x.chunks_exact(input).zip(dy.chunks_exact(output)) {
                    for dy in dy.chunks_exact(self.outputs()) {
                        of_bias.iter_mut().zip(dy).for_each(|(sum, dy)| *sum += dy);
                    }
                    self.for_each_pixel(|window, tap, pixel| {
                        let dy = &dy[window..window + self.outputs()];
                        let dw = &mut of_weights[tap..tap + self.outputs()];
                        let x = &x[pixel..pixel + self.windows.channels];
                        if self.multiplier == 1 {
                            let channels = dw.iter_mut().zip(dy).zip(x);
                            channels.for_each(|((dw, dy), x)| *dw += dy * x);
                            return;
                        }
                        let dy = dy.chunks_exact(self.multiplier);
                        let dw = dw.chunks_exact_mut(self.multiplier);
                        for ((dw, dy), x) in dw.zip(dy).zip(x) {
                            dw.iter_mut().zip(dy).for_each(|(dw, dy)| *dw += dy * x);
                        }
                    });
                }
                sums
            })
            .collect();
        let mut total = vec![0.0; self.weights_len() + self.outputs()];
        sum_in_order(&partial, &mut total);
        gradients.bias = total.split_off(self.weights_len());
        gradients.weights = total;
        let dx = &mut gradients.input;
        dx.clear();
        if !wants_input {
            return;
        }
        dx.resize(x.len(), 0.0);
        dx.par_chunks_mut(input)
            .zip(dy.par_chunks(output))
            .for_each(|(dx, dy)| {
                self.for_each_pixel(|window, tap, pixel| {
                    let dy = &dy[window..window + self.outputs()];
                    let w = &weights[tap..tap + self.outputs()];
                    let dx = &mut dx[pixel..pixel + self.windows.channels];
                    if self.multiplier == 1 {
                        let channels = dx.iter_mut().zip(dy).zip(w);
                        channels.for_each(|((dx, dy), w)| *dx += dy * w);
                        return;
                    }
                    let dy = dy.chunks_exact(self.multiplier);
                    let w = w.chunks_exact(self.multiplier);
                    for ((dx, dy), w) in dx.iter_mut().zip(dy).zip(w) {
                        *dx += dy.iter().zip(w).map(|(dy, w)| dy * w).sum::<f32>();
                    }
                });
            });
    }

    /// Calls `visit` with the places of a window in the output, of a pixel's weights, and of the pixel.
    #[inline(always)]
    fn for_each_pixel(&self, mut visit: impl FnMut(usize, usize, usize)) {
        let [rows, columns] = self.windows.output_size();
        for row in 0..rows {
            let (down, top) = self.windows.inside(0, row);
            for column in 0..columns {
                let (right, left) = self.windows.inside(1, column);
                for (tap_row, y) in down.clone().zip(top..) {
                    for (tap_column, x) in right.clone().zip(left..) {
                        visit(
                            (row * columns + column) * self.outputs(),
                            (tap_row * self.windows.window[1] + tap_column) * self.outputs(),
                            (y * self.windows.width + x) * self.windows.channels,
                        );
                    }
                }
            }
        }
    }
}
