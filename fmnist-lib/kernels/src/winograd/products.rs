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
    u: (&[f32], usize),
    v: &[f32],
    m: &mut [f32],
) {
    let panelled = Panelled::forward(S::PANEL, conv);
    assert!(v.len() == tiles.input_point() && m.len() == tiles.output_point());
    let (v, m) = ((v, tiles.input_row), (m, tiles.output_row));
    by_weights(s, tiles, panelled, u, v, m);
}

/// `v = m uᵀ`
#[inline(always)]
pub(super) fn input_gradient<S: Simd>(
    s: S,
    conv: &Conv,
    tiles: &Tiles,
    u: (&[f32], usize),
    m: &[f32],
    v: &mut [f32],
) {
    let panelled = Panelled::backward(S::PANEL, conv);
    assert!(v.len() == tiles.input_point() && m.len() == tiles.output_point());
    let (m, v) = ((m, tiles.output_row), (v, tiles.input_row));
    by_weights(s, tiles, panelled, u, m, v);
}

/// The matrices `a` and `c`, each with the floats between its rows: `c` is `a` times the point's weights.
#[inline(always)]
fn by_weights<S: Simd>(
    s: S,
    tiles: &Tiles,
    panelled: Panelled,
    (u, point): (&[f32], usize),
    (a, a_row): (&[f32], usize),
    (c, c_row): (&mut [f32], usize),
) {
    let ([k, n], m) = (panelled.shape, tiles.count);
    assert!(u.len() == panelled.len() && point < tiles.algorithm.points());
    assert!(k <= a_row && m * a_row <= a.len() && n <= c_row && m * c_row <= c.len());
    let product = Product {
        m,
        k,
        n,
        a: Strided {
            a: a.as_ptr(),
            row: a_row,
            step: 1,
        },
        b: u.as_ptr().wrapping_add(panelled.point(point)),
        b_row: panelled.row(),
        b_panel: panelled.panel(),
        c: c.as_mut_ptr(),
        c_row,
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
