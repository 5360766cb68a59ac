//! Pools of few channels, a row of windows at a time: a vector holds the channels of several windows.
//!
//! A window's place ("tap") is copied out of the image for all windows of a row, side by side as the results
//! lie. All arithmetic then runs over whole vectors.

mod back;

pub(super) use back::{to_all, to_largest};

use super::larger;
use crate::output::filled;
use crate::simd::{Isa, LANES, Simd, kernel};
use crate::{Windows, scratch};
use std::mem::MaybeUninit;
use std::ops::Range;

/// Whether this is the faster way. Windows that overlap would add to one pixel from several places; eight
/// channels are half a vector, which AVX2 reads and writes as it is.
pub(super) fn fit(windows: &Windows) -> bool {
    let Windows { channels, .. } = *windows;
    channels < LANES && channels != LANES / 2 && windows.strides[1] >= windows.window[1]
}

/// One place of a row's windows.
struct Tap {
    /// The windows of the row in which it lies within the image.
    columns: Range<usize>,
    /// The first value of the first of these pixels, and the values from one to the next.
    first: usize,
    step: usize,
}

impl Tap {
    /// Place `place` of the windows of a row, in row `y` of the image.
    #[inline(always)]
    fn new(windows: &Windows, y: usize, place: usize) -> Self {
        let (stride, before) = (windows.strides[1], windows.padding[1][0]);
        let windows_before =
            |column: usize| (column + before).saturating_sub(place).div_ceil(stride);
        let end = windows_before(windows.width).min(windows.output_size()[1]);
        let first = windows_before(0).min(end);
        let column = (first * stride + place).saturating_sub(before);
        Self {
            columns: first..end,
            first: (y * windows.width + column) * windows.channels,
            step: stride * windows.channels,
        }
    }

    /// The values that it concerns, in a row of results.
    fn values(&self, channels: usize) -> Range<usize> {
        self.columns.start * channels..self.columns.end * channels
    }

    /// Copies its pixels to where the results of their windows lie.
    #[inline(always)]
    fn gather<S: Simd>(&self, s: S, channels: usize, x: &[f32], to: &mut [f32]) {
        assert!(to.len() >= self.columns.end * channels + LANES);
        for (index, column) in self.columns.clone().enumerate() {
            let at = self.first + index * self.step;
            let readable = x[at..].len().min(LANES);
            // A whole vector is quicker than a part. What it holds beyond this pixel, the next one overwrites.
            // SAFETY: so many floats are readable, and 16 writable at any value of the row.
            unsafe {
                let pixel = s.load_n(x.as_ptr().wrapping_add(at), readable);
                s.store(to.as_mut_ptr().wrapping_add(column * channels), pixel);
            }
        }
    }
}

/// The rows of an image that row `row` of the windows sees.
#[inline(always)]
fn image_rows(windows: &Windows, row: usize) -> Range<usize> {
    let (down, top) = windows.inside(0, row);
    top..top + down.len()
}

/// The vectors of these values, the last of which may be a part: where each begins, and its length.
#[inline(always)]
fn vectors(values: Range<usize>) -> impl Iterator<Item = (usize, usize)> {
    let end = values.end;
    values
        .step_by(LANES)
        .map(move |at| (at, (end - at).min(LANES)))
}

/// Values of a row of results.
fn row_len(windows: &Windows) -> usize {
    windows.output_size()[1] * windows.channels
}

/// A row of results, and as many values behind it as a vector may write too many.
fn padded_len(windows: &Windows) -> usize {
    row_len(windows) + LANES
}

pub(super) fn largest(isa: Isa, windows: Windows, x: &[f32], y: &mut [MaybeUninit<f32>]) {
    scratch::with(padded_len(&windows), |taps| {
        largest_in(isa, windows, x, taps, y)
    });
}

kernel! {
    fn largest_in => largest_body(windows: Windows, x: &[f32], taps: &mut [f32], y: &mut [MaybeUninit<f32>])
}

#[inline(always)]
fn largest_body<S: Simd>(
    s: S,
    windows: Windows,
    x: &[f32],
    taps: &mut [f32],
    y: &mut [MaybeUninit<f32>],
) {
    for (row, y) in y.chunks_exact_mut(row_len(&windows)).enumerate() {
        let y = filled(y, f32::NEG_INFINITY);
        fold(s, &windows, row, x, taps, y, |most, x| larger(s, most, x));
    }
}

pub(super) fn means(isa: Isa, windows: Windows, x: &[f32], y: &mut [MaybeUninit<f32>]) {
    let len = padded_len(&windows);
    scratch::with(2 * len, |memory| means_in(isa, windows, x, memory, y));
}

kernel! {
    fn means_in => means_body(windows: Windows, x: &[f32], memory: &mut [f32], y: &mut [MaybeUninit<f32>])
}

#[inline(always)]
fn means_body<S: Simd>(
    s: S,
    windows: Windows,
    x: &[f32],
    memory: &mut [f32],
    y: &mut [MaybeUninit<f32>],
) {
    let (taps, parts) = memory.split_at_mut(padded_len(&windows));
    for (row, y) in y.chunks_exact_mut(row_len(&windows)).enumerate() {
        let y = filled(y, 0.0);
        fold(s, &windows, row, x, taps, y, |sum, x| s.add(sum, x));
        shares(&windows, row, parts);
        for (y, part) in y.iter_mut().zip(&*parts) {
            *y *= part;
        }
    }
}

/// Combines each value of a row of results with the pixels of its window, row by row.
#[inline(always)]
fn fold<S: Simd>(
    s: S,
    windows: &Windows,
    row: usize,
    x: &[f32],
    taps: &mut [f32],
    y: &mut [f32],
    combine: impl Fn(S::F, S::F) -> S::F,
) {
    for image_row in image_rows(windows, row) {
        for place in 0..windows.window[1] {
            let tap = Tap::new(windows, image_row, place);
            tap.gather(s, windows.channels, x, taps);
            let values = tap.values(windows.channels);
            assert!(values.end <= y.len() && values.end + LANES <= taps.len());
            for (at, n) in vectors(values) {
                // SAFETY: `n` values of the row lie here, and 16 of the taps.
                unsafe {
                    let pixels = s.load(taps.as_ptr().wrapping_add(at));
                    let to = y.as_mut_ptr().wrapping_add(at);
                    s.store_n(to, combine(s.load_n(to, n), pixels), n);
                }
            }
        }
    }
}

/// Writes, for each value of a row of results, one over the number of pixels in its window.
fn shares(windows: &Windows, row: usize, parts: &mut [f32]) {
    let rows = image_rows(windows, row).len();
    for (column, parts) in parts[..row_len(windows)]
        .chunks_exact_mut(windows.channels)
        .enumerate()
    {
        parts.fill(1.0 / (rows * windows.inside(1, column).0.len()) as f32);
    }
}
