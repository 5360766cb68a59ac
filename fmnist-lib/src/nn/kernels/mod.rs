//! CPU kernels.
// Register tiles are walked by index in step with pointers.
#![allow(clippy::needless_range_loop)]

mod activation;
mod adam;
mod conv1;
mod dense;
mod dropout;
mod gemm;
mod scratch;
mod simd;
mod winograd;

pub use activation::{Activation, Dropout};
pub use adam::{AdamSettings, adam_step};
pub use conv1::ConvPool;
pub use dense::Dense;
pub use dropout::dropout_bits;
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

/// Asserts the length of a slice, naming the function and the argument.
fn check_len(what: &str, name: &str, found: usize, expected: usize) {
    assert!(
        found == expected,
        "{what}: {name} has {found} elements, expected {expected}"
    );
}

#[cfg(test)]
mod tests;
