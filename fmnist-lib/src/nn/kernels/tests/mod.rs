//! Every kernel on every instruction set of this machine, against plain loops in f64.
#![allow(clippy::unwrap_used)]

mod conv;
mod conv_pool;
mod dense;
mod oracle;
mod small;

use super::{Dropout, Gradients, Isa, dropout_bits};

/// Dropout bits for `pixels` outputs of `channels` channels, a quarter dropped.
fn some_bits(pixels: usize, channels: usize) -> Vec<u16> {
    let mut kept = vec![0; pixels * channels.div_ceil(16)];
    dropout_bits(Isa::best(), [3; 32], 1, 0.25, &mut kept);
    kept
}

fn quarter(kept: &[u16]) -> Dropout<'_> {
    Dropout {
        kept,
        scale: 4.0 / 3.0,
    }
}

/// The bits of floats, for comparisons that must not round.
fn bits(x: &[f32]) -> Vec<u32> {
    x.iter().map(|x| x.to_bits()).collect()
}

fn all_bits(g: &Gradients) -> [Vec<u32>; 3] {
    [bits(&g.input), bits(&g.weights), bits(&g.bias)]
}

/// The errors of the gradients of input, weights and bias.
fn errors(found: &Gradients, expected: &(Vec<f64>, Vec<f64>, Vec<f64>)) -> [f64; 3] {
    [
        oracle::error(&found.input, &expected.0),
        oracle::error(&found.weights, &expected.1),
        oracle::error(&found.bias, &expected.2),
    ]
}

/// Asserts that `work` gives the same on one, two and five threads.
fn same_on_any_threads<T: PartialEq + Send>(work: impl Fn() -> T + Sync) {
    let on = |threads| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        pool.install(&work)
    };
    let one = on(1);
    for threads in [2, 5] {
        assert!(
            on(threads) == one,
            "{threads} threads give other bits than one"
        );
    }
}
