//! A convolution of each channel by itself.

use crate::output::{Gradients, as_uninit, refill};
use crate::simd::{Isa, LANES, Simd, kernel};
use crate::{Windows, check_len, check_sides, images_per_task, scratch, sum_in_order};
use rayon::prelude::*;
use std::mem::MaybeUninit;

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

    /// `y = conv(x, weights) + bias`.
    ///
    /// # Panics
    /// When a slice has the wrong length or no window fits.
    pub fn forward(&self, isa: Isa, x: &[f32], weights: &[f32], bias: &[f32], y: &mut Vec<f32>) {
        let what = "Depthwise::forward";
        let n = self.check(what, x, weights);
        check_len(what, "bias", bias.len(), self.outputs());
        let fill = |y: &mut [MaybeUninit<f32>]| {
            let images = y.par_chunks_mut(self.output_len());
            let tasks = images.zip(x.par_chunks(self.windows.input_len()));
            tasks.for_each(|(y, x)| {
                self.with_repeated(x, |x| slide(isa, self.repeated(), x, weights, bias, y));
            });
        };
        // SAFETY: all outputs of all windows of all images are written.
        unsafe { refill(y, n * self.output_len(), fill) };
    }

    /// The gradients of the weights, the bias and, where `wants_input`, the input, from the gradient
    /// `dy` of the output.
    ///
    /// # Panics
    /// When a slice has the wrong length or no window fits.
    pub fn backward(
        &self,
        isa: Isa,
        [x, weights, dy]: [&[f32]; 3],
        wants_input: bool,
        gradients: &mut Gradients,
    ) {
        let what = "Depthwise::backward";
        let n = self.check(what, x, weights);
        check_len(what, "dy", dy.len(), n * self.output_len());
        let images = images_per_task(n);
        let (input, output) = (self.windows.input_len(), self.output_len());
        let tasks = (x.par_chunks(images * input)).zip(dy.par_chunks(images * output));
        let partial = tasks.map(|(x, dy)| {
            // The weights, then the bias.
            let mut sums = vec![0.0; self.weights_len() + self.outputs()];
            let (of_weights, of_bias) = sums.split_at_mut(self.weights_len());
            for (x, dy) in x.chunks_exact(input).zip(dy.chunks_exact(output)) {
                self.with_repeated(x, |x| {
                    add_weights(isa, self.repeated(), x, dy, of_weights, of_bias);
                });
            }
            sums
        });
        let partial: Vec<Vec<f32>> = partial.collect();
        let mut total = vec![0.0; self.weights_len() + self.outputs()];
        sum_in_order(&partial, &mut total);
        gradients.bias = total.split_off(self.weights_len());
        gradients.weights = total;
        self.input_gradient(isa, weights, dy, wants_input, &mut gradients.input);
    }

    fn input_gradient(
        &self,
        isa: Isa,
        weights: &[f32],
        dy: &[f32],
        wanted: bool,
        dx: &mut Vec<f32>,
    ) {
        let (windows, outputs) = (self.repeated(), self.outputs());
        let turned = windows.turned(outputs);
        let flipped: Vec<f32> = (weights.chunks_exact(outputs).rev().flatten().copied()).collect();
        let zeros = vec![0.0; outputs];
        // Of an image whose channels are repeated.
        let image = |dy: &[f32], dx: &mut [MaybeUninit<f32>]| match turned {
            Some(back) => back.with_zeros(dy, |dy| slide(isa, back, dy, &flipped, &zeros, dx)),
            None => scratch::with(windows.wide_len(), |wide| {
                scatter(isa, windows, dy, weights, wide);
                windows.without_zeros(wide, dx);
            }),
        };
        let input = self.windows.input_len();
        let fill = |dx: &mut [MaybeUninit<f32>]| {
            let images = dx
                .par_chunks_mut(input)
                .zip(dy.par_chunks(self.output_len()));
            images.for_each(|(dx, dy)| {
                if self.multiplier == 1 {
                    return image(dy, dx);
                }
                scratch::with(windows.input_len(), |repeated| {
                    image(dy, as_uninit(repeated));
                    for (dx, parts) in dx.iter_mut().zip(repeated.chunks_exact(self.multiplier)) {
                        dx.write(parts.iter().sum());
                    }
                });
            });
        };
        let n = if wanted {
            dy.len() / self.output_len()
        } else {
            0
        };
        // SAFETY: all channels of all pixels of all images are written.
        unsafe {
            refill(dx, n * input, |dx| {
                if wanted {
                    fill(dx)
                }
            })
        };
    }
}

kernel! {
    /// Slides over an image with its zeros.
    fn slide => slide_body(
        windows: Windows, x: &[f32], weights: &[f32], bias: &[f32], y: &mut [MaybeUninit<f32>],
    )
}

#[inline(always)]
fn slide_body<S: Simd>(
    s: S,
    windows: Windows,
    x: &[f32],
    weights: &[f32],
    bias: &[f32],
    y: &mut [MaybeUninit<f32>],
) {
    let ([rows, columns], channels) = (windows.output_size(), windows.channels);
    let taps = windows.window[0] * windows.window[1];
    assert!(x.len() == windows.wide_len() && y.len() == rows * columns * channels);
    assert!(weights.len() == taps * channels && bias.len() == channels);
    for row in 0..rows {
        for first in (0..channels).step_by(LANES) {
            let block = Block {
                windows,
                row,
                first,
                lanes: (channels - first).min(LANES),
            };
            let mut column = 0;
            while column < columns {
                let left = columns - column;
                let y = y.as_mut_ptr().cast();
                // SAFETY: the tile ends at or before the last column; the lengths were checked above.
                column += unsafe {
                    if left >= 8 {
                        block.tile::<S, 8>(s, column, x, weights, bias, y)
                    } else if left >= 4 {
                        block.tile::<S, 4>(s, column, x, weights, bias, y)
                    } else if left >= 2 {
                        block.tile::<S, 2>(s, column, x, weights, bias, y)
                    } else {
                        block.tile::<S, 1>(s, column, x, weights, bias, y)
                    }
                };
            }
        }
    }
}

/// Up to 16 channels of a row of windows.
#[derive(Clone, Copy)]
struct Block {
    windows: Windows,
    row: usize,
    first: usize,
    lanes: usize,
}

impl Block {
    /// Where the windows of `column` begin in the image with its zeros.
    #[inline(always)]
    fn window(self, column: usize) -> usize {
        let [down, across] = self.windows.strides;
        self.windows.place(self.row * down, column * across) + self.first
    }

    /// Where they are in the output.
    #[inline(always)]
    fn output(self, column: usize) -> usize {
        let columns = self.windows.output_size()[1];
        (self.row * columns + column) * self.windows.channels + self.first
    }

    /// Windows `column..column + N`; returns `N`.
    ///
    /// # Safety
    /// There are so many; `x` is an image with its zeros, `weights` and `bias` are of its channels, and `y` is valid
    /// for writing an output.
    #[inline(always)]
    unsafe fn tile<S: Simd, const N: usize>(
        self,
        s: S,
        column: usize,
        x: &[f32],
        weights: &[f32],
        bias: &[f32],
        y: *mut f32,
    ) -> usize {
        let (channels, lanes) = (self.windows.channels, self.lanes);
        let across = self.windows.strides[1] * channels;
        let mut w = weights.as_ptr().wrapping_add(self.first);
        // SAFETY: the caller's: each tap of each of the windows lies within x, its weight within weights.
        unsafe {
            let mut sums = [s.load_n(bias.as_ptr().wrapping_add(self.first), lanes); N];
            for down in 0..self.windows.window[0] {
                let line = self.window(column) + self.windows.place(down, 0);
                let mut x = x.as_ptr().wrapping_add(line);
                for _ in 0..self.windows.window[1] {
                    let weight = s.load_n(w, lanes);
                    for (at, sum) in sums.iter_mut().enumerate() {
                        *sum = s.fma(s.load_n(x.wrapping_add(at * across), lanes), weight, *sum);
                    }
                    w = w.wrapping_add(channels);
                    x = x.wrapping_add(channels);
                }
            }
            for (at, sum) in sums.into_iter().enumerate() {
                s.store_n(y.wrapping_add(self.output(column + at)), sum, lanes);
            }
        }
        N
    }

    /// Adds to the gradients of `N` weights beside each other, from tap `(down, right)` on, what the row says.
    ///
    /// # Safety
    /// There are so many; `x` is an image with its zeros, `dy` of its output, and `sums` the place of the first.
    #[inline(always)]
    unsafe fn add_weights<S: Simd, const N: usize>(
        self,
        s: S,
        [down, right]: [usize; 2],
        x: &[f32],
        dy: &[f32],
        sums: &mut [S::F; N],
    ) {
        let (channels, lanes) = (self.windows.channels, self.lanes);
        let tap = self.windows.place(down, right);
        // SAFETY: the caller's.
        unsafe {
            for column in 0..self.windows.output_size()[1] {
                let dy = s.load_n(dy.as_ptr().wrapping_add(self.output(column)), lanes);
                let x = x.as_ptr().wrapping_add(self.window(column) + tap);
                for (at, sum) in sums.iter_mut().enumerate() {
                    *sum = s.fma(s.load_n(x.wrapping_add(at * channels), lanes), dy, *sum);
                }
            }
        }
    }
}

kernel! {
    /// Adds what an image with its zeros says of the weights and the bias.
    fn add_weights => add_weights_body(
        windows: Windows, x: &[f32], dy: &[f32], of_weights: &mut [f32], of_bias: &mut [f32],
    )
}

#[inline(always)]
fn add_weights_body<S: Simd>(
    s: S,
    windows: Windows,
    x: &[f32],
    dy: &[f32],
    of_weights: &mut [f32],
    of_bias: &mut [f32],
) {
    let channels = windows.channels;
    let [height, width] = windows.window;
    assert!(x.len() == windows.wide_len() && dy.len() == windows.count() * channels);
    assert!(of_weights.len() == height * width * channels && of_bias.len() == channels);
    for first in (0..channels).step_by(LANES) {
        let lanes = (channels - first).min(LANES);
        for down in 0..height {
            let mut right = 0;
            while right < width {
                let to = (down * width + right) * channels + first;
                let to = of_weights.as_mut_ptr().wrapping_add(to);
                let tap = [down, right];
                // SAFETY: so many taps are left in the row; the lengths were checked above.
                right += unsafe {
                    match width - right {
                        1 => weights_of::<S, 1>(s, windows, [first, lanes], tap, x, dy, to),
                        2 => weights_of::<S, 2>(s, windows, [first, lanes], tap, x, dy, to),
                        4 => weights_of::<S, 4>(s, windows, [first, lanes], tap, x, dy, to),
                        5 => weights_of::<S, 5>(s, windows, [first, lanes], tap, x, dy, to),
                        _ => weights_of::<S, 3>(s, windows, [first, lanes], tap, x, dy, to),
                    }
                };
            }
        }
        // SAFETY: `lanes` channels exist from `first` on at each window of dy, and in the bias.
        unsafe {
            let to = of_bias.as_mut_ptr().wrapping_add(first);
            let mut sum = s.load_n(to, lanes);
            for window in 0..windows.count() {
                let at = window * channels + first;
                sum = s.add(sum, s.load_n(dy.as_ptr().wrapping_add(at), lanes));
            }
            s.store_n(to, sum, lanes);
        }
    }
}

/// Adds to `N` weights at `to` what an image says of them; returns `N`.
///
/// # Safety
/// As for [`Block::add_weights`]; the weights at `to` are valid for reading and writing.
#[inline(always)]
unsafe fn weights_of<S: Simd, const N: usize>(
    s: S,
    windows: Windows,
    [first, lanes]: [usize; 2],
    tap: [usize; 2],
    x: &[f32],
    dy: &[f32],
    to: *mut f32,
) -> usize {
    let mut sums = [s.zero(); N];
    for row in 0..windows.output_size()[0] {
        let block = Block {
            windows,
            row,
            first,
            lanes,
        };
        // SAFETY: the caller's.
        unsafe { block.add_weights(s, tap, x, dy, &mut sums) };
    }
    for (at, sum) in sums.into_iter().enumerate() {
        let to = to.wrapping_add(at * windows.channels);
        // SAFETY: the caller's.
        unsafe { s.store_n(to, s.add(s.load_n(to, lanes), sum), lanes) };
    }
    N
}

kernel! {
    /// The gradient of an image with its zeros, each window's added to its pixels.
    fn scatter => scatter_body(windows: Windows, dy: &[f32], weights: &[f32], wide: &mut [f32])
}

#[inline(always)]
fn scatter_body<S: Simd>(s: S, windows: Windows, dy: &[f32], weights: &[f32], wide: &mut [f32]) {
    let ([rows, columns], channels) = (windows.output_size(), windows.channels);
    let [height, width] = windows.window;
    assert!(wide.len() == windows.wide_len() && dy.len() == rows * columns * channels);
    assert!(weights.len() == height * width * channels);
    wide.fill(0.0);
    for row in 0..rows {
        for first in (0..channels).step_by(LANES) {
            let lanes = (channels - first).min(LANES);
            let block = Block {
                windows,
                row,
                first,
                lanes,
            };
            for column in 0..columns {
                // SAFETY: each tap of the window lies within the image, its weight within the weights.
                unsafe {
                    let dy = s.load_n(dy.as_ptr().wrapping_add(block.output(column)), lanes);
                    for tap in 0..height * width {
                        let place = windows.place(tap / width, tap % width);
                        let to = wide.as_mut_ptr().wrapping_add(block.window(column) + place);
                        let weight = weights.as_ptr().wrapping_add(tap * channels + first);
                        let sum = s.fma(dy, s.load_n(weight, lanes), s.load_n(to, lanes));
                        s.store_n(to, sum, lanes);
                    }
                }
            }
        }
    }
}
