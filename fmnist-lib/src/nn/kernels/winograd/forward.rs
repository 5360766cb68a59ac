//! Forward: transform weights and input, 25 matrix products, transform back with the activation.

use super::transform::{INPUT, Input, OUTPUT, Output, POINTS, Weights, both_axes};
use super::window::{Window, points};
use super::{Conv, Tiles};
use crate::nn::kernels::activation::Activation;
use crate::nn::kernels::gemm::{Panels, Product};
use crate::nn::kernels::simd::{LANES, Simd, kernel, unroll};
use std::mem::MaybeUninit;

/// Floats of the transformed weights: for each point a matrix of inputs x outputs, in panels.
pub(super) fn weights_len(conv: &Conv) -> usize {
    POINTS * Panels::new(conv.inputs, conv.outputs).len
}

kernel! {
    /// Transforms the weights.
    pub(super) fn weights => weights_body(conv: Conv, weights: &[f32], u: &mut [f32])
}

#[inline(always)]
fn weights_body<S: Simd>(s: S, conv: Conv, weights: &[f32], u: &mut [f32]) {
    let panels = Panels::new(conv.inputs, conv.outputs);
    assert!(weights.len() == conv.weights_len() && u.len() == POINTS * panels.len);
    for input in 0..conv.inputs {
        for first in (0..conv.outputs).step_by(LANES) {
            let window = Window::of_weights(&conv, first);
            let from = weights.as_ptr().wrapping_add(input * conv.outputs + first);
            let to = u.as_mut_ptr().wrapping_add(panels.at(input, first));
            // SAFETY: the 3x3 weights of `lanes` outputs from `first` on exist, and one vector at
            // [input][first] of each of the 25 panelled matrices.
            unsafe {
                let points_of = both_axes::<S, Weights, 3, INPUT>(s, window.load(s, from));
                points(panels.len).store::<S, INPUT, false>(s, to, points_of);
            }
        }
    }
}

kernel! {
    /// Some images; `v` and `m` are working memory for their tiles.
    pub(super) fn chunk => chunk_body(
        conv: Conv, x: &[f32], u: &[f32], bias: &[f32], activation: Activation<'_>,
        v: &mut [f32], m: &mut [f32], y: &mut [MaybeUninit<f32>],
    )
}

#[inline(always)]
#[allow(clippy::too_many_arguments)]
fn chunk_body<S: Simd>(
    s: S,
    conv: Conv,
    x: &[f32],
    u: &[f32],
    bias: &[f32],
    activation: Activation<'_>,
    v: &mut [f32],
    m: &mut [f32],
    y: &mut [MaybeUninit<f32>],
) {
    let images = x.len() / conv.input_len();
    let tiles = Tiles::new(&conv, images);
    let panels = Panels::new(conv.inputs, conv.outputs);
    assert!(u.len() == POINTS * panels.len && m.len() == tiles.output_len());
    input_tiles(s, conv, tiles, x, v);
    for point in 0..POINTS {
        let product = Product {
            m: tiles.count,
            k: conv.inputs,
            n: conv.outputs,
            a: v.as_ptr().wrapping_add(point * tiles.input_point()),
            a_row: tiles.input_row,
            a_step: 1,
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
    output_tiles(s, conv, tiles, m, bias, activation, y);
}

/// Transforms all tiles of the input.
#[inline(always)]
pub(super) fn input_tiles<S: Simd>(s: S, conv: Conv, tiles: Tiles, x: &[f32], v: &mut [f32]) {
    let images = x.len() / conv.input_len();
    assert!(v.len() == tiles.input_len() && tiles.count == images * tiles.down * tiles.across);
    for tile in 0..tiles.count {
        for first in (0..conv.inputs).step_by(LANES) {
            let (corner, window) = Window::of_input(&conv, &tiles, tile, first);
            let from = x.as_ptr().wrapping_add(corner);
            let to = v.as_mut_ptr().wrapping_add(tile * tiles.input_row + first);
            // SAFETY: the window is cut at the edges of its image; v has a vector at [point]
            // [tile][first] for each of the 25 points.
            unsafe {
                let tile = both_axes::<S, Input, INPUT, INPUT>(s, window.load(s, from));
                points(tiles.input_point()).store::<S, INPUT, false>(s, to, tile);
            }
        }
    }
}

/// Transforms all products back, adds the bias and applies the activation.
#[inline(always)]
fn output_tiles<S: Simd>(
    s: S,
    conv: Conv,
    tiles: Tiles,
    m: &[f32],
    bias: &[f32],
    activation: Activation<'_>,
    y: &mut [MaybeUninit<f32>],
) {
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
            // SAFETY: m has a vector at [point][tile][first] for each of the 25 points, `lanes`
            // channels of the bias exist from `first` on, and the window is cut at the edge of
            // its image.
            unsafe {
                let bias = s.load_n(bias.as_ptr().wrapping_add(first), window.lanes);
                let products = points(tiles.output_point()).load(s, from);
                let mut out = both_axes::<S, Output, INPUT, OUTPUT>(s, products);
                unroll!(i < 3, {
                    unroll!(j < 3, {
                        if window.has(i, j) {
                            let word = (pixel + i * width + j) * blocks + block;
                            out[i][j] = activation.forward(s, s.add(out[i][j], bias), word);
                        }
                    });
                });
                window.store::<S, OUTPUT, false>(s, to, out);
            }
        }
    }
}
