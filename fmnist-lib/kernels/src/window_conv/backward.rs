//! Backward: the activation undone, then a product for the weights.

use super::WindowConv;
use crate::dense::DEPTH;
use crate::gemm::{Product, Scattered, row_stride};
use crate::operands::Backward;
use crate::scratch;
use crate::simd::{LANES, Simd, kernel};
use crate::windows::Offsets;

/// Floats from the sums of a window to those of the next.
pub(super) fn sums_stride(conv: &WindowConv) -> usize {
    row_stride(conv.outputs)
}

/// Floats of the sums of an image: the last group is read by whole vectors.
pub(super) fn sums_len(conv: &WindowConv) -> usize {
    conv.windows.count() * sums_stride(conv) + LANES
}

kernel! {
    /// The gradient of the sums before the activation of an image, `stride` floats from a pixel to the next, and, added
    /// to `bias`, that of the bias.
    pub(crate) fn sums => sums_body(
        layout: [usize; 2], operands: Backward<'_>, sums: &mut [f32], bias: &mut [f32],
    )
}

#[inline(always)]
fn sums_body<S: Simd>(
    s: S,
    [outputs, stride]: [usize; 2],
    operands: Backward<'_>,
    sums: &mut [f32],
    bias: &mut [f32],
) {
    let (y, dy, activation) = (operands.y, operands.dy, operands.activation);
    let rows = y.len() / outputs;
    assert!(
        stride >= outputs
            && dy.len() == y.len()
            && sums.len() >= rows * stride
            && bias.len() == outputs
    );
    let blocks = outputs.div_ceil(LANES);
    for block in 0..blocks {
        let first = block * LANES;
        let lanes = (outputs - first).min(LANES);
        // SAFETY: `lanes` numbers of the bias, of y, of dy and of the sums exist from each place on.
        unsafe {
            let to = bias.as_mut_ptr().wrapping_add(first);
            let mut total = s.load_n(to, lanes);
            for row in 0..rows {
                let at = row * outputs + first;
                let y = match activation.reads_outputs() {
                    true => s.load_n(y.as_ptr().wrapping_add(at), lanes),
                    false => s.zero(),
                };
                let dy = s.load_n(dy.as_ptr().wrapping_add(at), lanes);
                let sum = activation.backward(s, y, dy, row * blocks + block);
                total = s.add(total, sum);
                let to = sums.as_mut_ptr().wrapping_add(row * stride + first);
                s.store_n(to, sum, lanes);
            }
            s.store_n(to, total, lanes);
        }
    }
}

/// Calls `work` with the pixels of an image as the sums of `conv`, whose outputs they are.
pub(super) fn with_rows<R>(conv: &WindowConv, image: &[f32], work: impl FnOnce(&[f32]) -> R) -> R {
    let stride = sums_stride(conv);
    scratch::with(sums_len(conv), |rows| {
        for (to, from) in rows
            .chunks_exact_mut(stride)
            .zip(image.chunks_exact(conv.outputs))
        {
            to[..conv.outputs].copy_from_slice(from);
        }
        work(rows)
    })
}

kernel! {
    /// `dw += windowsᵀ sums`, of an image with its zeros.
    pub(super) fn weights => weights_body(
        conv: WindowConv, offsets: &Offsets, image: &[f32], sums: &[f32], dw: &mut [f32],
    )
}

#[inline(always)]
fn weights_body<S: Simd>(
    s: S,
    conv: WindowConv,
    offsets: &Offsets,
    image: &[f32],
    sums: &[f32],
    dw: &mut [f32],
) {
    let ([channels, filters], stride) = (conv.of_group(), sums_stride(&conv));
    let Offsets {
        windows, values, ..
    } = offsets;
    assert!(image.len() == offsets.len && sums.len() == sums_len(&conv));
    assert!(
        sums.len() >= windows.len() * stride + LANES && dw.len() == values.len() * conv.outputs
    );
    for group in 0..conv.groups {
        for (part, steps) in windows.chunks(DEPTH).enumerate() {
            let first = part * DEPTH * stride + group * filters;
            let product = Product {
                m: values.len(),
                k: steps.len(),
                n: filters,
                a: Scattered {
                    a: image.as_ptr().wrapping_add(group * channels),
                    rows: values,
                    steps,
                },
                b: sums.as_ptr().wrapping_add(first),
                b_row: stride,
                b_panel: S::PANEL,
                c: dw.as_mut_ptr().wrapping_add(group * filters),
                c_row: conv.outputs,
                accumulate: true,
            };
            // SAFETY: A is values of windows, all within the image, B the group's columns of the sums, behind whose
            // last row a vector is readable, C the group's columns of dw.
            unsafe { product.run(s) };
        }
    }
}
