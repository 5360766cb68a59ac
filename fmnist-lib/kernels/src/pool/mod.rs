//! Pools of any window, strides and padding: the largest value, or the mean, of each channel.

mod blocks;
mod rows;

use crate::output::{filled, refill};
use crate::simd::{Isa, Simd};
use crate::{Windows, check_len};
use rayon::prelude::*;
use std::mem::MaybeUninit;

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
    pub fn forward(&self, isa: Isa, x: &[f32], y: &mut Vec<f32>) {
        let pool = match rows::fit(&self.0) {
            true => rows::largest,
            false => blocks::largest,
        };
        each_image(self.0, "MaxPool::forward", x, y, |x, y| {
            pool(isa, self.0, x, y);
        });
    }

    /// `dx` from `dy`: of values that tie, the first, row by row, gets it.
    ///
    /// # Panics
    /// When a slice has the wrong length, or no window fits.
    pub fn backward(&self, isa: Isa, x: &[f32], y: &[f32], dy: &[f32], dx: &mut Vec<f32>) {
        let what = "MaxPool::backward";
        self.0.check(what);
        let (input, output) = (self.0.input_len(), self.0.count() * self.0.channels);
        check_len(what, "y", y.len(), dy.len());
        check_len(what, "x", x.len(), dy.len() / output * input);
        let add = match rows::fit(&self.0) {
            true => rows::to_largest,
            false => blocks::to_largest,
        };
        back(self.0, what, dy, dx, |image, dy, dx| {
            let y = &y[image * output..][..output];
            add(isa, self.0, &x[image * input..][..input], y, dy, dx);
        });
    }
}

impl AveragePool {
    /// `y[window][channel]` is the mean of `x` in the window.
    ///
    /// # Panics
    /// When `x` is not whole images, or no window fits.
    pub fn forward(&self, isa: Isa, x: &[f32], y: &mut Vec<f32>) {
        let pool = match rows::fit(&self.0) {
            true => rows::means,
            false => blocks::means,
        };
        each_image(self.0, "AveragePool::forward", x, y, |x, y| {
            pool(isa, self.0, x, y);
        });
    }

    /// `dx` from `dy`.
    ///
    /// # Panics
    /// When `dy` is not whole images, or no window fits.
    pub fn backward(&self, isa: Isa, dy: &[f32], dx: &mut Vec<f32>) {
        let add = match rows::fit(&self.0) {
            true => rows::to_all,
            false => blocks::to_all,
        };
        back(self.0, "AveragePool::backward", dy, dx, |_, dy, dx| {
            add(isa, self.0, dy, dx);
        });
    }
}

/// Fills the part of `y` of each image of `x`.
fn each_image(
    windows: Windows,
    what: &str,
    x: &[f32],
    y: &mut Vec<f32>,
    pool: impl Fn(&[f32], &mut [MaybeUninit<f32>]) + Sync,
) {
    windows.check(what);
    let (input, output) = (windows.input_len(), windows.count() * windows.channels);
    let n = x.len() / input;
    check_len(what, "x", x.len(), n * input);
    let fill = |y: &mut [MaybeUninit<f32>]| {
        let images = y.par_chunks_mut(output).zip(x.par_chunks(input));
        images.for_each(|(y, x)| pool(x, y));
    };
    // SAFETY: all channels of all windows of all images are written.
    unsafe { refill(y, n * output, fill) };
}

/// Has the gradient of each image, which begins as zeros, added to.
fn back(
    windows: Windows,
    what: &str,
    dy: &[f32],
    dx: &mut Vec<f32>,
    add: impl Fn(usize, &[f32], &mut [f32]) + Sync,
) {
    windows.check(what);
    let (input, output) = (windows.input_len(), windows.count() * windows.channels);
    let n = dy.len() / output;
    check_len(what, "dy", dy.len(), n * output);
    let fill = |dx: &mut [MaybeUninit<f32>]| {
        let images = dx.par_chunks_mut(input).zip(dy.par_chunks(output));
        images.enumerate().for_each(|(image, (dx, dy))| {
            add(image, dy, filled(dx, 0.0));
        });
    };
    // SAFETY: all values of all images are set to zero.
    unsafe { refill(dx, n * input, fill) };
}

/// The larger of two numbers, lane by lane. A NaN is larger than any.
#[inline(always)]
fn larger<S: Simd>(s: S, most: S::F, x: S::F) -> S::F {
    s.select(s.or(s.gt(x, most), s.unordered(x, x)), x, most)
}

/// The lanes of `left` in which `x` is the largest number `most` of its window.
#[inline(always)]
fn is_largest<S: Simd>(s: S, left: S::M, most: S::F, x: S::F) -> S::M {
    // Where the largest is NaN, it is not greater than any number.
    let equal = s.and_not(left, s.gt(most, x));
    let no_match = s.and_not(s.unordered(most, most), s.unordered(x, x));
    s.and_not(equal, no_match)
}
