//! The training kernels of the three networks on a CPU, in f32.
//!
//! Plain functions over slices that know nothing of tensors or graphs: the layers above
//! wrap them. They are exact rewrites of the textbook layers, and `tests` holds each of them against
//! plain f64 loops.
//!
//! # Layout
//! Activations are `[image][row][column][channel]`, convolution weights `[3][3][in][out]`, dense
//! weights `[in][out]`, as in Keras; the flatten before the first dense layer is then no operation
//! at all. Channels come last because everything here works on vectors of 16 channels of one pixel
//! (`simd`): any image size then keeps all lanes busy, and the sums need no shuffling. Numbers of
//! channels that are no multiple of 16 are correct, with idle lanes.
//!
//! # One pass over memory for each layer
//! A kernel ends with what follows its sum: bias, ReLU, dropout (`activation`), and for the first
//! layer the pooling too (`conv_pool`): there the convolution's output, 26x26x32 numbers per image,
//! never exists. A backward kernel begins by undoing the same. The only thing kept for it, besides
//! inputs and outputs, is one byte per pooled value: the place of the maximum, or "dead". A ReLU's
//! output tells by its sign whether its gradient lives, after dropout as well.
//!
//! # Register tiles
//! All matrix products are one function (`gemm`). An AVX-512 core multiplies and adds one vector
//! per cycle, so the operands must come from registers: a tile of 6 rows x 4 vectors of the result
//! (12 x 2 for 32 columns) is summed in 24 registers over the whole depth, each step loading 4
//! vectors of one matrix and broadcasting 6 numbers of the other. AVX2 has half the registers, of
//! half the width, and takes 6 x 1. Transposed operands are read in place by their strides where
//! that is fast, or copied side by side where each number would cost a page of its own (`dense`).
//!
//! # Winograd
//! A 3x3 convolution as F(3x3, 3x3) (`winograd`) computes 3x3 outputs from 5x5 inputs with 25
//! multiplications per pair of channels instead of 81; its 25 products are matrix products over
//! channels. Tiles of three fit the 9x9 output of the third convolution exactly and the 11x11 of
//! the second with little waste; larger tiles would gain little more and cost digits (errors here
//! are near 2e-6 of the largest number). The gradients are the transposes of the same three linear
//! maps, so that all passes have the same cost, and the gradient of the weights and of the input
//! share one transformation. Eight images are transformed at a time: their tiles fill a second-level
//! cache, and the transformed weights are read once for all of them.
//!
//! # Threads
//! Batches are cut by images, never by threads, and partial sums are added in the order of the
//! images: the result has the same bits for any number of threads. It differs between instruction
//! sets, by rounding.
//!
//! # Notebooks
//! A notebook's kernel compiles its dependencies without optimisation flags for the CPU, with
//! overflow checks and debug assertions on. Therefore the instruction set is found at run time, and
//! inner loops are written so that nothing is left to check: pointers step by `wrapping_add`, small
//! loops are written out by `unroll!`, loads are masked by ones (`simd`).

// Register tiles are walked by index in step with pointers.
#![allow(clippy::needless_range_loop)]

mod activation;
mod adam;
mod batch_norm;
mod conv_pool;
mod dense;
mod dropout;
mod gemm;
mod max_pool;
mod output;
mod padding;
mod scratch;
mod simd;
mod winograd;

pub use activation::{Activation, Dropout};
pub use adam::{AdamSettings, adam_step};
pub use batch_norm::{BatchNorm, Moments};
pub use conv_pool::ConvPool;
pub use dense::Dense;
pub use dropout::dropout_bits;
pub use max_pool::MaxPool;
pub use output::Gradients;
pub use padding::Padding;
pub use simd::Isa;
pub use winograd::Conv;

use rayon::prelude::*;

/// Images whose gradients one parallel task adds up, in a batch of `n`: sixteen tasks or fewer. It
/// does not depend on the number of threads, so neither does the order of the sums, nor any bit of
/// the result.
fn images_per_task(n: usize) -> usize {
    n.div_ceil(16).max(4)
}

/// Adds the partial sums of the tasks to `total`, in the order of the tasks.
fn sum_in_order(partial: &[Vec<f32>], total: &mut [f32]) {
    const PIECE: usize = 4096;
    total
        .par_chunks_mut(PIECE)
        .enumerate()
        .for_each(|(i, total)| {
            for part in partial {
                total
                    .iter_mut()
                    .zip(&part[i * PIECE..])
                    .for_each(|(t, p)| *t += p);
            }
        });
}

/// Asserts that the sides of a shape can be multiplied without overflow: all pointer arithmetic rests
/// on such products.
fn check_sides(what: &str, least: usize, sides: &[usize]) {
    let fits = sides.iter().all(|side| (1..1 << 20).contains(side));
    let large = sides.iter().take(2).all(|&side| side >= least);
    assert!(
        fits && large,
        "{what}: cannot work on a shape of {sides:?} (needs {least} or more rows and columns, less than 2^20 of anything)"
    );
}

/// Asserts the length of a slice, naming the function and the argument.
fn check_len(what: &str, name: &str, found: usize, expected: usize) {
    assert!(
        found == expected,
        "{what}: {name} has {found} elements, expected {expected}"
    );
}

#[cfg(test)]
mod tests;
