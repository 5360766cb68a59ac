//! The dense layer: three matrix products with the activation and its gradient around them.

pub(super) mod backward;
pub(super) mod forward;
pub(super) mod pack;

use super::gemm::{Panels, row_stride};
use super::operands::{Backward, Forward};
use super::output::{Gradients, refill};
use super::simd::{Isa, LANES};
use super::{check_len, check_sides, scratch};
use rayon::prelude::*;
use std::mem::MaybeUninit;

/// A dense layer; its batches are `[n][inputs]` and `[n][outputs]`, its weights
/// `[inputs][outputs]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dense {
    /// Numbers going in.
    pub inputs: usize,
    /// Numbers coming out.
    pub outputs: usize,
}

/// Rows of a batch per parallel task, at most.
const ROWS: usize = 64;
/// Rows of the weights whose gradient a parallel task computes.
const FEATURES: usize = 96;
/// Terms of a sum taken at a time, so that a block of the right-hand matrix stays in the cache.
pub(crate) const DEPTH: usize = 256;

impl Dense {
    /// `y = activation(x weights + bias)`.
    ///
    /// # Panics
    /// When a slice has the wrong length.
    pub fn forward(&self, isa: Isa, operands: Forward<'_>, y: &mut Vec<f32>) {
        let what = "Dense::forward";
        let Forward {
            x,
            weights,
            bias,
            activation,
        } = operands;
        let n = self.check(what, x, weights);
        operands.check(what, n, self.outputs);
        let rows = rows_per_task(n);
        let compute = |weights: &[f32], panels, y: &mut [MaybeUninit<f32>]| {
            let parts = y.par_chunks_mut(rows * self.outputs);
            let tasks = x.par_chunks(rows * self.inputs).zip(parts).enumerate();
            tasks.for_each(|(i, (x, y))| {
                let count = x.len() / self.inputs;
                let operands = Forward {
                    x,
                    weights,
                    bias,
                    activation: activation.pixels(i * rows, count, self.outputs),
                };
                forward::rows(isa, *self, operands, panels, y);
            });
        };
        let fill = |y: &mut [MaybeUninit<f32>]| {
            // Rows of a few vectors are read fast where they lie, those of one vector are not.
            if self.outputs.is_multiple_of(LANES) && isa.panel() > LANES {
                return compute(
                    weights,
                    Panels::row_major(isa.panel(), self.inputs, self.outputs),
                    y,
                );
            }
            let panels = Panels::new(isa.panel(), self.inputs, self.outputs);
            scratch::with(panels.len, |packed| {
                pack::as_is(weights, self.outputs, panels, packed);
                compute(packed, panels, y);
            });
        };
        // SAFETY: all outputs of all rows are written.
        unsafe { refill(y, n * self.outputs, fill) };
    }

    /// The gradients of the weights, the bias and, where it is asked for, the input.
    ///
    /// # Panics
    /// When a slice has the wrong length.
    pub fn backward(&self, isa: Isa, operands: Backward<'_>, gradients: &mut Gradients) {
        let what = "Dense::backward";
        let Backward { x, weights, .. } = operands;
        let n = self.check(what, x, weights);
        operands.check(what, n, self.outputs);
        let stride = row_stride(self.outputs);
        let Gradients {
            input,
            weights: dweights,
            bias,
        } = gradients;
        input.clear();
        bias.clear();
        bias.resize(self.outputs, 0.0);
        scratch::with(n * stride, |sums| {
            backward::sums(isa, *self, operands, sums);
            for row in sums.chunks_exact(stride) {
                bias.iter_mut().zip(row).for_each(|(d, g)| *d += g);
            }
            let sums = &*sums;
            let fill = |dw: &mut [MaybeUninit<f32>]| {
                let tasks = dw.par_chunks_mut(FEATURES * self.outputs).enumerate();
                tasks.for_each(|(i, dw)| {
                    scratch::with(DEPTH * FEATURES, |columns| {
                        backward::weights(isa, *self, i * FEATURES, x, sums, columns, dw);
                    });
                });
            };
            // SAFETY: each task writes all of its part.
            unsafe { refill(dweights, weights.len(), fill) };
            if operands.wants_input {
                let fill =
                    |dx: &mut [MaybeUninit<f32>]| self.input_gradient(isa, weights, sums, dx);
                // SAFETY: all inputs of all rows are written.
                unsafe { refill(input, x.len(), fill) };
            }
        });
    }

    fn input_gradient(&self, isa: Isa, weights: &[f32], sums: &[f32], dx: &mut [MaybeUninit<f32>]) {
        let panels = Panels::new(isa.panel(), self.outputs, self.inputs);
        scratch::with(panels.len, |packed| {
            pack::transposed(weights, self.outputs, panels, packed);
            let stride = row_stride(self.outputs);
            let rows = rows_per_task(sums.len() / stride);
            let parts = dx.par_chunks_mut(rows * self.inputs);
            let tasks = parts.zip(sums.par_chunks(rows * stride));
            tasks.for_each(|(dx, sums)| backward::input(isa, *self, sums, packed, dx));
        });
    }

    fn check(&self, what: &str, x: &[f32], weights: &[f32]) -> usize {
        check_sides(what, 1, &[self.inputs, self.outputs]);
        let n = x.len() / self.inputs;
        check_len(what, "x", x.len(), n * self.inputs);
        check_len(what, "weights", weights.len(), self.inputs * self.outputs);
        n
    }
}

/// Small batches are cut finer, to occupy more threads; rows do not meet in a sum, so the cut does
/// not touch the result.
fn rows_per_task(n: usize) -> usize {
    (n / 8).clamp(8, ROWS)
}
