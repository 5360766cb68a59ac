//! The weights to their points, for either direction, and their gradient back.

use super::Conv;
use super::tiles::Tiles;
use super::transform::{Transform, both_axes, with_transform};
use super::window::{Window, points};
use crate::gemm::Panels;
use crate::simd::{LANES, Simd, kernel};

/// Of one point's matrix for the forward pass, inputs x outputs.
pub(super) fn forward_panels(width: usize, conv: &Conv) -> Panels {
    Panels::new(width, conv.inputs, conv.outputs)
}

/// Of one point's matrix for the backward pass, outputs x inputs.
pub(super) fn backward_panels(width: usize, conv: &Conv) -> Panels {
    Panels::new(width, conv.outputs, conv.inputs)
}

kernel! {
    /// Transforms the weights for the forward pass.
    pub(super) fn forward => forward_body(conv: Conv, weights: &[f32], u: &mut [f32])
}

#[inline(always)]
fn forward_body<S: Simd>(s: S, conv: Conv, weights: &[f32], u: &mut [f32]) {
    with_transform!(conv.algorithm(), forward_by(s, conv, weights, u));
}

#[inline(always)]
fn forward_by<S, T, const N: usize, const M: usize, const R: usize>(
    s: S,
    conv: Conv,
    weights: &[f32],
    u: &mut [f32],
) where
    S: Simd,
    T: Transform<N, M, R>,
{
    let panels = forward_panels(S::PANEL, &conv);
    assert!(weights.len() == conv.weights_len() && u.len() == N * N * panels.len);
    for input in 0..conv.inputs {
        for first in (0..conv.outputs).step_by(LANES) {
            let window = Window::of_weights(&conv, first);
            let from = weights.as_ptr().wrapping_add(input * conv.outputs + first);
            let to = u.as_mut_ptr().wrapping_add(panels.at(input, first));
            // SAFETY: the weights of `lanes` outputs from `first` on exist, and one vector at
            // [input][first] of each of the panelled matrices.
            unsafe {
                let points_of = both_axes::<S, T::Weights, R, N>(s, &window.load(s, from));
                points::<N>(panels.len).store::<S, N, false>(s, to, &points_of);
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
    with_transform!(conv.algorithm(), backward_by(s, conv, weights, u));
}

#[inline(always)]
fn backward_by<S, T, const N: usize, const M: usize, const R: usize>(
    s: S,
    conv: Conv,
    weights: &[f32],
    u: &mut [f32],
) where
    S: Simd,
    T: Transform<N, M, R>,
{
    let panels = backward_panels(S::PANEL, &conv);
    assert!(weights.len() == conv.weights_len() && u.len() == N * N * panels.len);
    if !conv.inputs.is_multiple_of(LANES) {
        u.fill(0.0);
    }
    for input in 0..conv.inputs {
        for first in (0..conv.outputs).step_by(LANES) {
            let window = Window::of_weights(&conv, first);
            let from = weights.as_ptr().wrapping_add(input * conv.outputs + first);
            let mut out = [[[0.0; LANES]; N]; N];
            // SAFETY: the weights of `lanes` outputs from `first` on exist; `out` has a
            // vector for each point.
            unsafe {
                let points_of = both_axes::<S, T::Weights, R, N>(s, &window.load(s, from));
                points::<N>(LANES).store::<S, N, false>(s, out.as_mut_ptr().cast(), &points_of);
            }
            for (point, lane) in out.as_flattened().iter().enumerate() {
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
    with_transform!(conv.algorithm(), gradient_by(s, conv, du, dweights));
}

#[inline(always)]
fn gradient_by<S, T, const N: usize, const M: usize, const R: usize>(
    s: S,
    conv: Conv,
    du: &[f32],
    dweights: &mut [f32],
) where
    S: Simd,
    T: Transform<N, M, R>,
{
    let row = Tiles::new(&conv, 1).output_row;
    assert!(du.len() == N * N * conv.inputs * row && dweights.len() == conv.weights_len());
    for input in 0..conv.inputs {
        for first in (0..conv.outputs).step_by(LANES) {
            let window = Window::of_weights(&conv, first);
            let from = du.as_ptr().wrapping_add(input * row + first);
            let to = dweights
                .as_mut_ptr()
                .wrapping_add(input * conv.outputs + first);
            // SAFETY: du has a vector at [point][input][first] for each of the points, dweights
            // `lanes` outputs from `first` on for each of the taps.
            unsafe {
                let products = points::<N>(conv.inputs * row).load(s, from);
                let taps = both_axes::<S, T::WeightsTransposed, N, R>(s, &products);
                window.store::<S, R, false>(s, to, &taps);
            }
        }
    }
}
