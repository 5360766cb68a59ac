//! Backward: each channel looks up the nine pixels under its maximum in the window's 4x4 patch.

use super::{ConvPool, ConvPoolBackward, DEAD};
use crate::simd::{LANES, Simd, kernel, unroll};

kernel! {
    /// The gradients of all images, without the scale of dropout: ten rows of channels, nine of
    /// weights and the bias.
    pub(super) fn images => images_body(
        shape: ConvPool, operands: ConvPoolBackward<'_>, sums: &mut [f32],
    )
}

#[inline(always)]
fn images_body<S: Simd>(s: S, shape: ConvPool, operands: ConvPoolBackward<'_>, sums: &mut [f32]) {
    let ConvPoolBackward { x, codes, dy, .. } = operands;
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
