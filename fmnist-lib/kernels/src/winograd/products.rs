//! The matrix products of one point: over the channels, for some tiles.

use super::Conv;
use super::tiles::Tiles;
use super::weights::{self, Panelled};
use crate::gemm::{Product, Strided};
use crate::simd::Simd;

/// `m = v u`
#[inline(always)]
pub(super) fn forward<S: Simd>(
    s: S,
    conv: &Conv,
    tiles: &Tiles,
    (u, point): (&[f32], usize),
    v: &[f32],
    m: &mut [f32],
) {
    let panelled = Panelled::forward(S::PANEL, conv);
    assert!(u.len() == panelled.len() && point < tiles.algorithm.points());
    assert!(v.len() == tiles.input_point() && m.len() == tiles.output_point());
    let product = Product {
        m: tiles.count,
        k: conv.inputs,
        n: conv.outputs,
        a: Strided {
            a: v.as_ptr(),
            row: tiles.input_row,
            step: 1,
        },
        b: u.as_ptr().wrapping_add(panelled.point(point)),
        b_row: panelled.row(),
        b_panel: panelled.panel(),
        c: m.as_mut_ptr(),
        c_row: tiles.output_row,
        accumulate: false,
    };
    // SAFETY: the point's matrices, whose lengths were checked.
    unsafe { product.run(s) };
}

/// `du += vᵀ m`
#[inline(always)]
pub(super) fn weights_gradient<S: Simd>(
    s: S,
    conv: &Conv,
    tiles: &Tiles,
    v: &[f32],
    m: &[f32],
    du: &mut [f32],
) {
    assert!(v.len() == tiles.input_point() && m.len() == tiles.output_point());
    assert!(du.len() == weights::gradient_point(conv));
    let product = Product {
        m: conv.inputs,
        k: tiles.count,
        n: conv.outputs,
        a: Strided {
            a: v.as_ptr(),
            row: 1,
            step: tiles.input_row,
        },
        b: m.as_ptr(),
        b_row: tiles.output_row,
        b_panel: S::PANEL,
        c: du.as_mut_ptr(),
        c_row: tiles.output_row,
        accumulate: true,
    };
    // SAFETY: the point's matrices, whose lengths were checked.
    unsafe { product.run(s) };
}

/// `v = m uᵀ`
#[inline(always)]
pub(super) fn input_gradient<S: Simd>(
    s: S,
    conv: &Conv,
    tiles: &Tiles,
    (u, point): (&[f32], usize),
    m: &[f32],
    v: &mut [f32],
) {
    let panelled = Panelled::backward(S::PANEL, conv);
    assert!(u.len() == panelled.len() && point < tiles.algorithm.points());
    assert!(v.len() == tiles.input_point() && m.len() == tiles.output_point());
    let product = Product {
        m: tiles.count,
        k: conv.outputs,
        n: conv.inputs,
        a: Strided {
            a: m.as_ptr(),
            row: tiles.output_row,
            step: 1,
        },
        b: u.as_ptr().wrapping_add(panelled.point(point)),
        b_row: panelled.row(),
        b_panel: panelled.panel(),
        c: v.as_mut_ptr(),
        c_row: tiles.input_row,
        accumulate: false,
    };
    // SAFETY: the point's matrices, whose lengths were checked.
    unsafe { product.run(s) };
}
