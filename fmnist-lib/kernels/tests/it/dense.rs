//! The dense layer.

use super::oracle::{activate, dense_gradients, dense_sums, error, numbers};
use super::{Case, MIXES, all_bits, bits, same_on_any_threads};
use fmnist_kernels::{Activation, Backward, Dense, Forward, Gradients, Isa};

/// Runs one shape forward and backward on the instruction sets, with every mix of ReLU and dropout.
fn check(isas: &[Isa], n: usize, inputs: usize, outputs: usize) {
    let layer = Dense { inputs, outputs };
    let x = numbers(n * inputs, 1, 1e-6);
    let (weights, bias) = (
        numbers(inputs * outputs, 2, 1e-6),
        numbers(outputs, 3, 1e-6),
    );
    let dy = numbers(n * outputs, 4, 1e-6);
    let case = Case {
        name: format!("{layer:?} {n} rows"),
        outputs,
        x: &x,
        weights: &weights,
        bias: &bias,
        dy: &dy,
        sums: &dense_sums(&x, &weights, &bias),
        gradients: &|g| dense_gradients(&x, &weights, outputs, g),
        forward: &|isa, operands, y| layer.forward(isa, operands, y),
        backward: &|isa, operands, g| layer.backward(isa, operands, g),
    };
    case.check(isas, MIXES);
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
        let operands = Forward {
            x: &x,
            weights: &weights,
            bias: &bias,
            activation: Activation::relu(None),
        };
        layer.forward(isa, operands, &mut y);
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
