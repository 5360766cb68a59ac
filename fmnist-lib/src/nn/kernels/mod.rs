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

/// Images whose gradients one parallel task adds up. Fixed, so that the order of all sums, and with
/// it every bit of the result, is the same for any number of threads.
const TASK_IMAGES: usize = 32;

/// Adds the partial sums of the tasks to `total`, in the order of the tasks.
fn sum_in_order(partial: &[Vec<f32>], total: &mut [f32]) {
    for part in partial {
        total.iter_mut().zip(part).for_each(|(t, p)| *t += p);
    }
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
