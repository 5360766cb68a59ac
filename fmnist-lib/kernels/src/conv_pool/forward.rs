//! Forward: four sums per pooling window in registers, their maximum and its place.

use super::{ConvPool, ConvPoolForward, DEAD, PLACES};
use crate::activation::Dropout;
use crate::simd::{LANES, Simd, kernel, unroll};
use std::mem::MaybeUninit;

kernel! {
    /// One image.
    pub(super) fn image => image_body(
        shape: ConvPool, operands: ConvPoolForward<'_>,
        y: &mut [MaybeUninit<f32>], codes: &mut [MaybeUninit<u8>],
    )
}

#[inline(always)]
fn image_body<S: Simd>(
    s: S,
    shape: ConvPool,
    operands: ConvPoolForward<'_>,
    y: &mut [MaybeUninit<f32>],
    codes: &mut [MaybeUninit<u8>],
) {
    let ConvPoolForward {
        x,
        weights,
        bias,
        dropout,
    } = operands;
    let blocks = shape.channels.div_ceil(LANES);
    let (rows, columns) = shape.pooled();
    assert!(weights.len() == 9 * shape.channels && bias.len() == shape.channels);
    assert!(x.len() == shape.input_len() && y.len() == shape.output_len());
    assert!(codes.len() == y.len());
    for block in 0..blocks {
        let lanes = (shape.channels - block * LANES).min(LANES);
        let mut taps = [s.zero(); 9];
        for (t, tap) in taps.iter_mut().enumerate() {
            let at = t * shape.channels + block * LANES;
            // SAFETY: `lanes` filters of the tap exist from `at` on.
            *tap = unsafe { s.load_n(weights.as_ptr().wrapping_add(at), lanes) };
        }
        // SAFETY: `lanes` channels of the bias exist from block * 16 on.
        let bias = unsafe { s.load_n(bias.as_ptr().wrapping_add(block * LANES), lanes) };
        for row in 0..rows {
            let mut column = 0;
            while column < columns {
                let corner = x.as_ptr().wrapping_add(2 * row * shape.width + 2 * column);
                let pixel = row * columns + column;
                let mut out = Outputs {
                    y: y.as_mut_ptr()
                        .cast::<f32>()
                        .wrapping_add(pixel * shape.channels + block * LANES),
                    codes: codes
                        .as_mut_ptr()
                        .cast::<u8>()
                        .wrapping_add(pixel * shape.channels + block * LANES),
                    step: shape.channels,
                    lanes,
                    dropout,
                    word: pixel * blocks + block,
                    word_step: blocks,
                };
                // SAFETY: a window at (row, column) reads pixels up to row 2 row + 3 < height and
                // column 2 column + 3 < width; its outputs are `lanes` channels of the pixel.
                column += unsafe {
                    if columns - column >= 2 {
                        windows::<S, 2>(s, corner, shape.width, &taps, bias, &mut out)
                    } else {
                        windows::<S, 1>(s, corner, shape.width, &taps, bias, &mut out)
                    }
                };
            }
        }
    }
}

/// Where neighbouring windows put their results.
struct Outputs<'a> {
    y: *mut f32,
    codes: *mut u8,
    step: usize,
    lanes: usize,
    dropout: Option<Dropout<'a>>,
    word: usize,
    word_step: usize,
}

/// `N` neighbouring windows of one block of channels; returns `N`.
///
/// # Safety
/// `corner` points to 4 readable rows, `width` apart, of `2 N + 2` pixels; the outputs of `N`
/// pixels are writable.
#[inline(always)]
unsafe fn windows<S: Simd, const N: usize>(
    s: S,
    corner: *const f32,
    width: usize,
    taps: &[S::F; 9],
    bias: S::F,
    out: &mut Outputs<'_>,
) -> usize {
    let mut sums = [[bias; 4]; N];
    unroll!(t < 9, {
        unroll!(i < N, {
            unroll!(p < 4, {
                // SAFETY: row at most 3, column at most 2 N + 1.
                let x = unsafe {
                    let row = corner.wrapping_add((t / 3 + p / 2) * width);
                    s.broadcast(row.wrapping_add(t % 3 + p % 2 + 2 * i))
                };
                sums[i][p] = s.fma(x, taps[t], sums[i][p]);
            });
        });
    });
    unroll!(i < N, {
        let window = sums[i];
        let mut max = window[0];
        let mut place = s.splat_i(PLACES[0]);
        unroll!(p < 4, {
            if p > 0 {
                // Strictly greater: of equal maxima the first gets the gradient.
                let greater = s.gt(window[p], max);
                max = s.select(greater, window[p], max);
                place = s.select_i(greater, s.splat_i(PLACES[p]), place);
            }
        });
        let nan = s.or(
            s.unordered(window[0], window[1]),
            s.unordered(window[2], window[3]),
        );
        let max = s.select(nan, s.splat(f32::NAN), max);
        let mut alive = s.gt(max, s.zero());
        let mut y = s.relu(max);
        if let Some(dropout) = out.dropout {
            let kept = s.mask(dropout.kept[out.word]);
            y = s.select(kept, s.mul(y, s.splat(dropout.scale)), s.zero());
            alive = s.and(alive, kept);
        }
        let code = s.select_i(alive, place, s.splat_i(DEAD));
        // SAFETY: the caller's; only `lanes` channels are written.
        unsafe {
            s.store_n(out.y, y, out.lanes);
            if out.lanes == LANES {
                s.store_i(out.codes, code);
            } else {
                let mut bytes = [0; LANES];
                s.store_i(bytes.as_mut_ptr(), code);
                out.codes
                    .copy_from_nonoverlapping(bytes.as_ptr(), out.lanes);
            }
        }
        out.y = out.y.wrapping_add(out.step);
        out.codes = out.codes.wrapping_add(out.step);
        out.word += out.word_step;
    });
    N
}
