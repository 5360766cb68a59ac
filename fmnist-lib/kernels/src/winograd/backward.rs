//! Backward: the transposes of the forward maps, for the input's and the weights' gradient at once.

use super::forward;
use super::tiles::{Tiles, Work};
use super::transform::{Transform, both_axes, with_transform};
use super::window::{Window, points};
use super::{Conv, products, weights};
use crate::operands::Backward;
use crate::simd::{Isa, LANES, Simd, kernel};
use crate::{images_per_task, scratch, sum_in_order};
use rayon::prelude::*;
use std::mem::MaybeUninit;

/// A batch, by the transformed weights: fills `dx` where there is one.
pub(super) fn batch(
    isa: Isa,
    conv: Conv,
    operands: Backward<'_>,
    dx: Option<&mut [MaybeUninit<f32>]>,
    [dweights, dbias]: [&mut Vec<f32>; 2],
) {
    let n = operands.x.len() / conv.input_len();
    let images = images_per_task(n);
    let (input, output) = (images * conv.input_len(), images * conv.output_len());
    let dx = dx.into_iter().flat_map(|dx| dx.chunks_mut(input));
    let mut dx: Vec<_> = dx.map(Some).collect();
    dx.resize_with(n.div_ceil(images), || None);
    let x = operands.x.par_chunks(input);
    let tasks = x
        .zip(operands.y.par_chunks(output))
        .zip(operands.dy.par_chunks(output));
    let sums = tasks.zip(dx).enumerate().map(|(i, (((x, y), dy), dx))| {
        let pixels = conv.output_len() / conv.outputs;
        let (first, count) = (i * images * pixels, y.len() / conv.outputs);
        let operands = Backward {
            x,
            y,
            dy,
            activation: operands.activation.pixels(first, count, conv.outputs),
            ..operands
        };
        task(isa, conv, operands, dx)
    });
    let partial: Vec<_> = sums.collect();
    dweights.clear();
    dweights.resize(conv.weights_len() + conv.outputs, 0.0);
    sum_in_order(&partial, dweights);
    *dbias = dweights.split_off(conv.weights_len());
}

/// Some images, by the transformed weights: fills `dx`, returns the gradients of weights and bias.
fn task(
    isa: Isa,
    conv: Conv,
    operands: Backward<'_>,
    mut dx: Option<&mut [MaybeUninit<f32>]>,
) -> Vec<f32> {
    let (rows, columns) = conv.output_size();
    let pixels = rows * columns;
    let together = conv.images_together();
    let most = Tiles::new(&conv, together);
    let sums = most.algorithm.points() * weights::gradient_point(&conv);
    let mut gradients = vec![0.0; conv.weights_len() + conv.outputs];
    let (dweights, dbias) = gradients.split_at_mut(conv.weights_len());
    scratch::with(sums + most.len(), |work| {
        let (du, work) = work.split_at_mut(sums);
        du.fill(0.0);
        for (i, x) in operands.x.chunks(together * conv.input_len()).enumerate() {
            let images = x.len() / conv.input_len();
            let before = i * together;
            let output = before * conv.output_len()..(before + images) * conv.output_len();
            let input = before * conv.input_len()..(before + images) * conv.input_len();
            let operands = Backward {
                x,
                y: &operands.y[output.clone()],
                dy: &operands.dy[output],
                activation: operands.activation.pixels(
                    before * pixels,
                    images * pixels,
                    conv.outputs,
                ),
                ..operands
            };
            let work = Work::new(&Tiles::new(&conv, images), work);
            let sums = Sums { du, dbias };
            let dx = dx.as_deref_mut().map(|dx| &mut dx[input]);
            chunk(isa, conv, operands, work, sums, dx);
        }
        let taps = dweights.chunks_exact_mut(conv.inputs * conv.outputs);
        weights::gradient(isa, conv, du, 0, &mut taps.collect::<Vec<_>>());
    });
    gradients
}

/// What the gradients of all images add up to.
struct Sums<'a> {
    /// Of the transformed weights.
    du: &'a mut [f32],
    dbias: &'a mut [f32],
}

kernel! {
    /// Some images: adds to the sums, fills `dx`.
    fn chunk => chunk_body(
        conv: Conv, operands: Backward<'_>, work: Work<'_>, sums: Sums<'_>,
        dx: Option<&mut [MaybeUninit<f32>]>,
    )
}

#[inline(always)]
fn chunk_body<S: Simd>(
    s: S,
    conv: Conv,
    operands: Backward<'_>,
    Work { v, m }: Work<'_>,
    Sums { du, dbias }: Sums<'_>,
    dx: Option<&mut [MaybeUninit<f32>]>,
) {
    let (x, u) = (operands.x, operands.weights);
    let tiles = Tiles::new(&conv, x.len() / conv.input_len());
    let points = tiles.algorithm.points();
    assert!(du.len() == points * weights::gradient_point(&conv));
    forward::transform_body(s, conv, tiles, x, v);
    transform_body(s, conv, tiles, operands, m, dbias);
    let du = du.chunks_exact_mut(weights::gradient_point(&conv));
    for (point, ((v, m), du)) in tiles.points_of(v, m).zip(du).enumerate() {
        products::weights_gradient(s, &conv, &tiles, v, m, du);
        if dx.is_some() {
            // The input's tiles have served.
            products::input_gradient(s, &conv, &tiles, (u, point), m, v);
        }
    }
    if let Some(dx) = dx {
        inputs_body(s, conv, tiles, v, dx);
    }
}

kernel! {
    /// The tiles of the output's gradient of some images, and, added to `dbias`, the bias's.
    pub(super) fn transform => transform_body(
        conv: Conv, tiles: Tiles, operands: Backward<'_>, m: &mut [f32], dbias: &mut [f32],
    )
}

#[inline(always)]
fn transform_body<S: Simd>(
    s: S,
    conv: Conv,
    tiles: Tiles,
    operands: Backward<'_>,
    m: &mut [f32],
    dbias: &mut [f32],
) {
    with_transform!(
        tiles.algorithm,
        output_gradient_tiles(s, conv, tiles, operands, m, dbias)
    );
}

kernel! {
    /// The gradient of the input of some images, from their products.
    pub(super) fn inputs => inputs_body(
        conv: Conv, tiles: Tiles, v: &[f32], dx: &mut [MaybeUninit<f32>],
    )
}

#[inline(always)]
fn inputs_body<S: Simd>(s: S, conv: Conv, tiles: Tiles, v: &[f32], dx: &mut [MaybeUninit<f32>]) {
    with_transform!(tiles.algorithm, input_gradient_tiles(s, conv, tiles, v, dx));
}

/// Undoes the activation, sums the bias's gradient, transforms all tiles of the output's gradient.
#[inline(always)]
fn output_gradient_tiles<S, T, const N: usize, const M: usize, const R: usize>(
    s: S,
    conv: Conv,
    tiles: Tiles,
    operands: Backward<'_>,
    m: &mut [f32],
    dbias: &mut [f32],
) where
    S: Simd,
    T: Transform<N, M, R>,
{
    let (y, dy, activation) = (operands.y, operands.dy, operands.activation);
    let width = conv.output_size().1;
    let blocks = conv.outputs.div_ceil(LANES);
    let images = tiles.count / (tiles.down * tiles.across);
    assert!(y.len() == images * conv.output_len() && dy.len() == y.len());
    assert!(m.len() == tiles.output_len() && dbias.len() == conv.outputs);
    for tile in 0..tiles.count {
        for block in 0..blocks {
            let first = block * LANES;
            let (pixel, window) = Window::of_output(&conv, &tiles, tile, first);
            let at = pixel * conv.outputs + first;
            let to = m.as_mut_ptr().wrapping_add(tile * tiles.output_row + first);
            let bias = dbias.as_mut_ptr().wrapping_add(first);
            // SAFETY: the window is cut at the edge of its image, m has a vector at [point][tile]
            // [first] for each of the points, dbias `lanes` channels from `first` on.
            unsafe {
                let y: [[S::F; M]; M] = match activation.reads_outputs() {
                    true => window.load(s, y.as_ptr().wrapping_add(at)),
                    false => [[s.zero(); M]; M],
                };
                let mut g: [[S::F; M]; M] = window.load(s, dy.as_ptr().wrapping_add(at));
                let mut sum = s.load_n(bias, window.lanes);
                for (i, (row, y)) in g.iter_mut().zip(y).enumerate() {
                    for (j, (g, y)) in row.iter_mut().zip(y).enumerate() {
                        if window.has(i, j) {
                            let word = (pixel + i * width + j) * blocks + block;
                            *g = activation.backward(s, y, *g, word);
                            sum = s.add(sum, *g);
                        }
                    }
                }
                s.store_n(bias, sum, window.lanes);
                let out = both_axes::<S, T::OutputTransposed, M, N>(s, &g);
                points::<N>(tiles.output_point()).store::<S, N, false>(s, to, &out);
            }
        }
    }
}

/// Transforms all tiles of the input's gradient back; where tiles overlap, they add up.
#[inline(always)]
fn input_gradient_tiles<S, T, const N: usize, const M: usize, const R: usize>(
    s: S,
    conv: Conv,
    tiles: Tiles,
    v: &[f32],
    dx: &mut [MaybeUninit<f32>],
) where
    S: Simd,
    T: Transform<N, M, R>,
{
    let images = tiles.count / (tiles.down * tiles.across);
    assert!(dx.len() == images * conv.input_len() && v.len() == tiles.input_len());
    dx.fill(MaybeUninit::new(0.0));
    for tile in 0..tiles.count {
        for first in (0..conv.inputs).step_by(LANES) {
            let (corner, window) = Window::of_input(&conv, &tiles, tile, first);
            let from = v.as_ptr().wrapping_add(tile * tiles.input_row + first);
            let to = dx.as_mut_ptr().cast::<f32>().wrapping_add(corner);
            // SAFETY: v has a vector at [point][tile][first] for each of the points; the window
            // is cut at the edges of its image.
            unsafe {
                let products = points::<N>(tiles.input_point()).load(s, from);
                let tile = both_axes::<S, T::InputTransposed, N, N>(s, &products);
                window.store::<S, N, true>(s, to, &tile);
            }
        }
    }
}
