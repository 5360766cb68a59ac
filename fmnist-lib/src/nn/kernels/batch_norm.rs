//! Batch normalisation: the moments of each channel over a batch, and what they do to it.

use std::mem::MaybeUninit;

use rayon::prelude::*;

use super::activation::Activation;
use super::output::{Gradients, refill};
use super::simd::{Isa, LANES, Simd, kernel, unroll};
use super::{check_len, check_sides};

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

    /// `y = activation(gamma (x - mean) / sqrt(variance + epsilon) + beta)`, with the moments of the
    /// batch while training, and those of the whole training otherwise.
    ///
    /// # Panics
    /// When a slice has the wrong length.
    #[allow(clippy::too_many_arguments)]
    pub fn forward(
        &self,
        isa: Isa,
        x: &[f32],
        gamma: &[f32],
        beta: &[f32],
        moments: &Moments,
        activation: Activation<'_>,
        y: &mut Vec<f32>,
    ) {
        let what = "BatchNorm::forward";
        let pixels = self.pixels(what, x);
        let scale = self.scale(what, gamma, moments);
        check_len(what, "beta", beta.len(), self.channels);
        activation.check(what, pixels, self.channels);
        let fill = |y: &mut [MaybeUninit<f32>]| {
            let tasks = x.par_chunks(self.task()).zip(y.par_chunks_mut(self.task()));
            tasks.enumerate().for_each(|(i, (x, y))| {
                let activation = self.of_task(activation, i, x);
                let per_channel = [&moments.mean, &scale, beta];
                normalise(isa, self.channels, x, per_channel, activation, y);
            });
        };
        // SAFETY: the tasks write all of y.
        unsafe { refill(y, x.len(), fill) };
    }

    /// The gradients of gamma (as `weights`), beta (as `bias`) and the input, from the gradient `dy`
    /// of the output `y`; `moments` are those of the batch, which depend on the input.
    ///
    /// # Panics
    /// When a slice has the wrong length.
    #[allow(clippy::too_many_arguments)]
    pub fn backward(
        &self,
        isa: Isa,
        x: &[f32],
        gamma: &[f32],
        moments: &Moments,
        y: &[f32],
        dy: &[f32],
        activation: Activation<'_>,
        gradients: &mut Gradients,
    ) {
        let what = "BatchNorm::backward";
        let pixels = self.pixels(what, x);
        let scale = self.scale(what, gamma, moments);
        check_len(what, "y", y.len(), x.len());
        check_len(what, "dy", dy.len(), x.len());
        activation.check(what, pixels, self.channels);
        let channels = self.channels;
        let tasks = x
            .par_chunks(self.task())
            .zip(y.par_chunks(self.task()))
            .zip(dy.par_chunks(self.task()))
            .enumerate();
        let of_task = |(i, ((x, y), dy))| {
            let mut sums = [vec![0.0; channels], vec![0.0; channels]];
            let activation = self.of_task(activation, i, x);
            let [plain, centred] = &mut sums;
            gradient_sums(
                isa,
                channels,
                [x, y, dy],
                &moments.mean,
                activation,
                plain,
                centred,
            );
            sums
        };
        let tasks: Vec<_> = tasks.map(of_task).collect();
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

        // dx = scale (g - mean of g - x' mean of (g x')), with x' the normalised input.
        let count = (pixels as f64).max(1.0);
        let mean: Vec<f32> = beta.iter().map(|sum| (sum / count) as f32).collect();
        let slope = gamma
            .iter()
            .zip(&inverse)
            .map(|(sum, inverse)| (sum / count * inverse) as f32);
        let slope: Vec<f32> = slope.collect();
        let fill = |dx: &mut [MaybeUninit<f32>]| {
            let tasks = x
                .par_chunks(self.task())
                .zip(y.par_chunks(self.task()))
                .zip(dy.par_chunks(self.task()))
                .zip(dx.par_chunks_mut(self.task()));
            tasks.enumerate().for_each(|(i, (((x, y), dy), dx))| {
                let activation = self.of_task(activation, i, x);
                let per_channel = [&moments.mean, &scale, &mean, &slope];
                input_gradient(
                    isa,
                    channels,
                    [x, y, dy],
                    per_channel.map(|v| &v[..]),
                    activation,
                    dx,
                );
            });
        };
        // SAFETY: the tasks write all of dx.
        unsafe { refill(&mut gradients.input, x.len(), fill) };
    }

    /// Floats per task: whole pixels.
    fn task(&self) -> usize {
        (TASK / self.channels).max(1) * self.channels
    }

    fn of_task<'a>(&self, activation: Activation<'a>, task: usize, x: &[f32]) -> Activation<'a> {
        let first = task * self.task() / self.channels;
        activation.pixels(first, x.len() / self.channels, self.channels)
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

kernel! {
    /// Mean of each channel of `x`, and the sum of the squared distances from it.
    fn task_moments => task_moments_body(
        channels: usize, x: &[f32], mean: &mut [f32], squares: &mut [f32],
    )
}

#[inline(always)]
fn task_moments_body<S: Simd>(
    s: S,
    channels: usize,
    x: &[f32],
    mean: &mut [f32],
    squares: &mut [f32],
) {
    assert!(x.len().is_multiple_of(channels) && [mean.len(), squares.len()] == [channels; 2]);
    let share = s.splat(1.0 / (x.len() / channels) as f32);
    for block in (0..channels).step_by(LANES) {
        let lanes = (channels - block).min(LANES);
        // SAFETY: `at + lanes <= x.len()` for each pixel, as blocks end at `channels`.
        let load = |at: usize| unsafe { s.load_n(x.as_ptr().wrapping_add(at), lanes) };
        let total = sum_over_pixels(s, channels, block, x.len(), load);
        let centre = s.mul(total, share);
        let squared = |at| {
            let apart = s.sub(load(at), centre);
            s.mul(apart, apart)
        };
        let total = sum_over_pixels(s, channels, block, x.len(), squared);
        // SAFETY: the block lies within the channels.
        unsafe {
            s.store_n(mean.as_mut_ptr().wrapping_add(block), centre, lanes);
            s.store_n(squares.as_mut_ptr().wrapping_add(block), total, lanes);
        }
    }
}

/// Adds `term` over the places of one block of channels in all pixels; four sums in turn, so that an
/// addition need not wait for the one before.
#[inline(always)]
fn sum_over_pixels<S: Simd>(
    s: S,
    channels: usize,
    block: usize,
    len: usize,
    term: impl Fn(usize) -> S::F,
) -> S::F {
    let mut sums = [s.zero(); 4];
    let mut at = block;
    while at + 3 * channels < len {
        unroll!(i < 4, {
            sums[i] = s.add(sums[i], term(at + i * channels));
        });
        at += 4 * channels;
    }
    while at < len {
        sums[0] = s.add(sums[0], term(at));
        at += channels;
    }
    s.add(s.add(sums[0], sums[1]), s.add(sums[2], sums[3]))
}

kernel! {
    /// `y = activation((x - mean) scale + beta)`
    fn normalise => normalise_body(
        channels: usize, x: &[f32], per_channel: [&[f32]; 3], activation: Activation<'_>,
        y: &mut [MaybeUninit<f32>],
    )
}

#[inline(always)]
fn normalise_body<S: Simd>(
    s: S,
    channels: usize,
    x: &[f32],
    per_channel: [&[f32]; 3],
    activation: Activation<'_>,
    y: &mut [MaybeUninit<f32>],
) {
    assert!(x.len().is_multiple_of(channels) && y.len() == x.len());
    assert!(per_channel.iter().all(|values| values.len() == channels));
    let blocks = channels.div_ceil(LANES);
    for block in 0..blocks {
        let lanes = (channels - block * LANES).min(LANES);
        // SAFETY: the block lies within the channels.
        let [mean, scale, beta] = per_channel
            .map(|values| unsafe { s.load_n(values.as_ptr().wrapping_add(block * LANES), lanes) });
        let (mut at, mut word) = (block * LANES, block);
        while at < x.len() {
            // SAFETY: `at + lanes` is not past the end of x, nor of y, which is as long.
            unsafe {
                let x = s.load_n(x.as_ptr().wrapping_add(at), lanes);
                let sum = s.fma(s.sub(x, mean), scale, beta);
                let to = y.as_mut_ptr().wrapping_add(at).cast();
                s.store_n(to, activation.forward(s, sum, word), lanes);
            }
            at += channels;
            word += blocks;
        }
    }
}

kernel! {
    /// For each channel, the sum of the gradient before the activation, `plain`, and that of its
    /// product with the distance of the input from its mean, `centred`.
    fn gradient_sums => gradient_sums_body(
        channels: usize, x_y_dy: [&[f32]; 3], mean: &[f32], activation: Activation<'_>,
        plain: &mut [f32], centred: &mut [f32],
    )
}

#[inline(always)]
fn gradient_sums_body<S: Simd>(
    s: S,
    channels: usize,
    x_y_dy: [&[f32]; 3],
    mean: &[f32],
    activation: Activation<'_>,
    plain: &mut [f32],
    centred: &mut [f32],
) {
    let len = x_y_dy[0].len();
    assert!(len.is_multiple_of(channels) && x_y_dy.iter().all(|values| values.len() == len));
    assert!([mean.len(), plain.len(), centred.len()] == [channels; 3]);
    let blocks = channels.div_ceil(LANES);
    for block in 0..blocks {
        let (first, lanes) = (block * LANES, (channels - block * LANES).min(LANES));
        // SAFETY: the block lies within the channels.
        let mean = unsafe { s.load_n(mean.as_ptr().wrapping_add(first), lanes) };
        let (mut sum, mut product) = (s.zero(), s.zero());
        let (mut at, mut word) = (first, block);
        while at < len {
            // SAFETY: `at + lanes` is not past the end of any of the three.
            let [x, y, dy] =
                x_y_dy.map(|values| unsafe { s.load_n(values.as_ptr().wrapping_add(at), lanes) });
            let gradient = activation.backward(s, y, dy, word);
            sum = s.add(sum, gradient);
            product = s.fma(gradient, s.sub(x, mean), product);
            at += channels;
            word += blocks;
        }
        // SAFETY: the block lies within the channels.
        unsafe {
            s.store_n(plain.as_mut_ptr().wrapping_add(first), sum, lanes);
            s.store_n(centred.as_mut_ptr().wrapping_add(first), product, lanes);
        }
    }
}

kernel! {
    /// `dx = scale (gradient - gradient's mean - slope (x - mean))`
    fn input_gradient => input_gradient_body(
        channels: usize, x_y_dy: [&[f32]; 3], per_channel: [&[f32]; 4], activation: Activation<'_>,
        dx: &mut [MaybeUninit<f32>],
    )
}

#[inline(always)]
fn input_gradient_body<S: Simd>(
    s: S,
    channels: usize,
    x_y_dy: [&[f32]; 3],
    per_channel: [&[f32]; 4],
    activation: Activation<'_>,
    dx: &mut [MaybeUninit<f32>],
) {
    let len = dx.len();
    assert!(len.is_multiple_of(channels) && x_y_dy.iter().all(|values| values.len() == len));
    assert!(per_channel.iter().all(|values| values.len() == channels));
    let blocks = channels.div_ceil(LANES);
    for block in 0..blocks {
        let lanes = (channels - block * LANES).min(LANES);
        // SAFETY: the block lies within the channels.
        let [mean, scale, of_gradient, slope] = per_channel
            .map(|values| unsafe { s.load_n(values.as_ptr().wrapping_add(block * LANES), lanes) });
        let (mut at, mut word) = (block * LANES, block);
        while at < len {
            // SAFETY: `at + lanes` is not past the end of any of the four.
            unsafe {
                let [x, y, dy] =
                    x_y_dy.map(|values| s.load_n(values.as_ptr().wrapping_add(at), lanes));
                let gradient = activation.backward(s, y, dy, word);
                let rest = s.sub(s.sub(gradient, of_gradient), s.mul(slope, s.sub(x, mean)));
                let to = dx.as_mut_ptr().wrapping_add(at).cast();
                s.store_n(to, s.mul(scale, rest), lanes);
            }
            at += channels;
            word += blocks;
        }
    }
}
