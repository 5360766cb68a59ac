//! Pools of any window, strides and padding: the largest value, or the mean, of each channel.

use crate::{Windows, check_len};
use rayon::prelude::*;
use std::mem::take;

/// The largest value of each window. Zeros around the image take no part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaxPool(pub Windows);

/// The mean of each window. Zeros around the image are not counted, as in Keras.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AveragePool(pub Windows);

impl MaxPool {
    /// `y[window][channel]` is the largest `x` of the window; a NaN in it makes NaN.
    ///
    /// # Panics
    /// When `x` is not whole images, or no window fits.
    pub fn forward(&self, x: &[f32], y: &mut Vec<f32>) {
        each_image(
            &self.0,
            "MaxPool::forward",
            x,
            y,
            f32::NEG_INFINITY,
            |x, y| {
                for_each_pixel(&self.0, |window, pixel| {
                    for (y, &x) in y[window..]
                        .iter_mut()
                        .zip(&x[pixel..pixel + self.0.channels])
                    {
                        *y = if x > *y || x.is_nan() { x } else { *y };
                    }
                });
            },
        );
    }

    /// `dx` from `dy`: of values that tie, the first, row by row, gets it.
    ///
    /// # Panics
    /// When a slice has the wrong length, or no window fits.
    pub fn backward(&self, x: &[f32], y: &[f32], dy: &[f32], dx: &mut Vec<f32>) {
        let what = "MaxPool::backward";
        self.0.check(what);
        let channels = self.0.channels;
        let (input, output) = (self.0.input_len(), self.0.count() * channels);
        let n = x.len() / input;
        check_len(what, "x", x.len(), n * input);
        check_len(what, "y", y.len(), n * output);
        check_len(what, "dy", dy.len(), n * output);
        dx.clear();
        dx.resize(x.len(), 0.0);
        let outputs = y.par_chunks(output).zip(dy.par_chunks(output));
        let images = dx
            .par_chunks_mut(input)
            .zip(x.par_chunks(input))
            .zip(outputs);
        images.for_each(|((dx, x), (y, dy))| {
            let mut left = dy.to_vec();
            for_each_pixel(&self.0, |window, pixel| {
                let (window, pixel) = (window..window + channels, pixel..pixel + channels);
                let values = x[pixel.clone()].iter().zip(&y[window.clone()]);
                let gradients = dx[pixel].iter_mut().zip(&mut left[window]);
                for ((dx, left), (value, most)) in gradients.zip(values) {
                    // Nothing is left for the maxima behind the first.
                    if value == most || value.is_nan() && most.is_nan() {
                        *dx += take(left);
                    }
                }
            });
        });
    }
}

impl AveragePool {
    /// `y[window][channel]` is the mean of `x` in the window.
    ///
    /// # Panics
    /// When `x` is not whole images, or no window fits.
    pub fn forward(&self, x: &[f32], y: &mut Vec<f32>) {
        let channels = self.0.channels;
        let parts = self.parts();
        each_image(&self.0, "AveragePool::forward", x, y, 0.0, |x, y| {
            for_each_pixel(&self.0, |window, pixel| {
                let pixels = y[window..].iter_mut().zip(&x[pixel..pixel + channels]);
                pixels.for_each(|(y, x)| *y += x);
            });
            for (y, part) in y.chunks_exact_mut(channels).zip(&parts) {
                y.iter_mut().for_each(|y| *y *= part);
            }
        });
    }

    /// `dx` from `dy`.
    ///
    /// # Panics
    /// When `dy` is not whole images, or no window fits.
    pub fn backward(&self, dy: &[f32], dx: &mut Vec<f32>) {
        let what = "AveragePool::backward";
        self.0.check(what);
        let (channels, output) = (self.0.channels, self.0.count() * self.0.channels);
        let n = dy.len() / output;
        check_len(what, "dy", dy.len(), n * output);
        dx.clear();
        dx.resize(n * self.0.input_len(), 0.0);
        let parts = self.parts();
        let images = dx
            .par_chunks_mut(self.0.input_len())
            .zip(dy.par_chunks(output));
        images.for_each(|(dx, dy)| {
            for_each_pixel(&self.0, |window, pixel| {
                let part = parts[window / channels];
                let pixels = dx[pixel..].iter_mut().zip(&dy[window..window + channels]);
                pixels.for_each(|(dx, dy)| *dx += dy * part);
            });
        });
    }

    /// One over the number of pixels in each window.
    fn parts(&self) -> Vec<f32> {
        let [rows, columns] = self.0.output_size();
        let pixels = |at: usize| {
            let (down, _) = self.0.inside(0, at / columns);
            let (right, _) = self.0.inside(1, at % columns);
            1.0 / (down.len() * right.len()) as f32
        };
        (0..rows * columns).map(pixels).collect()
    }
}

/// Fills `y` with `start`, and hands each image of `x` with its part of `y` to `pool`.
fn each_image(
    windows: &Windows,
    what: &str,
    x: &[f32],
    y: &mut Vec<f32>,
    start: f32,
    pool: impl Fn(&[f32], &mut [f32]) + Sync,
) {
    windows.check(what);
    let (input, output) = (windows.input_len(), windows.count() * windows.channels);
    let n = x.len() / input;
    check_len(what, "x", x.len(), n * input);
    y.clear();
    y.resize(n * output, start);
    let images = y.par_chunks_mut(output).zip(x.par_chunks(input));
    images.for_each(|(y, x)| pool(x, y));
}

/// Calls `visit` for each pixel of each window with their places: the window's in the output, the pixel's
/// in the image.
#[inline(always)]
fn for_each_pixel(windows: &Windows, mut visit: impl FnMut(usize, usize)) {
    let [rows, columns] = windows.output_size();
    for row in 0..rows {
        let (down, top) = windows.inside(0, row);
        for column in 0..columns {
            let (right, left) = windows.inside(1, column);
            let window = (row * columns + column) * windows.channels;
            for y in top..top + down.len() {
                for x in left..left + right.len() {
                    visit(window, (y * windows.width + x) * windows.channels);
                }
            }
        }
    }
}
