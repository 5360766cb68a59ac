//! The weights to their 25 points, for either direction, and their gradient back.

use super::Conv;
use super::tiles::Tiles;
use super::transform::{INPUT, OUTPUT, POINTS, Weights, WeightsTransposed, both_axes};
use super::window::{Window, points};
use crate::gemm::Panels;
use crate::simd::{LANES, Simd, kernel};

/// Of one point's matrix for the forward pass, inputs x outputs.
pub(super) fn forward_panels(conv: &Conv) -> Panels {
    Panels::new(conv.inputs, conv.outputs)
}

/// Of one point's matrix for the backward pass, outputs x inputs.
pub(super) fn backward_panels(conv: &Conv) -> Panels {
    Panels::new(conv.outputs, conv.inputs)
}

kernel! {
    /// Transforms the weights for the forward pass.
    pub(super) fn forward => forward_body(conv: Conv, weights: &[f32], u: &mut [f32])
}

#[inline(always)]
fn forward_body<S: Simd>(s: S, conv: Conv, weights: &[f32], u: &mut [f32]) {
    let panels = forward_panels(&conv);
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
    /// Transforms the weights for the backward pass.
    pub(super) fn backward => backward_body(conv: Conv, weights: &[f32], u: &mut [f32])
}

#[inline(always)]
fn backward_body<S: Simd>(s: S, conv: Conv, weights: &[f32], u: &mut [f32]) {
    let panels = backward_panels(&conv);
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

kernel! {
    /// Transforms the gradient of the transformed weights back.
    pub(super) fn gradient => gradient_body(conv: Conv, du: &[f32], dweights: &mut [f32])
}

#[inline(always)]
fn gradient_body<S: Simd>(s: S, conv: Conv, du: &[f32], dweights: &mut [f32]) {
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
