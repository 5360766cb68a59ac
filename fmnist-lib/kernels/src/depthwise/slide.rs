//! Windows on their way over an image, and back.

use crate::Windows;
use crate::operands::Forward;
use crate::simd::{LANES, Simd, kernel};
use std::mem::MaybeUninit;

kernel! {
    /// Slides over an image with its zeros.
    pub(super) fn slide => slide_body(
        windows: Windows, operands: Forward<'_>, y: &mut [MaybeUninit<f32>],
    )
}

#[inline(always)]
fn slide_body<S: Simd>(s: S, windows: Windows, operands: Forward<'_>, y: &mut [MaybeUninit<f32>]) {
    let (x, weights, bias) = (operands.x, operands.weights, operands.bias);
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
                        block.tile::<S, 8>(s, column, operands, y)
                    } else if left >= 4 {
                        block.tile::<S, 4>(s, column, operands, y)
                    } else if left >= 2 {
                        block.tile::<S, 2>(s, column, operands, y)
                    } else {
                        block.tile::<S, 1>(s, column, operands, y)
                    }
                };
            }
        }
    }
}

/// Up to 16 channels of a row of windows.
#[derive(Clone, Copy)]
pub(super) struct Block {
    pub(super) windows: Windows,
    pub(super) row: usize,
    pub(super) first: usize,
    pub(super) lanes: usize,
}

impl Block {
    /// Where the windows of `column` begin in the image with its zeros.
    #[inline(always)]
    pub(super) fn window(self, column: usize) -> usize {
        let [down, across] = self.windows.strides;
        self.windows.place(self.row * down, column * across) + self.first
    }

    /// Where they are in the output.
    #[inline(always)]
    pub(super) fn output(self, column: usize) -> usize {
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
        operands: Forward<'_>,
        y: *mut f32,
    ) -> usize {
        let (x, weights, bias) = (operands.x, operands.weights, operands.bias);
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
            let blocks = channels.div_ceil(LANES);
            let pixel = self.output(column) / channels;
            for (at, sum) in sums.into_iter().enumerate() {
                let word = (pixel + at) * blocks + self.first / LANES;
                let sum = operands.activation.forward(s, sum, word);
                s.store_n(y.wrapping_add(self.output(column + at)), sum, lanes);
            }
        }
        N
    }
}

kernel! {
    /// The gradient of an image with its zeros, each window's added to its pixels.
    pub(super) fn scatter => scatter_body(windows: Windows, dy: &[f32], weights: &[f32], wide: &mut [f32])
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
