//! The Winograd convolution.

use super::oracle::{self, activate, numbers};
use super::{Case, MIXES, all_bits, bits, same_on_any_threads};
use fmnist_kernels::{Activation, Backward, Conv, Forward, Gradients, Isa};

/// Runs one shape forward and backward on all instruction sets, with every mix of ReLU and dropout.
fn check(isas: &[Isa], n: usize, h: usize, w: usize, ci: usize, co: usize, padding: usize) {
    let layer = Conv {
        height: h,
        width: w,
        inputs: ci,
        outputs: co,
        padding,
    };
    let plain = oracle::Conv {
        n,
        h,
        w,
        ci,
        co,
        padding,
    };
    let x = numbers(n * h * w * ci, 1, 1e-6);
    let (weights, bias) = (numbers(9 * ci * co, 2, 1e-6), numbers(co, 3, 1e-6));
    let dy = numbers(plain.output_len(), 4, 1e-6);
    let case = Case {
        name: format!("{layer:?} {n} images"),
        outputs: co,
        x: &x,
        weights: &weights,
        bias: &bias,
        dy: &dy,
        sums: &plain.sums(&x, &weights, &bias),
        gradients: &|g| plain.gradients(&x, &weights, g),
        forward: &|isa, operands, y| layer.forward(isa, operands, y),
        backward: &|isa, operands, g| layer.backward(isa, operands, g),
    };
    case.check(isas, if n > 100 { 1 } else { MIXES });
}

#[test]
fn agrees_with_plain_loops_on_odd_shapes() {
    let shapes = [
        (3, 13, 13, 32, 64, 0),
        (1, 11, 11, 64, 128, 0),
        (2, 3, 3, 16, 16, 0),
        (1, 4, 5, 1, 1, 0),
        (2, 5, 8, 17, 33, 0),
        (9, 6, 4, 3, 70, 0),
        (1, 9, 10, 80, 144, 0),
        (2, 12, 12, 32, 32, 1),
        (9, 7, 5, 17, 33, 1),
        (3, 1, 2, 3, 4, 1),
        (2, 4, 3, 16, 16, 2),
    ];
    for (n, h, w, ci, co, padding) in shapes {
        check(&Isa::available(), n, h, w, ci, co, padding);
    }
}

#[test]
fn agrees_on_the_last_batch_of_an_epoch() {
    check(&[Isa::best()], 384, 7, 7, 16, 32, 0);
}

#[test]
fn a_nan_reaches_all_outputs_that_see_it_and_no_other_tile() {
    let layer = Conv {
        height: 11,
        width: 11,
        inputs: 16,
        outputs: 16,
        padding: 0,
    };
    let plain = oracle::Conv {
        n: 2,
        h: 11,
        w: 11,
        ci: 16,
        co: 16,
        padding: 0,
    };
    let mut x = numbers(2 * 121 * 16, 1, 1e-6);
    x[(5 * 11 + 7) * 16 + 3] = f32::NAN;
    let (weights, bias) = (numbers(9 * 256, 2, 1e-6), numbers(16, 3, 1e-6));
    let expected = activate(&plain.sums(&x, &weights, &bias), true, None);
    for isa in Isa::available() {
        let mut y = vec![];
        let operands = Forward {
            x: &x,
            weights: &weights,
            bias: &bias,
            activation: Activation::relu(None),
        };
        layer.forward(isa, operands, &mut y);
        for (i, (&y, &e)) in y.iter().zip(&expected).enumerate() {
            let (row, column) = (i / 16 / 9 % 9, i / 16 % 9);
            let tile = (i / 16 / 81, row / 3, column / 3);
            if e.is_nan() {
                assert!(y.is_nan(), "{} swallowed the NaN at {tile:?}", isa.name());
            } else if !(tile.0 == 0 && (1..=2).contains(&tile.1) && (1..=2).contains(&tile.2)) {
                assert!(
                    (f64::from(y) - e).abs() < 1e-4,
                    "{} {tile:?}: {y} {e}",
                    isa.name()
                );
            }
        }
    }
}

#[test]
fn bits_do_not_depend_on_threads() {
    let layer = Conv {
        height: 8,
        width: 8,
        inputs: 16,
        outputs: 32,
        padding: 1,
    };
    let (x, weights) = (numbers(100 * 1024, 1, 1e-6), numbers(9 * 512, 2, 1e-6));
    let dy = numbers(100 * layer.output_len(), 3, 1e-6);
    let activation = Activation::relu(None);
    same_on_any_threads(|| {
        let (isa, mut y) = (Isa::best(), vec![]);
        let operands = Forward {
            x: &x,
            weights: &weights,
            bias: &[0.1; 32],
            activation,
        };
        layer.forward(isa, operands, &mut y);
        let mut g = Gradients::default();
        let operands = Backward {
            x: &x,
            weights: &weights,
            y: &y,
            dy: &dy,
            activation,
            wants_input: true,
        };
        layer.backward(isa, operands, &mut g);
        (bits(&y), all_bits(&g))
    });
}
