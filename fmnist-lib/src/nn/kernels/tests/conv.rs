//! The Winograd convolution.

use super::super::{Activation, Conv, Gradients, Isa};
use super::oracle::{self, activate, deactivate, factors, numbers};
use super::{activations, all_bits, bits, check_passes, same_on_any_threads, some_bits};

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
    let pixels = plain.output_len() / co;
    let kept = some_bits(pixels, co);
    let factors = factors(&kept, pixels, co, 4.0 / 3.0);
    let sums = plain.sums(&x, &weights, &bias);
    for (activation, factors) in activations(&kept, &factors) {
        let (relu, dropped) = (activation.relu, factors.is_some());
        let y_expected = activate(&sums, relu, factors);
        let g = deactivate(&sums, &dy, relu, factors);
        let expected = plain.gradients(&x, &weights, &g);
        // The backward pass is given exact outputs, whose signs do not depend on rounding.
        let y_exact: Vec<f32> = y_expected.iter().map(|&y| y as f32).collect();
        for &isa in isas {
            let case = format!("{} {layer:?} {n} images, {relu} {dropped}", isa.name());
            check_passes(
                &case,
                |y| layer.forward(isa, &x, &weights, &bias, activation, y),
                |input, g| layer.backward(isa, &x, &weights, &y_exact, &dy, activation, input, g),
                &y_expected,
                &expected,
            );
        }
        if n > 100 {
            break;
        }
    }
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
        layer.forward(isa, &x, &weights, &bias, Activation::relu(None), &mut y);
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
    let relu = Activation::relu(None);
    same_on_any_threads(|| {
        let (isa, mut y) = (Isa::best(), vec![]);
        layer.forward(isa, &x, &weights, &[0.1; 32], relu, &mut y);
        let mut g = Gradients::default();
        layer.backward(isa, &x, &weights, &y, &dy, relu, true, &mut g);
        (bits(&y), all_bits(&g))
    });
}
