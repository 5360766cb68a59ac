//! The way back: from the gradients of a row of windows to those of the image's rows.

use super::{Tap, image_rows, padded_len, row_len, shares, vectors};
use crate::pool::is_largest;
use crate::simd::{Isa, LANES, Simd, kernel};
use crate::{Windows, scratch};

pub(in crate::pool) fn to_largest(
    isa: Isa,
    windows: Windows,
    x: &[f32],
    y: &[f32],
    dy: &[f32],
    dx: &mut [f32],
) {
    let len = (2 + windows.window[1]) * padded_len(&windows) + line_len(&windows);
    scratch::with(len, |memory| {
        to_largest_in(isa, windows, x, y, dy, memory, dx)
    });
}

kernel! {
    fn to_largest_in => to_largest_body(
        windows: Windows, x: &[f32], y: &[f32], dy: &[f32], memory: &mut [f32], dx: &mut [f32]
    )
}

#[inline(always)]
fn to_largest_body<S: Simd>(
    s: S,
    windows: Windows,
    x: &[f32],
    y: &[f32],
    dy: &[f32],
    memory: &mut [f32],
    dx: &mut [f32],
) {
    let (len, padded) = (row_len(&windows), padded_len(&windows));
    assert!([x.len(), dx.len()] == [windows.input_len(); 2] && y.len() == dy.len());
    let (taps, memory) = memory.split_at_mut(padded);
    // Where no pixel of the window has been found to be the largest yet, 1.
    let (left, memory) = memory.split_at_mut(padded);
    let (gradients, line) = memory.split_at_mut(windows.window[1] * padded);
    for (row, (y, dy)) in y.chunks_exact(len).zip(dy.chunks_exact(len)).enumerate() {
        left.fill(1.0);
        for image_row in image_rows(&windows, row) {
            for (place, gradients) in gradients.chunks_exact_mut(padded).enumerate() {
                let tap = Tap::new(&windows, image_row, place);
                tap.gather(s, windows.channels, x, taps);
                let values = tap.values(windows.channels);
                assert!(values.end <= len);
                for (at, n) in vectors(values) {
                    // SAFETY: `n` values of y and dy lie here, and 16 of the rows in memory.
                    unsafe {
                        let most = s.load_n(y.as_ptr().wrapping_add(at), n);
                        let dy = s.load_n(dy.as_ptr().wrapping_add(at), n);
                        let x = s.load(taps.as_ptr().wrapping_add(at));
                        let to = left.as_mut_ptr().wrapping_add(at);
                        let before = s.load(to);
                        let found = is_largest(s, s.gt(before, s.zero()), most, x);
                        s.store_n(to, s.select(found, s.zero(), before), n);
                        let gradient = s.select(found, dy, s.zero());
                        s.store(gradients.as_mut_ptr().wrapping_add(at), gradient);
                    }
                }
            }
            scatter(
                s,
                &windows,
                image_row,
                |place| &gradients[place * padded..][..padded],
                line,
                dx,
            );
        }
    }
}

pub(in crate::pool) fn to_all(isa: Isa, windows: Windows, dy: &[f32], dx: &mut [f32]) {
    let len = 2 * padded_len(&windows) + line_len(&windows);
    scratch::with(len, |memory| to_all_in(isa, windows, dy, memory, dx));
}

kernel! {
    fn to_all_in => to_all_body(windows: Windows, dy: &[f32], memory: &mut [f32], dx: &mut [f32])
}

#[inline(always)]
fn to_all_body<S: Simd>(s: S, windows: Windows, dy: &[f32], memory: &mut [f32], dx: &mut [f32]) {
    let (parts, memory) = memory.split_at_mut(padded_len(&windows));
    let (gradients, line) = memory.split_at_mut(padded_len(&windows));
    for (row, dy) in dy.chunks_exact(row_len(&windows)).enumerate() {
        shares(&windows, row, parts);
        for ((gradient, dy), part) in gradients.iter_mut().zip(dy).zip(&*parts) {
            *gradient = dy * part;
        }
        for image_row in image_rows(&windows, row) {
            scatter(s, &windows, image_row, |_| &*gradients, line, dx);
        }
    }
}

/// A row of the image, and as many values behind it as a vector may write too many.
fn line_len(windows: &Windows) -> usize {
    windows.width * windows.channels + LANES
}

/// Adds to a row of the image what its pixels get: those at each place of the windows from the row of gradients of
/// this place.
#[inline(always)]
fn scatter<'a, S: Simd>(
    s: S,
    windows: &Windows,
    image_row: usize,
    gradients: impl Fn(usize) -> &'a [f32],
    line: &mut [f32],
    dx: &mut [f32],
) {
    let Windows {
        channels, width, ..
    } = *windows;
    let (before, padded) = (windows.padding[1][0], padded_len(windows));
    let of_pixel = s.mask((1 << channels) - 1);
    assert!(line.len() == line_len(windows));
    line.fill(0.0);
    for window in 0..windows.output_size()[1] {
        for place in 0..windows.window[1] {
            let column = (window * windows.strides[1] + place).wrapping_sub(before);
            if column < width {
                let gradients = gradients(place);
                assert!(gradients.len() == padded);
                // The zeros behind a pixel lie where nothing is, or where the next one comes.
                // SAFETY: 16 values lie from any window on in the rows of gradients, and from any pixel on in
                // the line.
                unsafe {
                    let gradient = s.load(gradients.as_ptr().wrapping_add(window * channels));
                    let pixel = s.select(of_pixel, gradient, s.zero());
                    s.store(line.as_mut_ptr().wrapping_add(column * channels), pixel);
                }
            }
        }
    }
    let row = image_row * width * channels..(image_row + 1) * width * channels;
    for (dx, line) in dx[row].iter_mut().zip(&*line) {
        *dx += line;
    }
}
