//! The weights to their points, for either direction, and their gradient back.

use super::Conv;
use super::tiles::Tiles;
use super::transform::{Transform, both_axes, with_transform};
use super::window::{Window, points};
use crate::gemm::Panels;
use crate::simd::{Isa, LANES, Simd, kernel};
use rayon::prelude::*;

/// How the transformed weights lie, a matrix for each point: panel after panel, and in each one the points, so that a
/// panel is one task's.
#[derive(Clone, Copy)]
pub(super) struct Panelled {
    /// Rows and columns of one point's matrix.
    pub(super) shape: [usize; 2],
    panels: Panels,
    points: usize,
}

impl Panelled {
    /// For the forward pass: inputs x outputs.
    pub(super) fn forward(width: usize, conv: &Conv) -> Self {
        Self::new(width, conv, [conv.inputs, conv.outputs])
    }

    /// For the backward pass: outputs x inputs.
    pub(super) fn backward(width: usize, conv: &Conv) -> Self {
        Self::new(width, conv, [conv.outputs, conv.inputs])
    }

    fn new(width: usize, conv: &Conv, shape: [usize; 2]) -> Self {
        Self {
            shape,
            panels: Panels::new(width, shape[0], shape[1]),
            points: conv.algorithm().points(),
        }
    }

    /// Floats in all.
    pub(super) fn len(self) -> usize {
        self.points * self.panels.len
    }

    /// Floats between two rows of a panel: its columns.
    pub(super) fn row(self) -> usize {
        self.panels.row
    }

    /// Floats between two panels.
    pub(super) fn panel(self) -> usize {
        self.points * self.panels.panel
    }

    /// Where a point's matrix begins.
    pub(super) fn point(self, point: usize) -> usize {
        point * self.panels.panel
    }
}

/// Transforms the weights for the forward pass.
pub(super) fn forward(isa: Isa, conv: Conv, weights: &[f32], u: &mut [f32]) {
    let panelled = Panelled::forward(isa.panel(), &conv);
    let tasks = u.par_chunks_mut(panelled.panel()).enumerate();
    tasks.for_each(|(i, u)| forward_panel(isa, conv, weights, i * panelled.row(), u));
}

kernel! {
    /// The panel of the outputs from `start` on.
    fn forward_panel => forward_body(conv: Conv, weights: &[f32], start: usize, u: &mut [f32])
}

#[inline(always)]
fn forward_body<S: Simd>(s: S, conv: Conv, weights: &[f32], start: usize, u: &mut [f32]) {
    with_transform!(conv.algorithm(), forward_by(s, conv, weights, start, u));
}

#[inline(always)]
fn forward_by<S, T, const N: usize, const M: usize, const R: usize>(
    s: S,
    conv: Conv,
    weights: &[f32],
    start: usize,
    u: &mut [f32],
) where
    S: Simd,
    T: Transform<N, M, R>,
{
    let panelled = Panelled::forward(S::PANEL, &conv);
    let row = panelled.row();
    assert!(weights.len() == conv.weights_len() && u.len() == panelled.panel());
    for input in 0..conv.inputs {
        for first in (start..conv.outputs.min(start + row)).step_by(LANES) {
            let window = Window::of_weights(&conv, first);
            let from = weights.as_ptr().wrapping_add(input * conv.outputs + first);
            let to = u.as_mut_ptr().wrapping_add(input * row + first - start);
            // SAFETY: the weights of `lanes` outputs from `first` on exist, and one vector at
            // [input][first] of each of the panel's matrices.
            unsafe {
                let points_of = both_axes::<S, T::Weights, R, N>(s, &window.load(s, from));
                points::<N>(panelled.point(1)).store::<S, N, false>(s, to, &points_of);
            }
        }
    }
}

/// Transforms the weights for the backward pass.
pub(super) fn backward(isa: Isa, conv: Conv, weights: &[f32], u: &mut [f32]) {
    let panelled = Panelled::backward(isa.panel(), &conv);
    let tasks = u.par_chunks_mut(panelled.panel()).enumerate();
    tasks.for_each(|(i, u)| backward_panel(isa, conv, weights, i * panelled.row(), u));
}

kernel! {
    /// The panel of the inputs from `start` on.
    fn backward_panel => backward_body(conv: Conv, weights: &[f32], start: usize, u: &mut [f32])
}

#[inline(always)]
fn backward_body<S: Simd>(s: S, conv: Conv, weights: &[f32], start: usize, u: &mut [f32]) {
    with_transform!(conv.algorithm(), backward_by(s, conv, weights, start, u));
}

#[inline(always)]
fn backward_by<S, T, const N: usize, const M: usize, const R: usize>(
    s: S,
    conv: Conv,
    weights: &[f32],
    start: usize,
    u: &mut [f32],
) where
    S: Simd,
    T: Transform<N, M, R>,
{
    let panelled = Panelled::backward(S::PANEL, &conv);
    let row = panelled.row();
    assert!(weights.len() == conv.weights_len() && u.len() == panelled.panel());
    let (inputs, outputs) = (conv.inputs, conv.outputs);
    // Of 16 inputs and 16 outputs, with the inputs last: these are the columns here.
    let taps = points::<R>(LANES * LANES);
    let mut turned = [[[[0.0; LANES]; LANES]; R]; R];
    for first in (start..inputs.min(start + row)).step_by(LANES) {
        for block in (0..outputs).step_by(LANES) {
            let count = (outputs - block).min(LANES);
            for (tap, turned) in turned.as_flattened_mut().iter_mut().enumerate() {
                for lane in 0..(inputs - first).min(LANES) {
                    let at = (tap * inputs + first + lane) * outputs + block;
                    for (turned, &weight) in turned.iter_mut().zip(&weights[at..][..count]) {
                        turned[lane] = weight;
                    }
                }
            }
            for output in 0..count {
                let from = turned.as_ptr().cast::<f32>().wrapping_add(output * LANES);
                let to = u
                    .as_mut_ptr()
                    .wrapping_add((block + output) * row + first - start);
                // SAFETY: `turned` has a vector of each output for each tap, and u one at [output][first] of each of
                // the panel's matrices, whose rows are whole vectors.
                unsafe {
                    let points_of = both_axes::<S, T::Weights, R, N>(s, &taps.load(s, from));
                    points::<N>(panelled.point(1)).store::<S, N, false>(s, to, &points_of);
                }
            }
        }
    }
}

/// Floats of one point's gradient, `[inputs][outputs]`.
pub(super) fn gradient_point(conv: &Conv) -> usize {
    conv.inputs * Tiles::new(conv, 1).output_row
}

kernel! {
    /// Transforms the gradient of the transformed weights back, for some inputs from `start` on, whose part of each
    /// tap is in `taps`.
    pub(super) fn gradient => gradient_body(conv: Conv, du: &[f32], start: usize, taps: &mut [&mut [f32]])
}

#[inline(always)]
fn gradient_body<S: Simd>(s: S, conv: Conv, du: &[f32], start: usize, taps: &mut [&mut [f32]]) {
    with_transform!(conv.algorithm(), gradient_by(s, conv, du, start, taps));
}

#[inline(always)]
fn gradient_by<S, T, const N: usize, const M: usize, const R: usize>(
    s: S,
    conv: Conv,
    du: &[f32],
    start: usize,
    taps: &mut [&mut [f32]],
) where
    S: Simd,
    T: Transform<N, M, R>,
{
    let (row, point) = (Tiles::new(&conv, 1).output_row, gradient_point(&conv));
    let inputs = taps[0].len() / conv.outputs;
    assert!(du.len() == N * N * point && taps.len() == R * R && start + inputs <= conv.inputs);
    assert!(taps.iter().all(|tap| tap.len() == inputs * conv.outputs));
    for input in 0..inputs {
        for first in (0..conv.outputs).step_by(LANES) {
            let lanes = (conv.outputs - first).min(LANES);
            let from = du.as_ptr().wrapping_add((start + input) * row + first);
            // SAFETY: du has a vector at [point][input][first] for each of the points, each tap `lanes` outputs from
            // `first` on.
            unsafe {
                let products = points::<N>(point).load(s, from);
                let of_taps = both_axes::<S, T::WeightsTransposed, N, R>(s, &products);
                for (tap, &gradient) in taps.iter_mut().zip(of_taps.as_flattened()) {
                    let to = tap.as_mut_ptr().wrapping_add(input * conv.outputs + first);
                    s.store_n(to, gradient, lanes);
                }
            }
        }
    }
}
