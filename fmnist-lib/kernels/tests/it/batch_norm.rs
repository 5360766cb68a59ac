//! Batch normalisation.

use super::oracle::{activate, deactivate, error, factors, numbers};
use super::{activations, all_bits, bits, same_on_any_threads, some_bits};
use fmnist_kernels::{
    Activation, BatchNorm, BatchNormBackward, BatchNormForward, Gradients, Isa, Moments,
};

const EPSILON: f32 = 1e-3;

/// Each channel's mean and variance, by their definition.
fn moments(x: &[f32], channels: usize) -> (Vec<f64>, Vec<f64>) {
    let count = (x.len() / channels) as f64;
    let of = |channel: usize, term: &dyn Fn(f64) -> f64| {
        let values = x.iter().skip(channel).step_by(channels);
        values.map(|&value| term(value.into())).sum::<f64>() / count
    };
    let mean: Vec<f64> = (0..channels).map(|c| of(c, &|x| x)).collect();
    let variance = (0..channels).map(|c| of(c, &|x| (x - mean[c]).powi(2)));
    (mean.clone(), variance.collect())
}

/// `pixels` of `channels` channels, whose means lie `apart` deviations from zero.
fn check(pixels: usize, channels: usize, apart: f32) {
    let layer = BatchNorm {
        channels,
        epsilon: EPSILON,
    };
    let spread = |(i, x): (usize, f32)| x * (1.0 + (i % channels) as f32) + apart;
    let x: Vec<f32> = (numbers(pixels * channels, 1, 1e-6).into_iter())
        .enumerate()
        .map(spread)
        .collect();
    let (gamma, beta) = (numbers(channels, 2, 1e-6), numbers(channels, 3, 1e-6));
    let dy = numbers(x.len(), 4, 1e-6);
    let (mean, variance) = moments(&x, channels);
    let count = pixels as f64;
    let inverse: Vec<f64> = (variance.iter())
        .map(|v| 1.0 / (v + f64::from(EPSILON)).sqrt())
        .collect();
    let normal = |i: usize| (f64::from(x[i]) - mean[i % channels]) * inverse[i % channels];
    let wide = |values: &[f32], i: usize| f64::from(values[i % channels]);
    let sums: Vec<f64> = (0..x.len())
        .map(|i| wide(&gamma, i) * normal(i) + wide(&beta, i))
        .collect();
    let kept = some_bits(pixels, channels);
    let factors = factors(&kept, pixels, channels, 4.0 / 3.0);
    for (activation, factors) in activations(&kept, &factors) {
        let (relu, dropped) = (activation.relu, factors.is_some());
        let y_expected = activate(&sums, relu, factors);
        let g = deactivate(&sums, &dy, relu, factors);
        // The chain rule through mean and variance, term by term.
        let per_channel = |term: &dyn Fn(usize) -> f64| -> Vec<f64> {
            let sum = |c| (c..x.len()).step_by(channels).map(term).sum();
            (0..channels).map(sum).collect()
        };
        let dbeta = per_channel(&|i| g[i]);
        let dgamma = per_channel(&|i| g[i] * normal(i));
        let dvariance = per_channel(&|i| {
            let centred = f64::from(x[i]) - mean[i % channels];
            g[i] * wide(&gamma, i) * centred * -0.5 * inverse[i % channels].powi(3)
        });
        let dmean = per_channel(&|i| -g[i] * wide(&gamma, i) * inverse[i % channels]);
        let dx: Vec<f64> = (0..x.len())
            .map(|i| {
                let c = i % channels;
                g[i] * wide(&gamma, i) * inverse[c]
                    + dvariance[c] * 2.0 * (f64::from(x[i]) - mean[c]) / count
                    + dmean[c] / count
            })
            .collect();
        let dx_of_fixed: Vec<f64> = (0..x.len())
            .map(|i| g[i] * wide(&gamma, i) * inverse[i % channels])
            .collect();
        for isa in Isa::available() {
            let case = format!(
                "{} {pixels}x{channels} {apart} {relu} {dropped}",
                isa.name()
            );
            let found = layer.moments(isa, &x);
            assert!(error(&found.mean, &mean) < 1e-6, "{case}: mean");
            assert!(error(&found.variance, &variance) < 1e-5, "{case}: variance");
            let mut y = vec![7.0; 5];
            let operands = BatchNormForward {
                x: &x,
                gamma: &gamma,
                beta: &beta,
                moments: &found,
                activation,
            };
            layer.forward(isa, operands, &mut y);
            let e = error(&y, &y_expected);
            assert!(e < 1e-5 * (1.0 + f64::from(apart)), "{case}: y off by {e}");
            let mut gradients = Gradients::default();
            let operands = BatchNormBackward {
                x: &x,
                gamma: &gamma,
                beta: &beta,
                moments: &found,
                fixed: false,
                dy: &dy,
                activation,
            };
            layer.backward(isa, operands, &mut gradients);
            let e = [
                error(&gradients.input, &dx),
                error(&gradients.weights, &dgamma),
                error(&gradients.bias, &dbeta),
            ];
            let limit = 2e-5 * (1.0 + f64::from(apart));
            assert!(e.iter().all(|&e| e < limit), "{case}: off by {e:?}");
            let fixed = BatchNormBackward {
                fixed: true,
                ..operands
            };
            layer.backward(isa, fixed, &mut gradients);
            let e = [
                error(&gradients.input, &dx_of_fixed),
                error(&gradients.weights, &dgamma),
                error(&gradients.bias, &dbeta),
            ];
            assert!(e.iter().all(|&e| e < limit), "{case}, fixed: off by {e:?}");
        }
    }
}

#[test]
fn normalisation_agrees_with_its_definition() {
    for (pixels, channels) in [(2, 1), (37, 3), (500, 16), (3000, 40), (9001, 32)] {
        check(pixels, channels, 0.0);
    }
}

#[test]
fn a_mean_far_from_zero_costs_no_digits_of_the_variance() {
    check(3000, 40, 100.0);
}

#[test]
fn normalisation_gives_the_same_bits_on_any_threads() {
    let layer = BatchNorm {
        channels: 24,
        epsilon: EPSILON,
    };
    let (x, dy) = (numbers(240_000, 1, 1e-6), numbers(240_000, 2, 1e-6));
    let (gamma, beta) = (numbers(24, 3, 1e-6), numbers(24, 4, 1e-6));
    same_on_any_threads(|| {
        let (isa, relu) = (Isa::best(), Activation::relu(None));
        let (mut y, mut g) = (vec![], Gradients::default());
        let moments = layer.moments(isa, &x);
        let operands = BatchNormForward {
            x: &x,
            gamma: &gamma,
            beta: &beta,
            moments: &moments,
            activation: relu,
        };
        layer.forward(isa, operands, &mut y);
        let operands = BatchNormBackward {
            x: &x,
            gamma: &gamma,
            beta: &beta,
            moments: &moments,
            fixed: false,
            dy: &dy,
            activation: relu,
        };
        layer.backward(isa, operands, &mut g);
        (bits(&moments.variance), bits(&y), all_bits(&g))
    });
}

#[test]
fn normalisation_of_nothing_is_nothing() {
    let layer = BatchNorm {
        channels: 3,
        epsilon: EPSILON,
    };
    let (isa, mut y, mut g) = (Isa::best(), vec![1.0], Gradients::default());
    let moments = layer.moments(isa, &[]);
    let zeros = vec![0.0; 3];
    assert_eq!(
        moments,
        Moments {
            mean: zeros.clone(),
            variance: zeros
        }
    );
    let operands = BatchNormForward {
        x: &[],
        gamma: &[1.0; 3],
        beta: &[0.0; 3],
        moments: &moments,
        activation: Activation::default(),
    };
    layer.forward(isa, operands, &mut y);
    let operands = BatchNormBackward {
        x: &[],
        gamma: &[1.0; 3],
        beta: &[0.0; 3],
        moments: &moments,
        fixed: false,
        dy: &[],
        activation: Activation::default(),
    };
    layer.backward(isa, operands, &mut g);
    assert!(y.is_empty() && g.input.is_empty() && g.weights == [0.0; 3] && g.bias == [0.0; 3]);
}

#[test]
#[should_panic(expected = "BatchNorm::forward: gamma has 2 elements, expected 3")]
fn a_wrong_length_is_named() {
    let layer = BatchNorm {
        channels: 3,
        epsilon: EPSILON,
    };
    let operands = BatchNormForward {
        x: &[0.0; 6],
        gamma: &[1.0; 2],
        beta: &[0.0; 3],
        moments: &layer.moments(Isa::best(), &[0.0; 6]),
        activation: Activation::default(),
    };
    layer.forward(Isa::best(), operands, &mut vec![]);
}
