//! Batch normalisation: the moments of each channel over a batch, and what they do to it.

mod operands;
mod task;

use std::mem::MaybeUninit;
use std::ops::Range;

use rayon::prelude::*;

use super::output::{Gradients, refill};
use super::simd::Isa;
use super::{check_len, check_sides};
pub use operands::{BatchNormBackward, BatchNormForward};
use task::{GradientSums, PerChannel, gradient_sums, input_gradient, normalise, task_moments};

/// Batch normalisation over the last dimension; batches are `[pixels of all images][channels]`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BatchNorm {
    /// Channels.
    pub channels: usize,
    /// Added to the variance.
    pub epsilon: f32,
}

/// Mean and (biased) variance of each channel.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Moments {
    /// Mean.
    pub mean: Vec<f32>,
    /// Mean square of the distance from the mean.
    pub variance: Vec<f32>,
}

/// Floats that one parallel task reads, about: they stay in a second-level cache while they are
/// read twice. Fixed, so that the order of the sums does not depend on the number of threads.
const TASK: usize = 64 * 1024;

impl BatchNorm {
    /// Mean and variance of each channel of `x`.
    ///
    /// # Panics
    /// When `x` is not a whole number of pixels.
    pub fn moments(&self, isa: Isa, x: &[f32]) -> Moments {
        let pixels = self.pixels("BatchNorm::moments", x);
        let channels = self.channels;
        let of_task = |x: &[f32]| {
            let mut sums = [vec![0.0; channels], vec![0.0; channels]];
            let [mean, squares] = &mut sums;
            task_moments(isa, channels, x, mean, squares);
            (x.len() / channels, sums)
        };
        let tasks: Vec<_> = x.par_chunks(self.task()).map(of_task).collect();
        let channel = |channel: usize| {
            // Chan, Golub & LeVeque (1979): exact however far the means of the parts lie apart.
            let (mut count, mut mean, mut squares) = (0.0, 0.0, 0.0);
            for (pixels, [part_mean, part_squares]) in &tasks {
                let part = *pixels as f64;
                let apart = f64::from(part_mean[channel]) - mean;
                squares += f64::from(part_squares[channel])
                    + apart * apart * count * part / (count + part);
                mean += apart * part / (count + part);
                count += part;
            }
            (mean as f32, (squares / (pixels as f64).max(1.0)) as f32)
        };
        let (mean, variance) = (0..channels).map(channel).unzip();
        Moments { mean, variance }
    }

    /// `y = activation(gamma (x - mean) / sqrt(variance + epsilon) + beta)`.
    ///
    /// # Panics
    /// When a slice has the wrong length.
    pub fn forward(&self, isa: Isa, operands: BatchNormForward<'_>, y: &mut Vec<f32>) {
        let what = "BatchNorm::forward";
        let pixels = self.pixels(what, operands.x);
        let scale = self.scale(what, operands.gamma, operands.moments);
        check_len(what, "beta", operands.beta.len(), self.channels);
        operands.activation.check(what, pixels, self.channels);
        let fill = |y: &mut [MaybeUninit<f32>]| {
            let tasks = y.par_chunks_mut(self.task()).enumerate();
            tasks.for_each(|(i, y)| {
                normalise(isa, self.channels, operands.of_task(self, i), &scale, y);
            });
        };
        // SAFETY: the tasks write all of y.
        unsafe { refill(y, operands.x.len(), fill) };
    }

    /// The gradients of gamma (as `weights`), beta (as `bias`) and the input.
    ///
    /// # Panics
    /// When a slice has the wrong length.
    pub fn backward(&self, isa: Isa, operands: BatchNormBackward<'_>, gradients: &mut Gradients) {
        let what = "BatchNorm::backward";
        let BatchNormBackward {
            x,
            gamma,
            beta,
            moments,
            fixed,
            dy,
            activation,
        } = operands;
        let pixels = self.pixels(what, x);
        let scale = self.scale(what, gamma, moments);
        check_len(what, "beta", beta.len(), self.channels);
        check_len(what, "dy", dy.len(), x.len());
        activation.check(what, pixels, self.channels);
        let channels = self.channels;
        let of_task = |i| {
            let mut sums = [vec![0.0; channels], vec![0.0; channels]];
            let [plain, centred] = &mut sums;
            let into = GradientSums { plain, centred };
            gradient_sums(isa, channels, operands.of_task(self, i), &scale, into);
            sums
        };
        let count = x.len().div_ceil(self.task());
        let tasks: Vec<_> = (0..count).into_par_iter().map(of_task).collect();
        let sum = |which: usize, channel: usize| -> f64 {
            tasks
                .iter()
                .map(|sums| f64::from(sums[which][channel]))
                .sum()
        };
        // Of the gradient, and of the gradient times the normalised input.
        let inverse = self.inverse_deviations(moments);
        let beta: Vec<f64> = (0..channels).map(|channel| sum(0, channel)).collect();
        let gamma: Vec<f64> = (0..channels)
            .map(|channel| sum(1, channel) * inverse[channel])
            .collect();
        let narrow = |values: &[f64]| values.iter().map(|&value| value as f32).collect();
        (gradients.weights, gradients.bias) = (narrow(&gamma), narrow(&beta));

        // dx = scale (g - mean of g - x' mean of (g x')), with x' the normalised input. Where the moments are fixed,
        // g goes back alone.
        let count = if fixed {
            f64::INFINITY
        } else {
            (pixels as f64).max(1.0)
        };
        let mean: Vec<f32> = beta.iter().map(|sum| (sum / count) as f32).collect();
        let slope = gamma
            .iter()
            .zip(&inverse)
            .map(|(sum, inverse)| (sum / count * inverse) as f32);
        let slope: Vec<f32> = slope.collect();
        let per_channel = PerChannel {
            scale: &scale,
            mean: &mean,
            slope: &slope,
        };
        let fill = |dx: &mut [MaybeUninit<f32>]| {
            let tasks = dx.par_chunks_mut(self.task()).enumerate();
            tasks.for_each(|(i, dx)| {
                input_gradient(isa, channels, operands.of_task(self, i), per_channel, dx);
            });
        };
        // SAFETY: the tasks write all of dx.
        unsafe { refill(&mut gradients.input, x.len(), fill) };
    }

    /// Floats per task: whole pixels.
    fn task(&self) -> usize {
        (TASK / self.channels).max(1) * self.channels
    }

    /// The floats of task number `task`, of `len` in all.
    fn floats_of_task(&self, task: usize, len: usize) -> Range<usize> {
        let first = task * self.task();
        first..len.min(first + self.task())
    }

    fn inverse_deviations(&self, moments: &Moments) -> Vec<f64> {
        let inverse =
            |&variance: &f32| 1.0 / (f64::from(variance) + f64::from(self.epsilon)).sqrt();
        moments.variance.iter().map(inverse).collect()
    }

    fn scale(&self, what: &str, gamma: &[f32], moments: &Moments) -> Vec<f32> {
        check_len(what, "gamma", gamma.len(), self.channels);
        check_len(what, "mean", moments.mean.len(), self.channels);
        check_len(what, "variance", moments.variance.len(), self.channels);
        let inverse = self.inverse_deviations(moments);
        let scale = gamma
            .iter()
            .zip(inverse)
            .map(|(&gamma, inverse)| f64::from(gamma) * inverse);
        scale.map(|scale| scale as f32).collect()
    }

    fn pixels(&self, what: &str, x: &[f32]) -> usize {
        check_sides(what, 1, &[self.channels]);
        let pixels = x.len() / self.channels;
        check_len(what, "x", x.len(), pixels * self.channels);
        pixels
    }
}
