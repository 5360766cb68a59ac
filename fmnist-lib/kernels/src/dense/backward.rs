//! Backward: the activation undone, then a product for the weights and one for the input.

use super::{DEPTH, Dense, FEATURES};
use crate::gemm::{Panels, Product, Strided, row_stride};
use crate::operands::Backward;
use crate::simd::{LANES, Simd, kernel};
use std::mem::MaybeUninit;

kernel! {
    /// The gradient of the sums before the activation, in rows of `row_stride(outputs)`.
    pub(crate) fn sums => sums_body(layer: Dense, operands: Backward<'_>, sums: &mut [f32])
}

#[inline(always)]
fn sums_body<S: Simd>(s: S, layer: Dense, operands: Backward<'_>, sums: &mut [f32]) {
    let (y, dy, activation) = (operands.y, operands.dy, operands.activation);
    let (outputs, stride) = (layer.outputs, row_stride(layer.outputs));
    let rows = y.len() / outputs;
    assert!(dy.len() == y.len() && sums.len() == rows * stride);
    let blocks = outputs.div_ceil(LANES);
    for row in 0..rows {
        for block in 0..blocks {
            let lanes = (outputs - block * LANES).min(LANES);
            let at = row * outputs + block * LANES;
            // SAFETY: `lanes` numbers of y and dy exist from `at` on, and 16 of sums, whose rows
            // are padded to whole blocks.
            unsafe {
                let y = s.load_n(y.as_ptr().wrapping_add(at), lanes);
                let dy = s.load_n(dy.as_ptr().wrapping_add(at), lanes);
                let sum = activation.backward(s, y, dy, row * blocks + block);
                s.store(
                    sums.as_mut_ptr().wrapping_add(row * stride + block * LANES),
                    sum,
                );
            }
        }
    }
}

kernel! {
    /// Rows `first..` of the gradient of the weights, as many as `dw` holds; `columns` is working
    /// memory.
    pub(crate) fn weights => weights_body(
        layer: Dense, first: usize, x: &[f32], sums: &[f32], columns: &mut [f32], dw: &mut [MaybeUninit<f32>],
    )
}

#[inline(always)]
fn weights_body<S: Simd>(
    s: S,
    layer: Dense,
    first: usize,
    x: &[f32],
    sums: &[f32],
    columns: &mut [f32],
    dw: &mut [MaybeUninit<f32>],
) {
    let Dense { inputs, outputs } = layer;
    let stride = row_stride(outputs);
    let (n, features) = (x.len() / inputs, dw.len() / outputs);
    assert!(first + features <= inputs && features <= FEATURES);
    assert!(sums.len() == n * stride && columns.len() == DEPTH * FEATURES);
    dw.fill(MaybeUninit::new(0.0));
    // The features' columns of x lie a row of x apart: copied side by side, they are read from
    // the cache instead of one page each.
    for (part, x) in x.chunks(DEPTH * inputs).enumerate() {
        let k = x.len() / inputs;
        for (to, from) in columns
            .chunks_exact_mut(FEATURES)
            .zip(x.chunks_exact(inputs))
        {
            to[..features].copy_from_slice(&from[first..first + features]);
        }
        let product = Product {
            m: features,
            k,
            n: outputs,
            a: Strided {
                a: columns.as_ptr(),
                row: 1,
                step: FEATURES,
            },
            b: sums.as_ptr().wrapping_add(part * DEPTH * stride),
            b_row: stride,
            b_panel: S::PANEL,
            c: dw.as_mut_ptr().cast(),
            c_row: outputs,
            accumulate: true,
        };
        // SAFETY: A is `features <= FEATURES` columns of `k` rows, B the same k rows of sums,
        // whose rows hold whole blocks, C is dw.
        unsafe { product.run(s) };
    }
}

kernel! {
    /// Some rows of the gradient of the input.
    pub(crate) fn input => input_body(
        layer: Dense, sums: &[f32], packed: &[f32], dx: &mut [MaybeUninit<f32>],
    )
}

#[inline(always)]
fn input_body<S: Simd>(
    s: S,
    layer: Dense,
    sums: &[f32],
    packed: &[f32],
    dx: &mut [MaybeUninit<f32>],
) {
    let Dense { inputs, outputs } = layer;
    let panels = Panels::new(S::PANEL, outputs, inputs);
    let rows = dx.len() / inputs;
    assert!(packed.len() == panels.len && sums.len() == rows * row_stride(outputs));
    let product = Product {
        m: rows,
        k: outputs,
        n: inputs,
        a: Strided {
            a: sums.as_ptr(),
            row: row_stride(outputs),
            step: 1,
        },
        b: packed.as_ptr(),
        b_row: panels.row,
        b_panel: panels.panel,
        c: dx.as_mut_ptr().cast(),
        c_row: inputs,
        accumulate: false,
    };
    // SAFETY: A is `rows` rows of sums, B the packed weights, C is dx, as checked above.
    unsafe { product.run(s) };
}
