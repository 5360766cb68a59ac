use fmnist_lib::candle_core::{DType, Tensor};
use fmnist_lib::{Dense, FitConfig, Flatten, ModelSpec, Verbose, fit};

use crate::striped;

/// Three steps of softmax regression, followed in f64 from the definition in Keras's documentation.
#[test]
fn several_steps_follow_the_definition() {
    let data = striped(64, 5);
    let spec = ModelSpec::new("m")
        .layer("flatten", Flatten)
        .layer("out", Dense::new(10));
    let mut model = spec.build(2).unwrap();
    let double = |tensor: &Tensor| -> Vec<f64> {
        tensor
            .to_dtype(DType::F64)
            .unwrap()
            .flatten_all()
            .unwrap()
            .to_vec1()
            .unwrap()
    };
    let mut weights: Vec<Vec<f64>> = model.weights().iter().map(|(_, w)| double(w)).collect();
    let (mut m, mut v): (Vec<_>, Vec<_>) = weights
        .iter()
        .map(|w| (vec![0.0; w.len()], vec![0.0; w.len()]))
        .unzip();
    let pixels: Vec<f64> = data
        .images()
        .iter()
        .map(|&p| f64::from(p) / 255.0)
        .collect();
    for t in 1..=3 {
        let mut gradients = [vec![0.0; 7840], vec![0.0; 10]];
        for (image, &label) in pixels.chunks(784).zip(data.labels()) {
            let logits: Vec<f64> = (0..10)
                .map(|k| {
                    weights[1][k]
                        + (0..784)
                            .map(|i| image[i] * weights[0][i * 10 + k])
                            .sum::<f64>()
                })
                .collect();
            let total: f64 = logits.iter().map(|z| z.exp()).sum();
            for k in 0..10 {
                let error = logits[k].exp() / total - f64::from(u8::from(k == usize::from(label)));
                gradients[1][k] += error / 64.0;
                (0..784).for_each(|i| gradients[0][i * 10 + k] += image[i] * error / 64.0);
            }
        }
        let rate = 0.001 * (1.0 - 0.999_f64.powi(t)).sqrt() / (1.0 - 0.9_f64.powi(t));
        for which in 0..2 {
            for at in 0..weights[which].len() {
                let g = gradients[which][at];
                m[which][at] = 0.9 * m[which][at] + 0.1 * g;
                v[which][at] = 0.999 * v[which][at] + 0.001 * g * g;
                weights[which][at] -= rate * m[which][at] / (v[which][at].sqrt() + 1e-7);
            }
        }
    }
    let config = FitConfig::default()
        .epochs(3)
        .batch_size(64)
        .verbose(Verbose::Silent);
    fit(&mut model, &data, None, config).unwrap();
    for (expected, (name, found)) in weights.iter().zip(model.weights()) {
        for (expected, found) in expected.iter().zip(double(&found)) {
            assert!(
                (expected - found).abs() < 2e-6,
                "{name}: {found} instead of {expected}"
            );
        }
    }
}
