//! Backward: the transposes of the forward maps, for the input's and the weights' gradient at once.

use super::forward::input_tiles;
use super::transform::{
    INPUT, InputTransposed, OUTPUT, OutputTransposed, POINTS, Weights, WeightsTransposed, both_axes,
};
use super::window::{Window, points};
use super::{CHUNK, Conv, Tiles};
use crate::nn::kernels::activation::Activation;
use crate::nn::kernels::gemm::{PANEL, Panels, Product};
use crate::nn::kernels::scratch;
use crate::nn::kernels::simd::{Isa, LANES, Simd, kernel, unroll};
use std::mem::MaybeUninit;

/// Floats of the transformed weights: for each point a matrix of outputs x inputs, in panels.
pub(super) fn weights_len(conv: &Conv) -> usize {
    POINTS * Panels::new(conv.outputs, conv.inputs).len
}

kernel! {
    /// Transforms the weights, inputs and outputs exchanged.
    pub(super) fn weights => weights_body(conv: Conv, weights: &[f32], u: &mut [f32])
}

#[inline(always)]
fn weights_body<S: Simd>(s: S, conv: Conv, weights: &[f32], u: &mut [f32]) {
    let panels = Panels::new(conv.outputs, conv.inputs);
    assert!(weights.len() == conv.weights_len() && u.len() == POINTS * panels.len);
    if !conv.inputs.is_multiple_of(LANES) {
        u.fill(0.0);
    }
    for input in 0..conv.inputs {
        for first in (0..conv.outputs).step_by(LANES) {
            let window = Window::of_weights(&conv, first);
            let from = weights.as_ptr().wrapping_add(input * conv.outputs + first);
            let mut out = [0.0; POINTS * LANES];
            // SAFETY: the 3x3 weights of `lanes` outputs from `first` on exist; `out` has 25
            // vectors.
            unsafe {
                let points_of = both_axes::<S, Weights, 3, INPUT>(s, window.load(s, from));
                points(LANES).store::<S, INPUT, false>(s, out.as_mut_ptr(), points_of);
            }
            for (point, lane) in out.chunks_exact(LANES).enumerate() {
                let matrix = &mut u[point * panels.len..][..panels.len];
                for (i, &x) in lane[..window.lanes].iter().enumerate() {
                    matrix[panels.at(first + i, input)] = x;
                }
            }
        }
    }
}

/// The images from number `first` on: fills `dx`, returns the gradients of weights and bias.
#[allow(clippy::too_many_arguments)]
pub(super) fn task(
    isa: Isa,
    conv: Conv,
    first: usize,
    x: &[f32],
    u: &[f32],
    y: &[f32],
    dy: &[f32],
    activation: Activation<'_>,
    mut dx: Option<&mut [MaybeUninit<f32>]>,
) -> Vec<f32> {
    let (rows, columns) = conv.output_size();
    let pixels = rows * columns;
    let most = Tiles::new(&conv, CHUNK);
    let sums = POINTS * conv.inputs * most.output_row;
    let mut gradients = vec![0.0; conv.weights_len() + conv.outputs];
    let (dweights, dbias) = gradients.split_at_mut(conv.weights_len());
    scratch::with(sums + most.input_len() + most.output_len(), |work| {
        let (du, work) = work.split_at_mut(sums);
        du.fill(0.0);
        for (i, x) in x.chunks(CHUNK * conv.input_len()).enumerate() {
            let images = x.len() / conv.input_len();
            let tiles = Tiles::new(&conv, images);
            let (v, m) = work.split_at_mut(tiles.input_len());
            let m = &mut m[..tiles.output_len()];
            let before = i * CHUNK;
            let output = before * conv.output_len()..(before + images) * conv.output_len();
            let input = before * conv.input_len()..(before + images) * conv.input_len();
            let act = activation.pixels((first + before) * pixels, images * pixels, conv.outputs);
            let dx = dx.as_deref_mut().map(|dx| &mut dx[input]);
            chunk(
                isa,
                conv,
                x,
                u,
                &y[output.clone()],
                &dy[output],
                act,
                v,
                m,
                du,
                dbias,
                dx,
            );
        }
        weight_gradient(isa, conv, du, dweights);
    });
    gradients
}

kernel! {
    /// Some images: adds to `du` and `dbias`, fills `dx`; `v` and `m` are working memory.
    fn chunk => chunk_body(
        conv: Conv, x: &[f32], u: &[f32], y: &[f32], dy: &[f32], activation: Activation<'_>,
        v: &mut [f32], m: &mut [f32], du: &mut [f32], dbias: &mut [f32], dx: Option<&mut [MaybeUninit<f32>]>,
    )
}

#[inline(always)]
#[allow(clippy::too_many_arguments)]
fn chunk_body<S: Simd>(
    s: S,
    conv: Conv,
    x: &[f32],
    u: &[f32],
    y: &[f32],
    dy: &[f32],
    activation: Activation<'_>,
    v: &mut [f32],
    m: &mut [f32],
    du: &mut [f32],
    dbias: &mut [f32],
    dx: Option<&mut [MaybeUninit<f32>]>,
) {
    let tiles = Tiles::new(&conv, x.len() / conv.input_len());
    let panels = Panels::new(conv.outputs, conv.inputs);
    assert!(dx.is_none() || u.len() == POINTS * panels.len);
    assert!(du.len() == POINTS * conv.inputs * tiles.output_row);
    input_tiles(s, conv, tiles, x, v);
    output_gradient_tiles(s, conv, tiles, y, dy, activation, m, dbias);
    for point in 0..POINTS {
        let v = v.as_mut_ptr().wrapping_add(point * tiles.input_point());
        let m = m.as_ptr().wrapping_add(point * tiles.output_point());
        let weights = Product {
            m: conv.inputs,
            k: tiles.count,
            n: conv.outputs,
            a: v,
            a_row: 1,
            a_step: tiles.input_row,
            b: m,
            b_row: tiles.output_row,
            b_panel: PANEL,
            c: du
                .as_mut_ptr()
                .wrapping_add(point * conv.inputs * tiles.output_row),
            c_row: tiles.output_row,
            accumulate: true,
        };
        // SAFETY: the point's matrices of v, m and du, whose lengths were checked.
        unsafe { weights.run(s) };
        if dx.is_some() {
            let input = Product {
                m: tiles.count,
                k: conv.outputs,
                n: conv.inputs,
                a: m,
                a_row: tiles.output_row,
                a_step: 1,
                b: u.as_ptr().wrapping_add(point * panels.len),
                b_row: panels.row,
                b_panel: panels.panel,
                c: v,
                c_row: tiles.input_row,
                accumulate: false,
            };
            // SAFETY: the point's matrices of m, u and v; the input's tiles in v have served.
            unsafe { input.run(s) };
        }
    }
    if let Some(dx) = dx {
        input_gradient_tiles(s, conv, tiles, v, dx);
    }
}

/// Undoes the activation, sums the bias's gradient, transforms all tiles of the output's gradient.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
fn output_gradient_tiles<S: Simd>(
    s: S,
    conv: Conv,
    tiles: Tiles,
    y: &[f32],
    dy: &[f32],
    activation: Activation<'_>,
    m: &mut [f32],
    dbias: &mut [f32],
) {
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
            // [first] for each of the 25 points, dbias `lanes` channels from `first` on.
            unsafe {
                let y: [[S::F; OUTPUT]; OUTPUT] = window.load(s, y.as_ptr().wrapping_add(at));
                let mut g = window.load(s, dy.as_ptr().wrapping_add(at));
                let mut sum = s.load_n(bias, window.lanes);
                unroll!(i < 3, {
                    unroll!(j < 3, {
                        if window.has(i, j) {
                            let word = (pixel + i * width + j) * blocks + block;
                            g[i][j] = activation.backward(s, y[i][j], g[i][j], word);
                            sum = s.add(sum, g[i][j]);
                        }
                    });
                });
                s.store_n(bias, sum, window.lanes);
                let out = both_axes::<S, OutputTransposed, OUTPUT, INPUT>(s, g);
                points(tiles.output_point()).store::<S, INPUT, false>(s, to, out);
            }
        }
    }
}

/// Transforms all tiles of the input's gradient back; where tiles overlap, they add up.
#[inline(always)]
fn input_gradient_tiles<S: Simd>(
    s: S,
    conv: Conv,
    tiles: Tiles,
    v: &[f32],
    dx: &mut [MaybeUninit<f32>],
) {
    let images = tiles.count / (tiles.down * tiles.across);
    assert!(dx.len() == images * conv.input_len() && v.len() == tiles.input_len());
    dx.fill(MaybeUninit::new(0.0));
    for tile in 0..tiles.count {
        for first in (0..conv.inputs).step_by(LANES) {
            let (corner, window) = Window::of_input(&conv, &tiles, tile, first);
            let from = v.as_ptr().wrapping_add(tile * tiles.input_row + first);
            let to = dx.as_mut_ptr().cast::<f32>().wrapping_add(corner);
            // SAFETY: v has a vector at [point][tile][first] for each of the 25 points; the window
            // is cut at the edges of its image.
            unsafe {
                let products = points(tiles.input_point()).load(s, from);
                let tile = both_axes::<S, InputTransposed, INPUT, INPUT>(s, products);
                window.store::<S, INPUT, true>(s, to, tile);
            }
        }
    }
}

kernel! {
    /// Transforms the gradient of the transformed weights back.
    fn weight_gradient => weight_gradient_body(conv: Conv, du: &[f32], dweights: &mut [f32])
}

#[inline(always)]
fn weight_gradient_body<S: Simd>(s: S, conv: Conv, du: &[f32], dweights: &mut [f32]) {
    let row = Tiles::new(&conv, 1).output_row;
    assert!(du.len() == POINTS * conv.inputs * row && dweights.len() == conv.weights_len());
    for input in 0..conv.inputs {
        for first in (0..conv.outputs).step_by(LANES) {
            let window = Window::of_weights(&conv, first);
            let from = du.as_ptr().wrapping_add(input * row + first);
            let to = dweights
                .as_mut_ptr()
                .wrapping_add(input * conv.outputs + first);
            // SAFETY: du has a vector at [point][input][first] for each of the 25 points, dweights
            // `lanes` outputs from `first` on for each of the 9 taps.
            unsafe {
                let products = points(conv.inputs * row).load(s, from);
                let taps = both_axes::<S, WeightsTransposed, INPUT, OUTPUT>(s, products);
                window.store::<S, OUTPUT, false>(s, to, taps);
            }
        }
    }
}
