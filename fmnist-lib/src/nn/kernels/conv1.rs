//! The first layer as one kernel: 3x3 convolution of a one-channel image, bias, ReLU, 2x2 maximum
//! pooling and dropout.
//!
//! The convolution's own output, the largest activation of the network, never exists: the four sums
//! under a pooling window stay in registers. Of the window one byte per channel is kept, the place
//! of its maximum, so that the gradient of the weights touches one position in four: the 4x4 pixels
//! under a window are one vector, from which each channel looks up its own pixels. The images need
//! no gradient, and there is none.

use super::activation::{Activation, Dropout};
use super::simd::{Isa, LANES, Simd, kernel, unroll};
use super::{check_len, images_per_task, sum_in_order};
use rayon::prelude::*;

/// Where the output is 0 for good: a ReLU at or below 0, or dropped.
const DEAD: u8 = 16;
/// The places of a window's four sums in its 4x4 patch of pixels, in row-major order.
const PLACES: [u8; 4] = [0, 1, 4, 5];

/// The shape of the fused first layer; batches are `[n][height][width]`, row-major.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvPool {
    /// Rows of an image, at least 4.
    pub height: usize,
    /// Columns of an image, at least 4.
    pub width: usize,
    /// Filters.
    pub channels: usize,
}

impl ConvPool {
    /// Rows and columns of the pooled output; as in Keras, an odd last row or column of the
    /// convolution is left out.
    pub fn pooled(&self) -> (usize, usize) {
        ((self.height - 2) / 2, (self.width - 2) / 2)
    }

    /// Floats of an image.
    pub fn input_len(&self) -> usize {
        self.height * self.width
    }

    /// Floats of an image's output, which is `[pooled rows][pooled columns][channels]`.
    pub fn output_len(&self) -> usize {
        let (rows, columns) = self.pooled();
        rows * columns * self.channels
    }

    fn check(&self, what: &str, x: &[f32], y: usize) -> usize {
        assert!(
            self.height >= 4 && self.width >= 4 && self.channels > 0,
            "{what}: needs images of at least 4x4 pixels and one channel, not {self:?}"
        );
        let n = x.len() / self.input_len();
        check_len(what, "x", x.len(), n * self.input_len());
        check_len(what, "the output", y, n * self.output_len());
        n
    }

    /// `y = dropout(maxpool(relu(conv(x) + bias)))` and the codes that the backward pass needs.
    ///
    /// `x` `[n][height][width]`, `weights` `[3][3][channels]`, `bias` `[channels]`, `y` and `codes`
    /// `[n][rows][columns][channels]`. A NaN among the pixels or weights of a window gives NaN.
    ///
    /// # Panics
    /// When a slice has the wrong length or the image is smaller than 4x4.
    #[allow(clippy::too_many_arguments)]
    pub fn forward(
        &self,
        isa: Isa,
        x: &[f32],
        weights: &[f32],
        bias: &[f32],
        dropout: Option<Dropout<'_>>,
        y: &mut [f32],
        codes: &mut [u8],
    ) {
        let what = "ConvPool::forward";
        let n = self.check(what, x, y.len());
        check_len(what, "weights", weights.len(), 9 * self.channels);
        check_len(what, "bias", bias.len(), self.channels);
        check_len(what, "codes", codes.len(), y.len());
        let activation = Activation::relu(dropout);
        let pixels = self.output_len() / self.channels;
        activation.check(what, n * pixels, self.channels);
        let filters = pad_rows(weights, 9, self.channels);
        let bias = pad_rows(bias, 1, self.channels);
        let out = y
            .par_chunks_mut(self.output_len())
            .zip(codes.par_chunks_mut(self.output_len()));
        let tasks = x.par_chunks(self.input_len()).zip(out).enumerate();
        tasks.with_min_len(8).for_each(|(i, (x, (y, codes)))| {
            let dropout = activation.pixels(i * pixels, pixels, self.channels).dropout;
            forward_image(isa, *self, x, &filters, &bias, dropout, y, codes);
        });
    }

    /// The gradients of the weights `[3][3][channels]` and the bias `[channels]` from the gradient
    /// `dy` of the output; `codes` and `scale` (1 without dropout) are those of the forward pass.
    ///
    /// # Panics
    /// When a slice has the wrong length or the image is smaller than 4x4.
    #[allow(clippy::too_many_arguments)]
    pub fn backward(
        &self,
        isa: Isa,
        x: &[f32],
        codes: &[u8],
        dy: &[f32],
        scale: f32,
        dweights: &mut [f32],
        dbias: &mut [f32],
    ) {
        let what = "ConvPool::backward";
        let images = images_per_task(self.check(what, x, dy.len()));
        check_len(what, "codes", codes.len(), dy.len());
        check_len(what, "dweights", dweights.len(), 9 * self.channels);
        check_len(what, "dbias", dbias.len(), self.channels);
        let gradients = dy.par_chunks(images * self.output_len());
        let gradients = gradients.zip(codes.par_chunks(images * self.output_len()));
        let tasks = x.par_chunks(images * self.input_len()).zip(gradients);
        let partial: Vec<_> = tasks
            .map(|(x, (dy, codes))| {
                // Nine rows of weights, then the bias.
                let mut sums = vec![0.0; 10 * self.channels];
                backward_images(isa, *self, x, codes, dy, &mut sums);
                sums
            })
            .collect();
        let mut total = vec![0.0; 10 * self.channels];
        sum_in_order(&partial, &mut total);
        let (weights, bias) = total.split_at(9 * self.channels);
        dweights
            .iter_mut()
            .zip(weights)
            .for_each(|(d, &w)| *d = w * scale);
        dbias
            .iter_mut()
            .zip(bias)
            .for_each(|(d, &b)| *d = b * scale);
    }
}

/// Rows of `columns` floats, padded with zeros to a multiple of 16.
fn pad_rows(matrix: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    let padded = columns.next_multiple_of(LANES);
    let mut out = vec![0.0; rows * padded];
    for (to, from) in out
        .chunks_exact_mut(padded)
        .zip(matrix.chunks_exact(columns))
    {
        to[..columns].copy_from_slice(from);
    }
    out
}

kernel! {
    fn forward_image => forward_body(
        shape: ConvPool, x: &[f32], filters: &[f32], bias: &[f32], dropout: Option<Dropout<'_>>,
        y: &mut [f32], codes: &mut [u8],
    )
}

#[inline(always)]
#[allow(clippy::too_many_arguments)]
fn forward_body<S: Simd>(
    s: S,
    shape: ConvPool,
    x: &[f32],
    filters: &[f32],
    bias: &[f32],
    dropout: Option<Dropout<'_>>,
    y: &mut [f32],
    codes: &mut [u8],
) {
    let blocks = shape.channels.div_ceil(LANES);
    let (rows, columns) = shape.pooled();
    assert!(filters.len() == 9 * blocks * LANES && bias.len() == blocks * LANES);
    assert!(x.len() == shape.input_len() && y.len() == shape.output_len());
    assert!(codes.len() == y.len());
    for block in 0..blocks {
        let lanes = (shape.channels - block * LANES).min(LANES);
        let mut taps = [s.zero(); 9];
        for (t, tap) in taps.iter_mut().enumerate() {
            // SAFETY: the filters are 9 rows of `blocks` whole vectors.
            *tap = unsafe { s.load(filters.as_ptr().wrapping_add((t * blocks + block) * LANES)) };
        }
        // SAFETY: the bias is `blocks` whole vectors.
        let bias = unsafe { s.load(bias.as_ptr().wrapping_add(block * LANES)) };
        for row in 0..rows {
            let mut column = 0;
            while column < columns {
                let corner = x.as_ptr().wrapping_add(2 * row * shape.width + 2 * column);
                let pixel = row * columns + column;
                let mut out = Outputs {
                    y: y.as_mut_ptr()
                        .wrapping_add(pixel * shape.channels + block * LANES),
                    codes: codes
                        .as_mut_ptr()
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
                    let row = corner.wrapping_add((t / 3 + p / 2).wrapping_mul(width));
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
        let nan = s.unordered(window[0], window[1]) | s.unordered(window[2], window[3]);
        let max = s.select(nan, s.splat(f32::NAN), max);
        let mut alive = s.gt(max, s.zero());
        let mut y = s.relu(max);
        if let Some(dropout) = out.dropout {
            let kept = dropout.kept[out.word];
            y = s.select(kept, s.mul(y, s.splat(dropout.scale)), s.zero());
            alive &= kept;
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

kernel! {
    fn backward_images => backward_body(
        shape: ConvPool, x: &[f32], codes: &[u8], dy: &[f32], sums: &mut [f32],
    )
}

/// Adds the gradients of all images to `sums`, ten rows of channels.
#[inline(always)]
fn backward_body<S: Simd>(
    s: S,
    shape: ConvPool,
    x: &[f32],
    codes: &[u8],
    dy: &[f32],
    sums: &mut [f32],
) {
    let (rows, columns) = shape.pooled();
    let channels = shape.channels;
    let images = x.len() / shape.input_len();
    assert!(dy.len() == images * shape.output_len() && codes.len() == dy.len());
    assert!(sums.len() == 10 * channels);
    let mut first = 0;
    while first < channels {
        let lanes = (channels - first).min(LANES);
        let mut acc = [s.zero(); 10];
        for row in 0..images * rows {
            let line = row / rows * shape.height + 2 * (row % rows);
            let mut corner = x.as_ptr().wrapping_add(line * shape.width);
            let mut at = row * columns * channels + first;
            for _ in 0..columns {
                // SAFETY: the 4x4 pixels under a window lie inside its image, `lanes` channels from
                // `at` on lie inside dy and codes.
                unsafe {
                    let patch = s.patch4x4(corner, shape.width);
                    let code = if lanes == LANES {
                        s.load_i(codes.as_ptr().wrapping_add(at))
                    } else {
                        let mut bytes = [DEAD; LANES];
                        bytes[..lanes].copy_from_slice(&codes[at..at + lanes]);
                        s.load_i(bytes.as_ptr())
                    };
                    let alive = s.lt_i(code, s.splat_i(DEAD));
                    let g = s.load_n(dy.as_ptr().wrapping_add(at), lanes);
                    let g = s.select(alive, g, s.zero());
                    unroll!(t < 9, {
                        let offset = s.splat_i((t / 3 * 4 + t % 3) as u8);
                        let pixels = s.lookup(patch, s.add_i(code, offset));
                        acc[t] = s.fma(g, pixels, acc[t]);
                    });
                    acc[9] = s.add(acc[9], g);
                }
                corner = corner.wrapping_add(2);
                at += channels;
            }
        }
        for (t, sum) in acc.into_iter().enumerate() {
            // SAFETY: `lanes` channels from `first` on lie inside row t of the ten.
            unsafe {
                s.store_n(
                    sums.as_mut_ptr().wrapping_add(t * channels + first),
                    sum,
                    lanes,
                )
            };
        }
        first += LANES;
    }
}
