//! The dense layer.

use super::super::{Activation, Dense, Isa};
use super::oracle::{activate, deactivate, dense_gradients, dense_sums, error, factors, numbers};
use super::{bits, quarter, same_on_any_threads, some_bits};

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
    for (relu, dropped) in [(true, true), (false, true), (true, false), (false, false)] {
        let factors = dropped.then_some(&factors[..]);
        let activation = Activation {
            relu,
            dropout: dropped.then(|| quarter(&kept)),
        };
        let y_expected = activate(&sums, relu, factors);
        let g = deactivate(&sums, &dy, relu, factors);
        let expected = dense_gradients(&x, &weights, outputs, &g);
        let y_exact: Vec<f32> = y_expected.iter().map(|&y| y as f32).collect();
        for &isa in isas {
            let case = format!("{} {layer:?} {n} rows, {relu} {dropped}", isa.name());
            let mut y = vec![7.0; n * outputs];
            layer.forward(isa, &x, &weights, &bias, activation, &mut y);
            let e = error(&y, &y_expected);
            assert!(e < 1e-5, "{case}: y off by {e}");
            let (mut dx, mut dw) = (vec![7.0; x.len()], vec![7.0; weights.len()]);
            let mut db = vec![7.0; outputs];
            let out = (&mut dx[..], &mut dw[..], &mut db[..]);
            layer.backward(
                isa,
                &x,
                &weights,
                &y_exact,
                &dy,
                activation,
                Some(out.0),
                out.1,
                out.2,
            );
            let e = [
                error(&dx, &expected.0),
                error(&dw, &expected.1),
                error(&db, &expected.2),
            ];
            assert!(
                e.iter().all(|&e| e < 1e-5),
                "{case}: dx, dw, db off by {e:?}"
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
        let mut y = vec![0.0; 40];
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
        let (isa, mut y) = (Isa::best(), vec![0.0; dy.len()]);
        layer.forward(isa, &x, &weights, &[0.1; 32], relu, &mut y);
        let (mut dx, mut dw, mut db) = (vec![0.0; x.len()], vec![0.0; weights.len()], [0.0; 32]);
        layer.backward(
            isa,
            &x,
            &weights,
            &y,
            &dy,
            relu,
            Some(&mut dx),
            &mut dw,
            &mut db,
        );
        (bits(&y), bits(&dx), bits(&dw), bits(&db))
    });
}
