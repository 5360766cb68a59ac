//! The dense layer: three matrix products with the activation and its gradient around them.

use super::activation::Activation;
use super::gemm::{Panels, Product, row_stride};
use super::simd::{Isa, LANES, Simd, kernel};
use super::{check_len, scratch};
use rayon::prelude::*;

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
const DEPTH: usize = 512;

impl Dense {
    /// `y = activation(x weights + bias)`.
    ///
    /// # Panics
    /// When a slice has the wrong length.
    #[allow(clippy::too_many_arguments)]
    pub fn forward(
        &self,
        isa: Isa,
        x: &[f32],
        weights: &[f32],
        bias: &[f32],
        activation: Activation<'_>,
        y: &mut [f32],
    ) {
        let what = "Dense::forward";
        let n = self.check(what, x, weights, y.len());
        check_len(what, "bias", bias.len(), self.outputs);
        activation.check(what, n, self.outputs);
        let rows = rows_per_task(n);
        let mut compute = |weights: &[f32], panels| {
            let parts = y.par_chunks_mut(rows * self.outputs);
            let tasks = x.par_chunks(rows * self.inputs).zip(parts).enumerate();
            tasks.for_each(|(i, (x, y))| {
                let activation = activation.pixels(i * rows, x.len() / self.inputs, self.outputs);
                forward_rows(isa, *self, x, weights, panels, bias, activation, y);
            });
        };
        if self.outputs.is_multiple_of(LANES) {
            compute(weights, Panels::row_major(self.inputs, self.outputs));
        } else {
            let panels = Panels::new(self.inputs, self.outputs);
            scratch::with(panels.len, |packed| {
                pack(weights, self.outputs, panels, packed);
                compute(packed, panels);
            });
        }
    }

    /// The gradients of the weights, the bias and, where asked for, the input, from the gradient
    /// `dy` of the output `y`; `activation` is that of the forward pass.
    ///
    /// # Panics
    /// When a slice has the wrong length.
    #[allow(clippy::too_many_arguments)]
    pub fn backward(
        &self,
        isa: Isa,
        x: &[f32],
        weights: &[f32],
        y: &[f32],
        dy: &[f32],
        activation: Activation<'_>,
        dx: Option<&mut [f32]>,
        dweights: &mut [f32],
        dbias: &mut [f32],
    ) {
        let what = "Dense::backward";
        let n = self.check(what, x, weights, y.len());
        check_len(what, "dy", dy.len(), y.len());
        check_len(what, "dweights", dweights.len(), weights.len());
        check_len(what, "dbias", dbias.len(), self.outputs);
        activation.check(what, n, self.outputs);
        let stride = row_stride(self.outputs);
        scratch::with(n * stride, |sums| {
            sum_gradient(isa, *self, y, dy, activation, sums);
            dbias.fill(0.0);
            for row in sums.chunks_exact(stride) {
                dbias.iter_mut().zip(row).for_each(|(d, g)| *d += g);
            }
            let sums = &*sums;
            let tasks = dweights.par_chunks_mut(FEATURES * self.outputs).enumerate();
            tasks.for_each(|(i, dw)| {
                scratch::with(DEPTH * FEATURES, |columns| {
                    weight_gradient(isa, *self, i * FEATURES, x, sums, columns, dw);
                });
            });
            if let Some(dx) = dx {
                check_len(what, "dx", dx.len(), x.len());
                self.input_gradient(isa, weights, sums, dx);
            }
        });
    }

    fn input_gradient(&self, isa: Isa, weights: &[f32], sums: &[f32], dx: &mut [f32]) {
        let panels = Panels::new(self.outputs, self.inputs);
        scratch::with(panels.len, |packed| {
            pack_transposed(weights, self.outputs, panels, packed);
            let stride = row_stride(self.outputs);
            let rows = rows_per_task(sums.len() / stride);
            let parts = dx.par_chunks_mut(rows * self.inputs);
            let tasks = parts.zip(sums.par_chunks(rows * stride));
            tasks.for_each(|(dx, sums)| input_gradient_rows(isa, *self, sums, packed, dx));
        });
    }

    fn check(&self, what: &str, x: &[f32], weights: &[f32], y: usize) -> usize {
        assert!(
            self.inputs > 0 && self.outputs > 0,
            "{what}: a layer without numbers: {self:?}"
        );
        let n = x.len() / self.inputs;
        check_len(what, "x", x.len(), n * self.inputs);
        check_len(what, "weights", weights.len(), self.inputs * self.outputs);
        check_len(what, "y", y, n * self.outputs);
        n
    }
}

/// Small batches are cut finer, to occupy more threads; rows do not meet in a sum, so the cut does
/// not touch the result.
fn rows_per_task(n: usize) -> usize {
    (n / 8).clamp(8, ROWS)
}

/// Stores a row-major matrix of `columns` columns as panels.
fn pack(matrix: &[f32], columns: usize, panels: Panels, packed: &mut [f32]) {
    let rows = DEPTH.min(panels.panel / panels.row);
    for (p, panel) in packed.chunks_mut(panels.panel).enumerate() {
        let first = p * panels.row;
        let width = (columns - first).min(panels.row);
        let parts = panel
            .par_chunks_mut(rows * panels.row)
            .zip(matrix.par_chunks(rows * columns));
        parts.for_each(|(panel, matrix)| {
            for (to, from) in panel.chunks_mut(panels.row).zip(matrix.chunks(columns)) {
                to[..width].copy_from_slice(&from[first..first + width]);
                to[width..].fill(0.0);
            }
        });
    }
}

/// Stores the transpose of a row-major matrix of `columns` columns as panels.
fn pack_transposed(matrix: &[f32], columns: usize, panels: Panels, packed: &mut [f32]) {
    let parts = packed
        .par_chunks_mut(panels.panel)
        .zip(matrix.par_chunks(panels.row * columns));
    parts.for_each(|(panel, matrix)| {
        if matrix.len() < panels.row * columns {
            panel.fill(0.0);
        }
        for (j, from) in matrix.chunks_exact(columns).enumerate() {
            for (to, &x) in panel.chunks_exact_mut(panels.row).zip(from) {
                to[j] = x;
            }
        }
    });
}

kernel! {
    fn forward_rows => forward_body(
        layer: Dense, x: &[f32], weights: &[f32], panels: Panels, bias: &[f32],
        activation: Activation<'_>, y: &mut [f32],
    )
}

#[inline(always)]
fn forward_body<S: Simd>(
    s: S,
    layer: Dense,
    x: &[f32],
    weights: &[f32],
    panels: Panels,
    bias: &[f32],
    activation: Activation<'_>,
    y: &mut [f32],
) {
    let Dense { inputs, outputs } = layer;
    let rows = x.len() / inputs;
    assert!(weights.len() == panels.len && y.len() == rows * outputs && bias.len() == outputs);
    let mut first = 0;
    while first < inputs {
        let product = Product {
            m: rows,
            k: (inputs - first).min(DEPTH),
            n: outputs,
            a: x.as_ptr().wrapping_add(first),
            a_row: inputs,
            a_step: 1,
            b: weights.as_ptr().wrapping_add(first * panels.row),
            b_row: panels.row,
            b_panel: panels.panel,
            c: y.as_mut_ptr(),
            c_row: outputs,
            accumulate: first > 0,
        };
        // SAFETY: A is columns first..first + k of x, B the same rows of the weights, C is
        // y; the lengths were checked above.
        unsafe { product.run(s) };
        first += DEPTH;
    }
    let blocks = outputs.div_ceil(LANES);
    for row in 0..rows {
        for block in 0..blocks {
            let lanes = (outputs - block * LANES).min(LANES);
            let at = y.as_mut_ptr().wrapping_add(row * outputs + block * LANES);
            // SAFETY: `lanes` numbers of the row and of the bias exist from block * 16 on.
            unsafe {
                let bias = s.load_n(bias.as_ptr().wrapping_add(block * LANES), lanes);
                let sum = s.add(s.load_n(at, lanes), bias);
                s.store_n(at, activation.forward(s, sum, row * blocks + block), lanes);
            }
        }
    }
}

kernel! {
    fn sum_gradient => sum_gradient_body(
        layer: Dense, y: &[f32], dy: &[f32], activation: Activation<'_>, sums: &mut [f32],
    )
}

/// The gradient of the sums before the activation, in rows of `row_stride(outputs)`.
#[inline(always)]
fn sum_gradient_body<S: Simd>(
    s: S,
    layer: Dense,
    y: &[f32],
    dy: &[f32],
    activation: Activation<'_>,
    sums: &mut [f32],
) {
    let (outputs, stride) = (layer.outputs, row_stride(layer.outputs));
    let rows = y.len() / outputs;
    assert!(dy.len() == y.len() && sums.len() == rows * stride);
    let blocks = outputs.div_ceil(LANES);
    for row in 0..rows {
        for block in 0..blocks {
            let lanes = (outputs - block * LANES).min(LANES);
            let at = row * outputs + block * LANES;
            // SAFETY: `lanes` numbers of y and dy exist from `at` on, and 16 of sums, whose rows
            // are padded to whole blocks.
            unsafe {
                let y = s.load_n(y.as_ptr().wrapping_add(at), lanes);
                let dy = s.load_n(dy.as_ptr().wrapping_add(at), lanes);
                let sum = activation.backward(s, y, dy, row * blocks + block);
                s.store(
                    sums.as_mut_ptr().wrapping_add(row * stride + block * LANES),
                    sum,
                );
            }
        }
    }
}

kernel! {
    fn weight_gradient => weight_gradient_body(
        layer: Dense, first: usize, x: &[f32], sums: &[f32], columns: &mut [f32], dw: &mut [f32],
    )
}

/// Rows `first..` of the gradient of the weights, as many as `dw` holds; `columns` is working
/// memory.
#[inline(always)]
fn weight_gradient_body<S: Simd>(
    s: S,
    layer: Dense,
    first: usize,
    x: &[f32],
    sums: &[f32],
    columns: &mut [f32],
    dw: &mut [f32],
) {
    let Dense { inputs, outputs } = layer;
    let stride = row_stride(outputs);
    let (n, features) = (x.len() / inputs, dw.len() / outputs);
    assert!(first + features <= inputs && features <= FEATURES);
    assert!(sums.len() == n * stride && columns.len() == DEPTH * FEATURES);
    dw.fill(0.0);
    // The features' columns of x lie a row of x apart: copied side by side, they are read from
    // the cache instead of one page each.
    for (part, x) in x.chunks(DEPTH * inputs).enumerate() {
        let k = x.len() / inputs;
        for (to, from) in columns
            .chunks_exact_mut(FEATURES)
            .zip(x.chunks_exact(inputs))
        {
            to[..features].copy_from_slice(&from[first..first + features]);
        }
        let product = Product {
            m: features,
            k,
            n: outputs,
            a: columns.as_ptr(),
            a_row: 1,
            a_step: FEATURES,
            b: sums.as_ptr().wrapping_add(part * DEPTH * stride),
            b_row: stride,
            b_panel: super::gemm::PANEL,
            c: dw.as_mut_ptr(),
            c_row: outputs,
            accumulate: true,
        };
        // SAFETY: A is `features <= FEATURES` columns of `k` rows, B the same k rows of sums,
        // whose rows hold whole blocks, C is dw.
        unsafe { product.run(s) };
    }
}

kernel! {
    fn input_gradient_rows => input_gradient_body(
        layer: Dense, sums: &[f32], packed: &[f32], dx: &mut [f32],
    )
}

#[inline(always)]
fn input_gradient_body<S: Simd>(s: S, layer: Dense, sums: &[f32], packed: &[f32], dx: &mut [f32]) {
    let Dense { inputs, outputs } = layer;
    let panels = Panels::new(outputs, inputs);
    let rows = dx.len() / inputs;
    assert!(packed.len() == panels.len && sums.len() == rows * row_stride(outputs));
    let product = Product {
        m: rows,
        k: outputs,
        n: inputs,
        a: sums.as_ptr(),
        a_row: row_stride(outputs),
        a_step: 1,
        b: packed.as_ptr(),
        b_row: panels.row,
        b_panel: panels.panel,
        c: dx.as_mut_ptr(),
        c_row: inputs,
        accumulate: false,
    };
    // SAFETY: A is `rows` rows of sums, B the packed weights, C is dx, as checked above.
    unsafe { product.run(s) };
}
