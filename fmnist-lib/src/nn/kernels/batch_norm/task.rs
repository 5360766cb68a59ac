//! The loops over the pixels of one parallel task.
//!
//! All go by blocks of 16 channels: what belongs to a block stays in registers for all its pixels.

use std::mem::MaybeUninit;

use crate::nn::kernels::activation::Activation;
use crate::nn::kernels::simd::{LANES, Simd, kernel, unroll};

kernel! {
    /// Mean of each channel of `x`, and the sum of the squared distances from it.
    pub(super) fn task_moments => task_moments_body(
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
    pub(super) fn normalise => normalise_body(
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
    pub(super) fn gradient_sums => gradient_sums_body(
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
    pub(super) fn input_gradient => input_gradient_body(
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
