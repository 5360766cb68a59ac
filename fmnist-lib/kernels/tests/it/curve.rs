//! Activation functions against their definitions in f64.

use fmnist_kernels::{Curve, Isa, sum};
use std::f64::consts::{PI, SQRT_2};

/// Φ, by Simpson's rule.
fn normal(x: f64) -> f64 {
    let density = |t: f64| (-0.5 * t * t).exp() / (2.0 * PI).sqrt();
    let steps = 400;
    let width = x / f64::from(steps);
    let weight = |at: i32| match at {
        0 => 1.0,
        _ if at == steps => 1.0,
        _ => f64::from(2 + 2 * (at % 2)),
    };
    let sum: f64 = (0..=steps)
        .map(|at| weight(at) * density(f64::from(at) * width))
        .sum();
    0.5 + sum * width / 3.0
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// Value and slope at `x`.
fn definition(curve: Curve, x: f64) -> [f64; 2] {
    const SCALE: f64 = 1.050_700_987_355_480_5;
    const ALPHA: f64 = 1.673_263_242_354_377_2;
    match curve {
        Curve::Relu => [x.max(0.0), f64::from(x > 0.0)],
        Curve::LeakyRelu(slope) if x <= 0.0 => [x * f64::from(slope), slope.into()],
        Curve::LeakyRelu(_) => [x, 1.0],
        Curve::Elu if x <= 0.0 => [x.exp_m1(), x.exp()],
        Curve::Elu => [x, 1.0],
        Curve::Selu if x <= 0.0 => [x.exp_m1(), x.exp()].map(|y| SCALE * ALPHA * y),
        Curve::Selu => [SCALE * x, SCALE],
        Curve::Gelu => {
            let density = (-0.5 * x * x).exp() / (SQRT_2 * PI.sqrt());
            [x * normal(x), normal(x) + x * density]
        }
        Curve::Silu => {
            let s = sigmoid(x);
            [x * s, s + x * s * (1.0 - s)]
        }
        Curve::Sigmoid => [sigmoid(x), sigmoid(x) * (1.0 - sigmoid(x))],
        Curve::Tanh => [x.tanh(), 1.0 - x.tanh() * x.tanh()],
    }
}

const ALL: [Curve; 9] = [
    Curve::Relu,
    Curve::LeakyRelu(0.3),
    Curve::LeakyRelu(-0.5),
    Curve::Elu,
    Curve::Selu,
    Curve::Gelu,
    Curve::Silu,
    Curve::Sigmoid,
    Curve::Tanh,
];

#[test]
fn values_and_slopes_agree_with_their_definitions() {
    // From -100 to 100, dense around 0; no multiple of 16 of them.
    let x: Vec<f32> = (-5000..=5000)
        .map(|at| (at as f32 / 5000.0).powi(3) * 100.0)
        .collect();
    for curve in ALL {
        for isa in Isa::available() {
            let mut y = x.clone();
            curve.apply(isa, &mut y);
            let mut elsewhere = vec![];
            curve.forward(isa, &x, &mut elsewhere);
            assert_eq!(y, elsewhere);
            let mut dx = vec![2.0; x.len()];
            curve.backward(isa, &x, &y, &mut dx);
            for ((&x, y), dx) in x.iter().zip(y).zip(dx) {
                let [value, slope] = definition(curve, x.into());
                // A tail is the difference of numbers near 1.
                let near = |found: f32, wanted: f64, scale: f64| {
                    (f64::from(found) - wanted).abs() <= 4e-7 * wanted.abs().max(scale)
                };
                let of_value = f64::from(x.abs()).max(1e-3);
                assert!(
                    near(y, value, of_value) && near(dx / 2.0, slope, of_value.max(1.0)),
                    "{}, {curve:?}({x}): {y} and {}, not {value} and {slope}",
                    isa.name(),
                    dx / 2.0
                );
            }
        }
    }
}

#[test]
fn a_nan_stays_one_and_infinities_have_their_limits() {
    for (curve, limits) in [
        (Curve::Relu, [0.0, f32::INFINITY]),
        (Curve::Elu, [-1.0, f32::INFINITY]),
        (Curve::Sigmoid, [0.0, 1.0]),
        (Curve::Tanh, [-1.0, 1.0]),
        (Curve::Silu, [0.0, f32::INFINITY]),
    ] {
        for isa in Isa::available() {
            let mut y = [f32::NEG_INFINITY, f32::INFINITY];
            curve.apply(isa, &mut y);
            let near = y
                .iter()
                .zip(limits)
                .all(|(y, limit)| *y == limit || (y - limit).abs() < 1e-35);
            assert!(near, "{}, {curve:?}: {y:?}", isa.name());
        }
    }
    for (curve, isa) in ALL
        .into_iter()
        .flat_map(|curve| Isa::available().into_iter().map(move |isa| (curve, isa)))
    {
        let mut y = [f32::NAN, 1.0];
        curve.apply(isa, &mut y);
        assert!(
            y[0].is_nan() && !y[1].is_nan(),
            "{}, {curve:?}: {y:?}",
            isa.name()
        );
    }
}

#[test]
fn sums_may_end_with_a_relu() {
    let (x, more) = ([1.0, -3.0, f32::NAN, 0.0], [-0.5, 1.0, 1.0, -0.0]);
    let mut y = vec![];
    sum(&[&x, &more, &more], true, &mut y);
    assert_eq!(y[..2], [0.0, 0.0]);
    assert!(y[2].is_nan() && y[3] == 0.0);
    sum(&[&x, &more], false, &mut y);
    assert_eq!(y[..2], [0.5, -2.0]);
}
