//! Pools of any window, strides and padding: the largest value, or the mean, of each channel.

use crate::output::refill;
use crate::simd::{Isa, LANES, Simd, kernel};
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
        each_image(self.0, "MaxPool::forward", x, y, |x, y| {
            largest(isa, self.0, x, y);
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
        back(self.0, what, dy, dx, |image, dy, dx| {
            let y = &y[image * output..][..output];
            to_largest(isa, self.0, &x[image * input..][..input], y, dy, dx);
        });
    }
}

impl AveragePool {
    /// `y[window][channel]` is the mean of `x` in the window.
    ///
    /// # Panics
    /// When `x` is not whole images, or no window fits.
    pub fn forward(&self, isa: Isa, x: &[f32], y: &mut Vec<f32>) {
        each_image(self.0, "AveragePool::forward", x, y, |x, y| {
            means(isa, self.0, x, y);
        });
    }

    /// `dx` from `dy`.
    ///
    /// # Panics
    /// When `dy` is not whole images, or no window fits.
    pub fn backward(&self, isa: Isa, dy: &[f32], dx: &mut Vec<f32>) {
        back(self.0, "AveragePool::backward", dy, dx, |_, dy, dx| {
            to_all(isa, self.0, dy, dx);
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
            dx.fill(MaybeUninit::new(0.0));
            // SAFETY: all have just been written.
            add(image, dy, unsafe { dx.assume_init_mut() });
        });
    };
    // SAFETY: all values of all images are set to zero.
    unsafe { refill(dx, n * input, fill) };
}

/// A window, and the pixels in it.
struct Window {
    /// Its first value in the output.
    at: usize,
    /// Its first pixel's first value.
    first: usize,
    /// Rows and columns of pixels; without the zeros around the image.
    rows: usize,
    columns: usize,
    /// Values from a row of the image to the next, and of a pixel.
    width: usize,
    channels: usize,
}

impl Window {
    fn pixels(&self) -> usize {
        self.rows * self.columns
    }

    /// Calls `visit` with the place of each pixel.
    #[inline(always)]
    fn each(&self, mut visit: impl FnMut(usize)) {
        for row in 0..self.rows {
            for column in 0..self.columns {
                visit(self.first + row * self.width + column * self.channels);
            }
        }
    }
}

/// Calls `visit` with each window, and 16 channels or what is left of them: the first, and their number.
#[inline(always)]
fn each_block(windows: Windows, mut visit: impl FnMut(&Window, usize, usize)) {
    let channels = windows.channels;
    let [rows, columns] = windows.output_size();
    for row in 0..rows {
        let (down, top) = windows.inside(0, row);
        for column in 0..columns {
            let (right, left) = windows.inside(1, column);
            let window = Window {
                at: (row * columns + column) * channels,
                first: (top * windows.width + left) * channels,
                rows: down.len(),
                columns: right.len(),
                width: windows.width * channels,
                channels,
            };
            for first in (0..channels).step_by(LANES) {
                visit(&window, first, (channels - first).min(LANES));
            }
        }
    }
}

kernel! {
    fn largest => largest_body(windows: Windows, x: &[f32], y: &mut [MaybeUninit<f32>])
}

#[inline(always)]
fn largest_body<S: Simd>(s: S, windows: Windows, x: &[f32], y: &mut [MaybeUninit<f32>]) {
    assert!(x.len() == windows.input_len() && y.len() == windows.count() * windows.channels);
    each_block(windows, |window, first, lanes| {
        let mut most = s.splat(f32::NEG_INFINITY);
        // SAFETY: `lanes` channels from `first` on exist at each pixel of the image, and of the window in y.
        unsafe {
            window.each(|pixel| {
                let x = s.load_n(x.as_ptr().wrapping_add(pixel + first), lanes);
                most = s.select(s.or(s.gt(x, most), s.unordered(x, x)), x, most);
            });
            let to = y.as_mut_ptr().cast::<f32>();
            s.store_n(to.wrapping_add(window.at + first), most, lanes);
        }
    });
}

kernel! {
    fn to_largest => to_largest_body(windows: Windows, x: &[f32], y: &[f32], dy: &[f32], dx: &mut [f32])
}

#[inline(always)]
fn to_largest_body<S: Simd>(
    s: S,
    windows: Windows,
    x: &[f32],
    y: &[f32],
    dy: &[f32],
    dx: &mut [f32],
) {
    assert!([x.len(), dx.len()] == [windows.input_len(); 2]);
    assert!([y.len(), dy.len()] == [windows.count() * windows.channels; 2]);
    each_block(windows, |window, first, lanes| {
        // SAFETY: `lanes` channels from `first` on exist at each pixel of the images, and of the window in y and dy.
        unsafe {
            let most = s.load_n(y.as_ptr().wrapping_add(window.at + first), lanes);
            let dy = s.load_n(dy.as_ptr().wrapping_add(window.at + first), lanes);
            let is_nan = s.unordered(most, most);
            // Nothing is left for the maxima behind the first.
            let mut left = s.mask(!0);
            window.each(|pixel| {
                let at = pixel + first;
                let x = s.load_n(x.as_ptr().wrapping_add(at), lanes);
                // Where the maximum is NaN, it is not greater than any pixel.
                let equal = s.and_not(left, s.gt(most, x));
                let found = s.and_not(equal, s.and_not(is_nan, s.unordered(x, x)));
                left = s.and_not(left, found);
                let to = dx.as_mut_ptr().wrapping_add(at);
                let sum = s.add(s.load_n(to, lanes), s.select(found, dy, s.zero()));
                s.store_n(to, sum, lanes);
            });
        }
    });
}

kernel! {
    fn means => means_body(windows: Windows, x: &[f32], y: &mut [MaybeUninit<f32>])
}

#[inline(always)]
fn means_body<S: Simd>(s: S, windows: Windows, x: &[f32], y: &mut [MaybeUninit<f32>]) {
    assert!(x.len() == windows.input_len() && y.len() == windows.count() * windows.channels);
    each_block(windows, |window, first, lanes| {
        let mut sum = s.zero();
        let part = s.splat(1.0 / window.pixels() as f32);
        // SAFETY: `lanes` channels from `first` on exist at each pixel of the image, and of the window in y.
        unsafe {
            window.each(|pixel| {
                let x = s.load_n(x.as_ptr().wrapping_add(pixel + first), lanes);
                sum = s.add(sum, x);
            });
            let to = y.as_mut_ptr().cast::<f32>();
            s.store_n(to.wrapping_add(window.at + first), s.mul(sum, part), lanes);
        }
    });
}

kernel! {
    fn to_all => to_all_body(windows: Windows, dy: &[f32], dx: &mut [f32])
}

#[inline(always)]
fn to_all_body<S: Simd>(s: S, windows: Windows, dy: &[f32], dx: &mut [f32]) {
    assert!(dx.len() == windows.input_len() && dy.len() == windows.count() * windows.channels);
    each_block(windows, |window, first, lanes| {
        let part = s.splat(1.0 / window.pixels() as f32);
        // SAFETY: `lanes` channels from `first` on exist at each pixel of the image, and of the window in dy.
        unsafe {
            let dy = s.load_n(dy.as_ptr().wrapping_add(window.at + first), lanes);
            window.each(|pixel| {
                let to = dx.as_mut_ptr().wrapping_add(pixel + first);
                s.store_n(to, s.fma(dy, part, s.load_n(to, lanes)), lanes);
            });
        }
    });
}
