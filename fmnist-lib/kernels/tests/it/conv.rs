//! The Winograd convolution.

use super::oracle::{self, activate, numbers};
use super::{Case, MIXES, all_bits, bits, same_on_any_threads};
use fmnist_kernels::{Activation, Backward, Conv, Forward, Gradients, Isa};

/// Runs one shape forward and backward on all instruction sets, with every mix of ReLU and dropout.
fn check(isas: &[Isa], plain: oracle::Conv) {
    let oracle::Conv {
        n,
        h,
        w,
        ci,
        co,
        padding,
        window,
    } = plain;
    let layer = Conv {
        window,
        height: h,
        width: w,
        inputs: ci,
        outputs: co,
        padding,
    };
    let x = numbers(n * h * w * ci, 1, 1e-6);
    let (weights, bias) = (
        numbers(window * window * ci * co, 2, 1e-6),
        numbers(co, 3, 1e-6),
    );
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
    for plain in shapes(&[
        (3, 13, 13, 32, 64, 0, 3),
        (1, 11, 11, 64, 128, 0, 3),
        (2, 3, 3, 16, 16, 0, 3),
        (1, 4, 5, 1, 1, 0, 3),
        (2, 5, 8, 17, 33, 0, 3),
        (9, 6, 4, 3, 70, 0, 3),
        (1, 9, 10, 80, 144, 0, 3),
        (2, 12, 12, 32, 32, 1, 3),
        (9, 7, 5, 17, 33, 1, 3),
        (3, 1, 2, 3, 4, 1, 3),
        (2, 4, 3, 16, 16, 2, 3),
        // Tiles of four.
        (2, 4, 4, 17, 33, 1, 3),
        (34, 6, 6, 3, 20, 0, 3),
        (1, 28, 28, 6, 7, 1, 3),
        (1, 8, 7, 40, 16, 1, 3),
        (2, 14, 14, 32, 17, 2, 5),
        (1, 6, 7, 64, 64, 0, 5),
        (9, 9, 14, 3, 70, 0, 5),
        (2, 3, 4, 17, 5, 2, 5),
        (34, 7, 5, 6, 16, 1, 5),
    ]) {
        check(&Isa::available(), plain);
    }
}

#[test]
fn agrees_with_plain_loops_on_many_channels() {
    for plain in shapes(&[
        (3, 4, 4, 130, 135, 1, 3),
        (2, 3, 3, 150, 145, 0, 3),
        (300, 4, 4, 150, 100, 1, 3),
        (5, 6, 5, 100, 97, 2, 5),
    ]) {
        check(&Isa::available(), plain);
    }
}

fn shapes(
    of: &[(usize, usize, usize, usize, usize, usize, usize)],
) -> impl Iterator<Item = oracle::Conv> {
    of.iter()
        .map(|&(n, h, w, ci, co, padding, window)| oracle::Conv {
            n,
            h,
            w,
            ci,
            co,
            padding,
            window,
        })
}

#[test]
fn agrees_on_the_last_batch_of_an_epoch() {
    for plain in shapes(&[(384, 7, 7, 16, 32, 0, 3), (384, 4, 4, 16, 32, 1, 3)]) {
        check(&[Isa::best()], plain);
    }
}

#[test]
fn a_nan_reaches_all_outputs_that_see_it_and_no_other_tile() {
    let layer = Conv {
        window: 3,
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
        window: 3,
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
    for (n, side, channels, outputs) in [(100, 8, 16, 32), (50, 4, 130, 135)] {
        let layer = Conv {
            window: 3,
            height: side,
            width: side,
            inputs: channels,
            outputs,
            padding: 1,
        };
        let x = numbers(n * layer.input_len(), 1, 1e-6);
        let weights = numbers(layer.weights_len(), 2, 1e-6);
        let dy = numbers(n * layer.output_len(), 3, 1e-6);
        let activation = Activation::relu(None);
        same_on_any_threads(|| {
            let (isa, mut y) = (Isa::best(), vec![]);
            let operands = Forward {
                x: &x,
                weights: &weights,
                bias: &vec![0.1; outputs],
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
}
