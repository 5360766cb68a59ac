//! Forward: the product, then bias and activation while the rows are in the cache.

use super::{DEPTH, Dense};
use crate::activation::Activation;
use crate::gemm::{Panels, Product, Strided};
use crate::operands::Forward;
use crate::simd::{LANES, Simd, kernel};
use std::mem::MaybeUninit;

kernel! {
    /// Some rows of a batch, by weights that are stored as `panels` says.
    pub(crate) fn rows => rows_body(
        layer: Dense, operands: Forward<'_>, panels: Panels, y: &mut [MaybeUninit<f32>],
    )
}

#[inline(always)]
fn rows_body<S: Simd>(
    s: S,
    layer: Dense,
    operands: Forward<'_>,
    panels: Panels,
    y: &mut [MaybeUninit<f32>],
) {
    let Dense { inputs, outputs } = layer;
    let Forward {
        x,
        weights,
        bias,
        activation,
    } = operands;
    let rows = x.len() / inputs;
    assert!(weights.len() == panels.len && y.len() == rows * outputs && bias.len() == outputs);
    let mut first = 0;
    while first < inputs {
        let product = Product {
            m: rows,
            k: (inputs - first).min(DEPTH),
            n: outputs,
            a: Strided {
                a: x.as_ptr().wrapping_add(first),
                row: inputs,
                step: 1,
            },
            b: weights.as_ptr().wrapping_add(first * panels.row),
            b_row: panels.row,
            b_panel: panels.panel,
            c: y.as_mut_ptr().cast::<f32>(),
            c_row: outputs,
            accumulate: first > 0,
        };
        // SAFETY: A is columns first..first + k of x, B the same rows of the weights, C is
        // y; the lengths were checked above.
        unsafe { product.run(s) };
        first += DEPTH;
    }
    finish(s, bias, activation, y);
}

/// Adds the bias to some rows of sums, and applies the activation, which is of these rows.
#[inline(always)]
pub(crate) fn finish<S: Simd>(
    s: S,
    bias: &[f32],
    activation: Activation<'_>,
    y: &mut [MaybeUninit<f32>],
) {
    let outputs = bias.len();
    let blocks = outputs.div_ceil(LANES);
    for row in 0..y.len() / outputs {
        for block in 0..blocks {
            let lanes = (outputs - block * LANES).min(LANES);
            let at = y
                .as_mut_ptr()
                .cast::<f32>()
                .wrapping_add(row * outputs + block * LANES);
            // SAFETY: `lanes` numbers of the row and of the bias exist from block * 16 on.
            unsafe {
                let bias = s.load_n(bias.as_ptr().wrapping_add(block * LANES), lanes);
                let sum = s.add(s.load_n(at, lanes), bias);
                s.store_n(at, activation.forward(s, sum, row * blocks + block), lanes);
            }
        }
    }
}
