//! Forward: transform the input, a matrix product for each point, transform back with the activation.

use super::tiles::{Tiles, Work};
use super::transform::{Transform, both_axes, with_transform};
use super::window::{Window, points};
use super::{Conv, weights};
use crate::gemm::{Product, Strided};
use crate::operands::Forward;
use crate::simd::{LANES, Simd, kernel};
use std::mem::MaybeUninit;

kernel! {
    /// Some images, by the transformed weights.
    pub(super) fn chunk => chunk_body(
        conv: Conv, operands: Forward<'_>, work: Work<'_>, y: &mut [MaybeUninit<f32>],
    )
}

#[inline(always)]
fn chunk_body<S: Simd>(
    s: S,
    conv: Conv,
    operands: Forward<'_>,
    Work { v, m }: Work<'_>,
    y: &mut [MaybeUninit<f32>],
) {
    let (x, u) = (operands.x, operands.weights);
    let images = x.len() / conv.input_len();
    let tiles = Tiles::new(&conv, images);
    let panels = weights::forward_panels(S::PANEL, &conv);
    let points = tiles.algorithm.points();
    assert!(u.len() == points * panels.len && m.len() == tiles.output_len());
    with_transform!(tiles.algorithm, input_tiles(s, conv, tiles, x, v));
    for point in 0..points {
        let product = Product {
            m: tiles.count,
            k: conv.inputs,
            n: conv.outputs,
            a: Strided {
                a: v.as_ptr().wrapping_add(point * tiles.input_point()),
                row: tiles.input_row,
                step: 1,
            },
            b: u.as_ptr().wrapping_add(point * panels.len),
            b_row: panels.row,
            b_panel: panels.panel,
            c: m.as_mut_ptr().wrapping_add(point * tiles.output_point()),
            c_row: tiles.output_row,
            accumulate: false,
        };
        // SAFETY: the point's matrices of v, u and m, whose lengths were checked.
        unsafe { product.run(s) };
    }
    with_transform!(
        tiles.algorithm,
        output_tiles(s, conv, tiles, m, operands, y)
    );
}

/// Transforms all tiles of the input.
#[inline(always)]
pub(super) fn input_tiles<S, T, const N: usize, const M: usize, const R: usize>(
    s: S,
    conv: Conv,
    tiles: Tiles,
    x: &[f32],
    v: &mut [f32],
) where
    S: Simd,
    T: Transform<N, M, R>,
{
    let images = x.len() / conv.input_len();
    assert!(v.len() == tiles.input_len() && tiles.count == images * tiles.down * tiles.across);
    for tile in 0..tiles.count {
        for first in (0..conv.inputs).step_by(LANES) {
            let (corner, window) = Window::of_input(&conv, &tiles, tile, first);
            let from = x.as_ptr().wrapping_add(corner);
            let to = v.as_mut_ptr().wrapping_add(tile * tiles.input_row + first);
            // SAFETY: the window is cut at the edges of its image; v has a vector at [point]
            // [tile][first] for each of the points.
            unsafe {
                let tile = both_axes::<S, T::Input, N, N>(s, &window.load(s, from));
                points::<N>(tiles.input_point()).store::<S, N, false>(s, to, &tile);
            }
        }
    }
}

/// Transforms all products back, adds the bias and applies the activation.
#[inline(always)]
fn output_tiles<S, T, const N: usize, const M: usize, const R: usize>(
    s: S,
    conv: Conv,
    tiles: Tiles,
    m: &[f32],
    operands: Forward<'_>,
    y: &mut [MaybeUninit<f32>],
) where
    S: Simd,
    T: Transform<N, M, R>,
{
    let (bias, activation) = (operands.bias, operands.activation);
    let width = conv.output_size().1;
    let blocks = conv.outputs.div_ceil(LANES);
    let images = tiles.count / (tiles.down * tiles.across);
    assert!(y.len() == images * conv.output_len() && bias.len() == conv.outputs);
    for tile in 0..tiles.count {
        for block in 0..blocks {
            let first = block * LANES;
            let (pixel, window) = Window::of_output(&conv, &tiles, tile, first);
            let from = m.as_ptr().wrapping_add(tile * tiles.output_row + first);
            let to = y
                .as_mut_ptr()
                .cast::<f32>()
                .wrapping_add(pixel * conv.outputs + first);
            // SAFETY: m has a vector at [point][tile][first] for each of the points, `lanes`
            // channels of the bias exist from `first` on, and the window is cut at the edge of
            // its image.
            unsafe {
                let bias = s.load_n(bias.as_ptr().wrapping_add(first), window.lanes);
                let products = points::<N>(tiles.output_point()).load(s, from);
                let mut out = both_axes::<S, T::Output, N, M>(s, &products);
                for (i, row) in out.iter_mut().enumerate() {
                    for (j, out) in row.iter_mut().enumerate() {
                        if window.has(i, j) {
                            let word = (pixel + i * width + j) * blocks + block;
                            *out = activation.forward(s, s.add(*out, bias), word);
                        }
                    }
                }
                window.store::<S, M, false>(s, to, &out);
            }
        }
    }
}
