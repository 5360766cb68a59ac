//! Forward: transform the input, a matrix product for each point, transform back with the activation.

use super::tiles::{Tiles, Work};
use super::transform::{Transform, both_axes, with_transform};
use super::window::{Window, points};
use super::{Conv, products};
use crate::operands::Forward;
use crate::scratch;
use crate::simd::{Isa, LANES, Simd, kernel};
use rayon::prelude::*;
use std::mem::MaybeUninit;

/// A batch, by the transformed weights.
pub(super) fn batch(isa: Isa, conv: Conv, operands: Forward<'_>, y: &mut [MaybeUninit<f32>]) {
    let together = conv.images_together();
    let pixels = conv.output_len() / conv.outputs;
    let tasks = operands.x.par_chunks(together * conv.input_len());
    let tasks = tasks.zip(y.par_chunks_mut(together * conv.output_len()));
    tasks.enumerate().for_each(|(i, (x, y))| {
        let images = x.len() / conv.input_len();
        let (first, count) = (i * together * pixels, images * pixels);
        let operands = Forward {
            x,
            activation: operands.activation.pixels(first, count, conv.outputs),
            ..operands
        };
        let tiles = Tiles::new(&conv, images);
        scratch::with(tiles.len(), |work| {
            chunk(isa, conv, operands, Work::new(&tiles, work), y);
        });
    });
}

kernel! {
    /// Some images, by the transformed weights.
    fn chunk => chunk_body(
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
    let tiles = Tiles::new(&conv, x.len() / conv.input_len());
    transform_body(s, conv, tiles, x, v);
    for (point, (v, m)) in tiles.points_of(v, m).enumerate() {
        products::forward(s, &conv, &tiles, (u, point), v, m);
    }
    outputs_body(s, conv, tiles, m, operands, y);
}

kernel! {
    /// The tiles of the input of some images.
    pub(super) fn transform => transform_body(conv: Conv, tiles: Tiles, x: &[f32], v: &mut [f32])
}

#[inline(always)]
pub(super) fn transform_body<S: Simd>(s: S, conv: Conv, tiles: Tiles, x: &[f32], v: &mut [f32]) {
    with_transform!(tiles.algorithm, input_tiles(s, conv, tiles, x, v));
}

kernel! {
    /// The outputs of some images, from their products.
    pub(super) fn outputs => outputs_body(
        conv: Conv, tiles: Tiles, m: &[f32], operands: Forward<'_>, y: &mut [MaybeUninit<f32>],
    )
}

#[inline(always)]
fn outputs_body<S: Simd>(
    s: S,
    conv: Conv,
    tiles: Tiles,
    m: &[f32],
    operands: Forward<'_>,
    y: &mut [MaybeUninit<f32>],
) {
    with_transform!(
        tiles.algorithm,
        output_tiles(s, conv, tiles, m, operands, y)
    );
}

/// Transforms all tiles of the input.
#[inline(always)]
fn input_tiles<S, T, const N: usize, const M: usize, const R: usize>(
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
    assert!(m.len() == tiles.output_len() && bias.len() == conv.outputs);
    assert!(y.len() == images * conv.output_len());
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
