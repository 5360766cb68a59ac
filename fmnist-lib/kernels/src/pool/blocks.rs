//! Pools window by window, sixteen channels at a time.

use super::{is_largest, larger};
use crate::Windows;
use crate::simd::{LANES, Simd, kernel};
use std::mem::MaybeUninit;

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
    pub(super) fn largest => largest_body(windows: Windows, x: &[f32], y: &mut [MaybeUninit<f32>])
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
                most = larger(s, most, x);
            });
            let to = y.as_mut_ptr().cast::<f32>();
            s.store_n(to.wrapping_add(window.at + first), most, lanes);
        }
    });
}

kernel! {
    pub(super) fn to_largest => to_largest_body(windows: Windows, x: &[f32], y: &[f32], dy: &[f32], dx: &mut [f32])
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
            // Nothing is left for the maxima behind the first.
            let mut left = s.mask(!0);
            window.each(|pixel| {
                let at = pixel + first;
                let x = s.load_n(x.as_ptr().wrapping_add(at), lanes);
                let found = is_largest(s, left, most, x);
                left = s.and_not(left, found);
                let to = dx.as_mut_ptr().wrapping_add(at);
                let sum = s.add(s.load_n(to, lanes), s.select(found, dy, s.zero()));
                s.store_n(to, sum, lanes);
            });
        }
    });
}

kernel! {
    pub(super) fn means => means_body(windows: Windows, x: &[f32], y: &mut [MaybeUninit<f32>])
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
    pub(super) fn to_all => to_all_body(windows: Windows, dy: &[f32], dx: &mut [f32])
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
