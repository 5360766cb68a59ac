//! The loops over the pixels of one parallel task.
//!
//! All go by blocks of 16 channels: what belongs to a block stays in registers for all its pixels.

use std::mem::MaybeUninit;

use super::{BatchNormBackward, BatchNormForward};
use crate::activation::Activation;
use crate::simd::{LANES, Simd, kernel};

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
        for (i, sum) in sums.iter_mut().enumerate() {
            *sum = s.add(*sum, term(at + i * channels));
        }
        at += 4 * channels;
    }
    while at < len {
        sums[0] = s.add(sums[0], term(at));
        at += channels;
    }
    s.add(s.add(sums[0], sums[1]), s.add(sums[2], sums[3]))
}

/// The block of up to 16 values from `at` on.
///
/// # Safety
/// `at + lanes <= values.len()`
#[inline(always)]
unsafe fn load<S: Simd>(s: S, values: &[f32], at: usize, lanes: usize) -> S::F {
    // SAFETY: the caller's.
    unsafe { s.load_n(values.as_ptr().wrapping_add(at), lanes) }
}

kernel! {
    /// `y = activation((x - mean) scale + beta)`
    pub(super) fn normalise => normalise_body(
        channels: usize, operands: BatchNormForward<'_>, scale: &[f32], y: &mut [MaybeUninit<f32>],
    )
}

#[inline(always)]
fn normalise_body<S: Simd>(
    s: S,
    channels: usize,
    operands: BatchNormForward<'_>,
    scale: &[f32],
    y: &mut [MaybeUninit<f32>],
) {
    let (x, activation) = (operands.x, operands.activation);
    let (mean, beta) = (&operands.moments.mean, operands.beta);
    assert!(x.len().is_multiple_of(channels) && y.len() == x.len());
    assert!([mean.len(), scale.len(), beta.len()] == [channels; 3]);
    let blocks = channels.div_ceil(LANES);
    for block in 0..blocks {
        let (first, lanes) = (block * LANES, (channels - block * LANES).min(LANES));
        // SAFETY: the block lies within the channels.
        let (mean, scale, beta) = unsafe {
            (
                load(s, mean, first, lanes),
                load(s, scale, first, lanes),
                load(s, beta, first, lanes),
            )
        };
        let (mut at, mut word) = (first, block);
        while at < x.len() {
            // SAFETY: `at + lanes` is not past the end of x, nor of y, which is as long.
            unsafe {
                let sum = s.fma(s.sub(load(s, x, at, lanes), mean), scale, beta);
                let to = y.as_mut_ptr().wrapping_add(at).cast();
                s.store_n(to, activation.forward(s, sum, word), lanes);
            }
            at += channels;
            word += blocks;
        }
    }
}

/// What 16 channels did to their inputs.
struct Channel<F> {
    mean: F,
    scale: F,
    beta: F,
}

impl<F: Copy> Channel<F> {
    #[inline(always)]
    fn of<S: Simd<F = F>>(
        s: S,
        operands: BatchNormBackward<'_>,
        scale: &[f32],
        first: usize,
        lanes: usize,
    ) -> Self {
        let (mean, beta) = (&operands.moments.mean, operands.beta);
        assert!(
            [mean.len(), scale.len(), beta.len()]
                .iter()
                .all(|&len| first + lanes <= len)
        );
        // SAFETY: the block lies within the channels.
        unsafe {
            Self {
                mean: load(s, mean, first, lanes),
                scale: load(s, scale, first, lanes),
                beta: load(s, beta, first, lanes),
            }
        }
    }

    /// The distance of `x` from its mean, and the gradient before the activation. The output is computed once more:
    /// it would take longer to read.
    #[inline(always)]
    fn gradient<S: Simd<F = F>>(
        &self,
        s: S,
        activation: Activation<'_>,
        x: F,
        dy: F,
        word: usize,
    ) -> (F, F) {
        let distance = s.sub(x, self.mean);
        let y = activation.forward(s, s.fma(distance, self.scale, self.beta), word);
        (distance, activation.backward(s, y, dy, word))
    }
}

/// For each channel, sums over the pixels of a task.
pub(super) struct GradientSums<'a> {
    /// Of the gradient before the activation.
    pub(super) plain: &'a mut [f32],
    /// Of its product with the distance of the input from its mean.
    pub(super) centred: &'a mut [f32],
}

kernel! {
    pub(super) fn gradient_sums => gradient_sums_body(
        channels: usize, operands: BatchNormBackward<'_>, scale: &[f32], sums: GradientSums<'_>,
    )
}

#[inline(always)]
fn gradient_sums_body<S: Simd>(
    s: S,
    channels: usize,
    operands: BatchNormBackward<'_>,
    scale: &[f32],
    GradientSums { plain, centred }: GradientSums<'_>,
) {
    let (x, dy) = (operands.x, operands.dy);
    assert!(x.len().is_multiple_of(channels) && dy.len() == x.len());
    assert!([plain.len(), centred.len()] == [channels; 2]);
    let blocks = channels.div_ceil(LANES);
    for block in 0..blocks {
        let (first, lanes) = (block * LANES, (channels - block * LANES).min(LANES));
        let channel = Channel::of(s, operands, scale, first, lanes);
        let (mut sum, mut product) = (s.zero(), s.zero());
        let (mut at, mut word) = (first, block);
        while at < x.len() {
            // SAFETY: `at + lanes` is not past the end of either.
            let (x, dy) = unsafe { (load(s, x, at, lanes), load(s, dy, at, lanes)) };
            let (distance, gradient) = channel.gradient(s, operands.activation, x, dy, word);
            sum = s.add(sum, gradient);
            product = s.fma(gradient, distance, product);
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

/// What the gradient of the input needs to know of each channel.
#[derive(Clone, Copy)]
pub(super) struct PerChannel<'a> {
    /// What the input was multiplied by.
    pub(super) scale: &'a [f32],
    /// Mean of the gradient before the activation.
    pub(super) mean: &'a [f32],
    /// How that gradient goes with the input.
    pub(super) slope: &'a [f32],
}

kernel! {
    /// `dx = scale (gradient - its mean - slope (x - mean of x))`
    pub(super) fn input_gradient => input_gradient_body(
        channels: usize, operands: BatchNormBackward<'_>, per_channel: PerChannel<'_>,
        dx: &mut [MaybeUninit<f32>],
    )
}

#[inline(always)]
fn input_gradient_body<S: Simd>(
    s: S,
    channels: usize,
    operands: BatchNormBackward<'_>,
    PerChannel { scale, mean, slope }: PerChannel<'_>,
    dx: &mut [MaybeUninit<f32>],
) {
    let (x, dy) = (operands.x, operands.dy);
    assert!(dx.len().is_multiple_of(channels) && [x.len(), dy.len()] == [dx.len(); 2]);
    assert!([mean.len(), slope.len()] == [channels; 2]);
    let blocks = channels.div_ceil(LANES);
    for block in 0..blocks {
        let (first, lanes) = (block * LANES, (channels - block * LANES).min(LANES));
        let channel = Channel::of(s, operands, scale, first, lanes);
        // SAFETY: the block lies within the channels.
        let (mean, slope) = unsafe { (load(s, mean, first, lanes), load(s, slope, first, lanes)) };
        let (mut at, mut word) = (first, block);
        while at < dx.len() {
            // SAFETY: `at + lanes` is not past the end of any of the three.
            unsafe {
                let (x, dy) = (load(s, x, at, lanes), load(s, dy, at, lanes));
                let (distance, gradient) = channel.gradient(s, operands.activation, x, dy, word);
                let rest = s.sub(s.sub(gradient, mean), s.mul(slope, distance));
                let to = dx.as_mut_ptr().wrapping_add(at).cast();
                s.store_n(to, s.mul(channel.scale, rest), lanes);
            }
            at += channels;
            word += blocks;
        }
    }
}
