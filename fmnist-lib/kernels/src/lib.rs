//! Layers of small convolutional networks on a CPU, forward and backward, in f32.
//!
//! Safe functions over slices that know nothing of tensors or graphs. Each is an exact rewrite of a
//! textbook layer, and `tests` holds it against plain loops in f64, on every instruction set.
//!
//! # What is here
//! | | |
//! |---|---|
//! | [`Conv`] | convolution by windows of 3x3 or 5x5, with or without zeros around the image |
//! | [`WindowConv`], [`Depthwise`], [`TransposedConv`] | convolutions with windows of any size; of each channel by itself; backwards |
//! | [`ConvPool`] | the same on images of one channel, ReLU and 2x2 max pooling in one pass |
//! | [`Dense`] | dense layer |
//! | [`BatchNorm`], [`LayerNorm`] | normalisation over a batch, over each pixel |
//! | [`MaxPool`], [`AveragePool`], [`Padding`] | pooling; zeros around images |
//! | [`Activation`], [`Dropout`], [`dropout_bits`] | what follows a layer's sums, and what dropout keeps |
//! | [`sum`], [`add`], [`concatenate`], [`split`] | where branches meet |
//! | [`Curve`] | all other activation functions |
//! | [`adam_step`] | a step of Adam |
//!
//! A value of a layer's type is its shape. The slices that a pass reads have names, as fields of a
//! struct; what it writes are vectors, which keep their memory from one batch to the next:
//!
//! ```
//! use fmnist_kernels::{Activation, Backward, Dense, Forward, Gradients, Isa};
//!
//! let (layer, isa) = (Dense { inputs: 2, outputs: 1 }, Isa::best());
//! let (x, weights, activation) = (&[1.0, 2.0], &[3.0, 4.0], Activation::relu(None));
//! let (mut y, mut gradients) = (Vec::new(), Gradients::default());
//! layer.forward(isa, Forward { x, weights, bias: &[0.5], activation }, &mut y);
//! assert_eq!(y, [11.5]);
//! let (dy, wants_input) = (&[1.0], true);
//! let operands = Backward { x, weights, y: &y, dy, activation, wants_input };
//! layer.backward(isa, operands, &mut gradients);
//! assert_eq!((&gradients.input[..], &gradients.weights[..]), (&[3.0, 4.0][..], &[1.0, 2.0][..]));
//! ```
//!
//! # Layout
//! Activations are `[image][row][column][channel]` (NHWC), convolution weights `[3][3][in][out]`,
//! dense weights `[in][out]`, as in Keras; the flatten before the first dense layer is then no
//! operation at all. Channels come last because everything here works on vectors of 16 channels of
//! one pixel (`simd`): any image size then keeps all lanes busy, and the sums need no shuffling.
//! Numbers of channels that are no multiple of 16 are correct, with idle lanes.
//!
//! # Instruction sets
//! An [`Isa`] is a token that only detection at run time hands out: AVX-512, AVX2, NEON or, on any
//! processor, portable code. Whoever has one may use its instructions. Each kernel is compiled for all
//! of them (`simd`), and no compiler flag is needed: a notebook can set none.
//!
//! # Same bits
//! Batches are cut by images, never by threads (rayon's), and partial sums are added in the order of
//! the images: the result has the same bits for any number of threads. It differs between instruction
//! sets, by rounding. Dropout's bits differ nowhere.
//!
//! # Panics
//! A slice of the wrong length and a shape that cannot work are mistakes of the caller: every function
//! panics, naming itself and the argument. NaN and infinity are values like others: forward, a NaN
//! stays one unless it is dropped, so that divergence is seen.
//!
//! # One pass over memory for each layer
//! A kernel ends with what follows its sum: bias, ReLU, dropout (`activation`), and for the first
//! layer the pooling too (`conv_pool`): there the convolution's output, 26x26x32 numbers per image,
//! never exists. A backward kernel begins by undoing the same. The only thing kept for it, besides
//! inputs and outputs, is one byte per pooled value: the place of the maximum, or "dead". A ReLU's
//! output tells by its sign whether its gradient lives, after dropout as well. Only a few curves
//! ([`Curve::needs_sums`]) need what was before them.
//!
//! # Unsafe code
//! Lengths are asserted once for each call, and inner loops then walk by pointers. A pointer is moved
//! by `wrapping_add`, which is safe: only what reads or writes through it needs a proof, and a window
//! of a padded image may begin before its slice.

mod activation;
mod adam;
mod batch_norm;
mod by_image;
mod conv_pool;
mod curve;
mod dense;
mod depthwise;
mod dropout;
mod gemm;
mod layer_norm;
mod merge;
mod operands;
mod output;
mod padding;
mod pool;
mod scratch;
mod simd;
mod transposed_conv;
mod window_conv;
mod windows;
mod winograd;

pub use activation::{Activation, Dropout};
pub use adam::{AdamOperands, AdamSettings, adam_step};
pub use batch_norm::{BatchNorm, BatchNormBackward, BatchNormForward, Moments};
pub use conv_pool::{ConvPool, ConvPoolBackward, ConvPoolForward};
pub use curve::Curve;
pub use dense::Dense;
pub use depthwise::Depthwise;
pub use dropout::dropout_bits;
pub use layer_norm::LayerNorm;
pub use merge::{add, concatenate, split, sum};
pub use operands::{Backward, Forward};
pub use output::Gradients;
pub use padding::Padding;
pub use pool::{AveragePool, MaxPool};
pub use simd::Isa;
pub use transposed_conv::TransposedConv;
pub use window_conv::WindowConv;
pub use windows::Windows;
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
