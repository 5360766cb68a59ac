//! The dense layer.

use super::super::{Activation, Dense, Gradients, Isa};
use super::oracle::{activate, deactivate, dense_gradients, dense_sums, error, factors, numbers};
use super::{activations, all_bits, bits, check_passes, same_on_any_threads, some_bits};

/// Runs one shape forward and backward on the instruction sets, with every mix of ReLU and dropout.
fn check(isas: &[Isa], n: usize, inputs: usize, outputs: usize) {
    let layer = Dense { inputs, outputs };
    let x = numbers(n * inputs, 1, 1e-6);
    let (weights, bias) = (
        numbers(inputs * outputs, 2, 1e-6),
        numbers(outputs, 3, 1e-6),
    );
    let dy = numbers(n * outputs, 4, 1e-6);
    let kept = some_bits(n, outputs);
    let factors = factors(&kept, n, outputs, 4.0 / 3.0);
    let sums = dense_sums(&x, &weights, &bias);
    for (activation, factors) in activations(&kept, &factors) {
        let (relu, dropped) = (activation.relu, factors.is_some());
        let y_expected = activate(&sums, relu, factors);
        let g = deactivate(&sums, &dy, relu, factors);
        let expected = dense_gradients(&x, &weights, outputs, &g);
        let y_exact: Vec<f32> = y_expected.iter().map(|&y| y as f32).collect();
        for &isa in isas {
            let case = format!("{} {layer:?} {n} rows, {relu} {dropped}", isa.name());
            check_passes(
                &case,
                |y| layer.forward(isa, &x, &weights, &bias, activation, y),
                |input, g| layer.backward(isa, &x, &weights, &y_exact, &dy, activation, input, g),
                &y_expected,
                &expected,
            );
        }
    }
}

#[test]
fn agrees_with_plain_loops_on_odd_shapes() {
    let shapes = [
        (1, 1, 1),
        (3, 5408, 32),
        (65, 7, 64),
        (7, 128, 10),
        (130, 97, 128),
        (2, 1100, 150),
    ];
    for (n, inputs, outputs) in shapes {
        check(&Isa::available(), n, inputs, outputs);
    }
}

#[test]
fn agrees_on_long_batches() {
    check(&[Isa::best()], 384, 300, 32);
    check(&[Isa::best()], 1300, 33, 10);
}

#[test]
fn a_nan_spoils_its_row_alone() {
    let layer = Dense {
        inputs: 40,
        outputs: 20,
    };
    let mut x = numbers(80, 1, 1e-6);
    x[17] = f32::NAN;
    let (weights, bias) = (numbers(800, 2, 1e-6), numbers(20, 3, 1e-6));
    let expected = activate(&dense_sums(&x, &weights, &bias), true, None);
    for isa in Isa::available() {
        let mut y = vec![];
        layer.forward(isa, &x, &weights, &bias, Activation::relu(None), &mut y);
        assert!(y[..20].iter().all(|y| y.is_nan()) && error(&y, &expected) < 1e-5);
    }
}

#[test]
fn bits_do_not_depend_on_threads() {
    let layer = Dense {
        inputs: 1000,
        outputs: 32,
    };
    let (x, weights) = (numbers(200_000, 1, 1e-6), numbers(32_000, 2, 1e-6));
    let dy = numbers(6400, 3, 1e-6);
    let relu = Activation::relu(None);
    same_on_any_threads(|| {
        let (isa, mut y) = (Isa::best(), vec![]);
        layer.forward(isa, &x, &weights, &[0.1; 32], relu, &mut y);
        let mut g = Gradients::default();
        layer.backward(isa, &x, &weights, &y, &dy, relu, true, &mut g);
        (bits(&y), all_bits(&g))
    });
}
