//! A convolution with windows of any size, strides and padding, as a matrix product.
//!
//! The pixels of some windows are copied side by side, as many as fit a first- or second-level cache, and
//! multiplied with the weights there: the matrix of all windows, many times the size of the images, never
//! exists in memory.

use crate::dense::{self, Dense};
use crate::gemm::{PANEL, Panels, Product, row_stride};
use crate::operands::{Backward, Forward};
use crate::output::{Gradients, as_uninit, refill};
use crate::simd::{Isa, Simd, kernel};
use crate::windows::Windows;
use crate::{check_len, check_sides, images_per_task, scratch, sum_in_order};
use rayon::prelude::*;
use std::mem::MaybeUninit;
use std::ops::Range;

/// A convolution; batches are `[n][height][width][channels]` and `[n][rows][columns][outputs]`, weights
/// `[window rows][window columns][channels][outputs]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowConv {
    /// What it slides over.
    pub windows: Windows,
    /// Filters.
    pub outputs: usize,
}

/// Floats of windows that are copied at a time.
const COPIED: usize = 1 << 15;

impl WindowConv {
    /// Floats of an image of the output.
    pub fn output_len(&self) -> usize {
        self.windows.count() * self.outputs
    }

    /// Floats of the weights.
    pub fn weights_len(&self) -> usize {
        self.windows.values() * self.outputs
    }

    /// The product of the copied windows and the weights.
    pub(crate) fn product(&self) -> Dense {
        Dense {
            inputs: self.windows.values(),
            outputs: self.outputs,
        }
    }

    /// The windows of an image, some at a time.
    pub(crate) fn blocks(&self) -> impl Iterator<Item = Range<usize>> {
        let count = self.windows.count();
        let rows = (COPIED / self.windows.values()).clamp(8, 128);
        (0..count)
            .step_by(rows)
            .map(move |first| first..(first + rows).min(count))
    }

    /// Floats that hold the windows of a block.
    pub(crate) fn block_len(&self) -> usize {
        self.blocks().next().map_or(0, |block| block.len()) * self.windows.values()
    }

    /// Asserts that there is such a thing.
    pub(crate) fn check_sides(&self, what: &str) {
        self.windows.check(what);
        check_sides(what, 1, &[self.outputs, self.windows.values()]);
    }

    fn check(&self, what: &str, x: &[f32], weights: &[f32]) -> usize {
        self.check_sides(what);
        let n = x.len() / self.windows.input_len();
        check_len(what, "x", x.len(), n * self.windows.input_len());
        check_len(what, "weights", weights.len(), self.weights_len());
        n
    }

    /// `y = activation(conv(x, weights) + bias)`.
    ///
    /// # Panics
    /// When a slice has the wrong length or no window fits.
    pub fn forward(&self, isa: Isa, operands: Forward<'_>, y: &mut Vec<f32>) {
        let what = "WindowConv::forward";
        let Forward {
            x,
            weights,
            bias,
            activation,
        } = operands;
        let n = self.check(what, x, weights);
        let pixels = self.windows.count();
        operands.check(what, n * pixels, self.outputs);
        let panels = Panels::new(self.windows.values(), self.outputs);
        let fill = |y: &mut [MaybeUninit<f32>]| {
            scratch::with(panels.len, |packed| {
                dense::pack::as_is(weights, self.outputs, panels, packed);
                let packed = &*packed;
                let images = x.par_chunks(self.windows.input_len());
                let tasks = images.zip(y.par_chunks_mut(self.output_len())).enumerate();
                tasks.for_each(|(image, (x, y))| {
                    let of_image = activation.pixels(image * pixels, pixels, self.outputs);
                    scratch::with(self.block_len(), |rows| {
                        for block in self.blocks() {
                            let rows = &mut rows[..block.len() * self.windows.values()];
                            self.windows.gather(x, block.clone(), rows);
                            let operands = Forward {
                                x: rows,
                                weights: packed,
                                bias,
                                activation: of_image.pixels(block.start, block.len(), self.outputs),
                            };
                            let y = &mut y[block.start * self.outputs..block.end * self.outputs];
                            dense::forward::rows(isa, self.product(), operands, panels, y);
                        }
                    });
                });
            });
        };
        // SAFETY: all outputs of all windows of all images are written.
        unsafe { refill(y, n * self.output_len(), fill) };
    }

    /// The gradients of the weights, the bias and, where it is asked for, the input.
    ///
    /// # Panics
    /// When a slice has the wrong length or no window fits.
    pub fn backward(&self, isa: Isa, operands: Backward<'_>, gradients: &mut Gradients) {
        let what = "WindowConv::backward";
        let Backward {
            x,
            weights,
            y,
            dy,
            activation,
            wants_input,
        } = operands;
        let n = self.check(what, x, weights);
        let pixels = self.windows.count();
        operands.check(what, n * pixels, self.outputs);
        let (input, output) = (self.windows.input_len(), self.output_len());
        let dx = &mut gradients.input;
        dx.clear();
        dx.resize(if wants_input { x.len() } else { 0 }, 0.0);
        let panels = Panels::new(self.outputs, self.windows.values());
        let images = images_per_task(n);
        let mut parts: Vec<&mut [f32]> = dx.chunks_mut(images * input).collect();
        parts.resize_with(n.div_ceil(images), Default::default);
        let mut partial = Vec::new();
        scratch::with(panels.len, |packed| {
            if wants_input {
                dense::pack::transposed(weights, self.outputs, panels, packed);
            }
            let packed = &*packed;
            let task = |(task, dx): (usize, &mut [f32])| {
                // The weights, then the bias.
                let mut sums = vec![0.0; self.weights_len() + self.outputs];
                let mut dx = dx.chunks_exact_mut(input);
                for image in task * images..((task + 1) * images).min(n) {
                    let of_image = Backward {
                        x: &x[image * input..][..input],
                        weights: packed,
                        y: &y[image * output..][..output],
                        dy: &dy[image * output..][..output],
                        activation: activation.pixels(image * pixels, pixels, self.outputs),
                        wants_input,
                    };
                    self.image(isa, of_image, &mut sums, dx.next().unwrap_or_default());
                }
                sums
            };
            partial = parts.into_par_iter().enumerate().map(task).collect();
        });
        let mut total = vec![0.0; self.weights_len() + self.outputs];
        sum_in_order(&partial, &mut total);
        gradients.bias = total.split_off(self.weights_len());
        gradients.weights = total;
    }

    /// Adds what an image says of weights and bias to `sums`, and of its pixels to `dx`. Its weights are
    /// stored transposed, in panels.
    fn image(&self, isa: Isa, image: Backward<'_>, sums: &mut [f32], dx: &mut [f32]) {
        let (product, stride) = (self.product(), row_stride(self.outputs));
        let (of_weights, of_bias) = sums.split_at_mut(self.weights_len());
        let most = self.block_len() / product.inputs;
        scratch::with(self.block_len(), |rows| {
            scratch::with(most * stride, |of_sums| {
                for block in self.blocks() {
                    let rows = &mut rows[..block.len() * product.inputs];
                    let of_sums = &mut of_sums[..block.len() * stride];
                    let outputs = block.start * self.outputs..block.end * self.outputs;
                    let of_block = Backward {
                        y: &image.y[outputs.clone()],
                        dy: &image.dy[outputs],
                        activation: image
                            .activation
                            .pixels(block.start, block.len(), self.outputs),
                        ..image
                    };
                    dense::backward::sums(isa, product, of_block, of_sums);
                    for row in of_sums.chunks_exact(stride) {
                        of_bias
                            .iter_mut()
                            .zip(row)
                            .for_each(|(sum, of_sum)| *sum += of_sum);
                    }
                    self.windows.gather(image.x, block.clone(), rows);
                    add_weights(isa, product, rows, of_sums, of_weights);
                    if image.wants_input {
                        let of_rows = as_uninit(rows);
                        dense::backward::input(isa, product, of_sums, image.weights, of_rows);
                        self.windows.scatter(rows, block, dx);
                    }
                }
            });
        });
    }
}

kernel! {
    /// `dw += xᵀ sums`, for some rows of `x` and of `sums`, the latter of `row_stride(outputs)`.
    fn add_weights => add_weights_body(layer: Dense, x: &[f32], sums: &[f32], dw: &mut [f32])
}

#[inline(always)]
fn add_weights_body<S: Simd>(s: S, layer: Dense, x: &[f32], sums: &[f32], dw: &mut [f32]) {
    let Dense { inputs, outputs } = layer;
    let (rows, stride) = (x.len() / inputs, row_stride(outputs));
    assert!(
        x.len() == rows * inputs && sums.len() == rows * stride && dw.len() == inputs * outputs
    );
    let product = Product {
        m: inputs,
        k: rows,
        n: outputs,
        a: x.as_ptr(),
        a_row: 1,
        a_step: inputs,
        b: sums.as_ptr(),
        b_row: stride,
        b_panel: PANEL,
        c: dw.as_mut_ptr(),
        c_row: outputs,
        accumulate: true,
    };
    // SAFETY: A is all of x read along its columns, B the rows of sums, which hold whole vectors, C is
    // dw; the lengths were checked above.
    unsafe { product.run(s) };
}
