//! The networks of examples/zoo.

use std::collections::HashMap;

use candle_core::{Device, Tensor};
use fmnist_lib::{
    Block, Conv2d, Dataset, FitConfig, GlobalAvgPool2d, Model, ModelSpec, Scaling, Sgd, Verbose,
    candle_core, fit, predict,
};
use serde::Deserialize;
use serde_json::Value;

use crate::striped;

#[path = "../../examples/zoo/networks.rs"]
pub(crate) mod networks;

/// `count_params()` of Keras 3.15.1 for the same layers, built by `keras.Sequential` and, where they
/// have branches, by `keras.Model` with `Add` and `Concatenate`: `Conv2D(6, 5)`, `AvgPool2D(2)`,
/// `MaxPool2D(3, 2, padding="same")`, `DepthwiseConv2D(5, padding="same")`, `BatchNormalization()`...
const PARAMETERS: [(&str, usize); 17] = [
    ("autoencoder", 4_385),
    ("transposed-autoencoder", 28_353),
    ("softmax-regression", 7_850),
    ("conv-mixer", 26_570),
    ("resnext", 35_370),
    ("batch-norm-lenet", 45_330),
    ("lenet-5", 61_706),
    ("lenet-5-relu", 61_706),
    ("mobile-net", 74_442),
    ("dense-net", 101_650),
    ("mlp-128", 101_770),
    ("inception", 202_594),
    ("nin", 440_074),
    ("vgg-like", 467_818),
    ("mlp-512-512", 669_706),
    ("two-5x5", 3_274_634),
    ("resnet-18", 11_182_410),
];

#[test]
fn the_networks_have_as_many_parameters_as_in_keras() {
    let recipes = networks::all();
    assert_eq!(recipes.len(), PARAMETERS.len());
    for recipe in recipes {
        let name = recipe.spec.name();
        let summary = recipe.spec.summary().unwrap();
        let known = PARAMETERS.iter().find(|(known, _)| *known == name);
        assert_eq!(
            Some(summary.parameters()),
            known.map(|(_, count)| *count),
            "{name}"
        );
        let output: &[usize] = if name.contains("autoencoder") {
            &[28, 28, 1]
        } else {
            &[10]
        };
        assert_eq!(summary.rows.last().unwrap().output_shape, output, "{name}");
        assert!(!recipe.source.is_empty());
    }
}

/// Numbers from -1 to 1 that look random, as in `tests/keras/formulas.py`: Wellons's hash "lowbias32" of a counter.
pub(crate) fn noise(key: usize, count: usize) -> impl Iterator<Item = f64> {
    (1..=count).map(move |at| {
        let mut x = (at * key) as u32;
        x = (x ^ x >> 16).wrapping_mul(0x7feb_352d);
        x = (x ^ x >> 15).wrapping_mul(0x846c_a68b);
        f64::from(x ^ x >> 16) / 2_f64.powi(31) - 1.0
    })
}

/// The value of each weight, from its name, as in `tests/keras/formulas.py`.
fn weight_of(name: &str, weight: &Tensor) -> Tensor {
    let (layer, kind) = name.rsplit_once('.').unwrap();
    let key = name
        .bytes()
        .map(|it| usize::from(if it == b'/' { b'.' } else { it }));
    let values = noise(key.sum::<usize>() * 7919, weight.elem_count());
    let depthwise = layer.contains("depthwise") || layer.contains("places");
    let inputs = weight
        .dims()
        .iter()
        .take(if depthwise { 2 } else { weight.rank() - 1 });
    let inputs: usize = inputs.product();
    let values: Vec<f32> = values
        .map(|value| match kind {
            "kernel" => value * (6.0 / inputs as f64).sqrt(),
            "gamma" | "moving_variance" => value * 0.1 + 1.0,
            _ => value * 0.1,
        })
        .map(|value| value as f32)
        .collect();
    Tensor::from_vec(values, weight.dims(), &Device::Cpu).unwrap()
}

/// What Keras 3.15.1 makes of a network in f64: `tests/keras/zoo.py` has written the file.
#[derive(Deserialize)]
struct OfKeras {
    /// Of two images, without training.
    scores: Vec<f32>,
    /// Of a training step with these two images.
    loss: f64,
    /// For each weight, the length of its gradient in that step, and its product with noise.
    gradients: HashMap<String, [f64; 2]>,
}

/// The two images of `tests/keras/formulas.py`.
pub(crate) fn images() -> Dataset {
    let pixels = noise(2, 2 * 784).map(|value| ((value + 1.0) * 128.0) as u8);
    Dataset::new(pixels.collect(), vec![3, 7]).unwrap()
}

/// The network without dropout, which no two libraries draw alike, with the weights of `tests/keras/formulas.py`.
pub(crate) fn with_weights(spec: &ModelSpec) -> Model {
    fn keep(value: &mut Value) {
        match value {
            Value::Array(values) => values.iter_mut().for_each(keep),
            Value::Object(fields) => {
                for (name, value) in fields {
                    if name == "rate" {
                        *value = Value::from(0.0);
                    }
                    keep(value);
                }
            }
            _ => {}
        }
    }
    let mut spec = serde_json::to_value(spec).unwrap();
    keep(&mut spec);
    let spec: ModelSpec = serde_json::from_value(spec).unwrap();
    let mut model = spec.build(1).unwrap();
    let weights = model.weights().into_iter().map(|(name, weight)| {
        let value = weight_of(&name, &weight);
        (name, value)
    });
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights.safetensors");
    candle_core::safetensors::save(&weights.collect::<HashMap<_, _>>(), &path).unwrap();
    model.load_weights(&path).unwrap();
    model
}

pub(crate) fn values(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

#[test]
fn the_networks_give_the_scores_and_gradients_of_keras() {
    let keras: HashMap<String, OfKeras> =
        serde_json::from_str(include_str!("../keras/zoo.json")).unwrap();
    let mut apart = Vec::new();
    let images = images();
    let inputs = images.to_tensor(Scaling::Unit, &Device::Cpu).unwrap();
    for recipe in networks::all() {
        let name = recipe.spec.name();
        let (mut model, keras) = (with_weights(&recipe.spec), &keras[name]);
        let scores = values(&model.forward(&inputs, None).unwrap());
        let largest = keras
            .scores
            .iter()
            .fold(0_f32, |most, score| most.max(score.abs()));
        for (at, (ours, theirs)) in scores.iter().zip(&keras.scores).enumerate() {
            let apart = (ours - theirs).abs() / largest;
            assert!(apart < 2e-5, "{name}, score {at}: {ours} for {theirs}");
        }

        // A step of gradient descent shows the gradient; a long one hides the rounding of the weights.
        let rate = 1024.0;
        let before: Vec<Vec<f32>> = model
            .weights()
            .iter()
            .map(|(_, it)| values(&it.copy().unwrap()))
            .collect();
        let config = FitConfig::default()
            .epochs(1)
            .batch_size(2)
            .loss(recipe.config.loss.clone())
            .optimizer(Sgd::new(), rate);
        let run = fit(&mut model, &images, None, config.verbose(Verbose::Silent)).unwrap();
        let loss = f64::from(run.history.epochs[0].loss);
        assert!(
            (loss - keras.loss).abs() < 1e-5 * keras.loss,
            "{name}: loss {loss} for {}",
            keras.loss
        );
        let longest = keras
            .gradients
            .values()
            .fold(0_f64, |most, it| most.max(it[0]));
        let (mut compared, mut farthest) = (0, 0_f64);
        for ((weight, after), before) in model.weights().iter().zip(&before) {
            let Some([length, product]) = keras.gradients.get(&weight.replace('/', ".")) else {
                continue; // moving averages
            };
            let moved = before.iter().zip(values(after));
            let gradient: Vec<f64> = moved
                .map(|(before, after)| f64::from(before - after) / rate)
                .collect();
            let ours = [
                gradient.iter().map(|it| it * it).sum::<f64>().sqrt(),
                gradient
                    .iter()
                    .zip(noise(1, gradient.len()))
                    .map(|(one, two)| one * two)
                    .sum(),
            ];
            for (ours, theirs) in ours.iter().zip([length, product]) {
                // Some gradients are zero but for rounding: those of a bias in front of a normalisation.
                let apart = ((ours - theirs).abs() - 1e-6 * longest).max(0.0) / length;
                assert!(apart < 1e-2, "{name}, {weight}: {ours} for {theirs}");
                farthest = farthest.max(apart);
            }
            compared += 1;
        }
        assert_eq!(compared, keras.gradients.len(), "{name}");
        apart.push((farthest, name.to_owned()));
    }
    // In a large network, rounding decides now and then whether one value is above zero, and all gradients in
    // front of it move by thousandths.
    apart.sort_by(|one, two| one.0.total_cmp(&two.0));
    assert!(apart[apart.len() - 3].0 < 1e-4, "{apart:?}");
}

#[test]
fn each_network_trains_by_its_recipe() {
    let data = striped(16, 3);
    for recipe in networks::all() {
        let name = recipe.spec.name().to_owned();
        let mut model = recipe.spec.build(1).unwrap();
        let before = model.weights()[0].1.copy().unwrap();
        let config = recipe
            .config
            .epochs(1)
            .batch_size(8)
            .verbose(Verbose::Silent);
        let run = fit(&mut model, &data, &data, config).unwrap();
        assert!(
            run.history.epochs[0].val_loss.unwrap().is_finite(),
            "{name}"
        );
        let moved = (model.weights()[0].1.copy().unwrap() - before)
            .unwrap()
            .abs()
            .unwrap();
        let moved: f32 = moved.sum_all().unwrap().to_scalar().unwrap();
        assert!(moved > 0.0, "{name}: the first weights have not moved");
    }
}

/// What Keras prints for networks whose layers do not stand in a row.
#[test]
fn a_summary_of_branches_says_what_a_layer_is_connected_to() {
    let pixels = |filters: usize| Block::new().layer("1x1", Conv2d::new(filters).kernel_size(1));
    let spec = ModelSpec::new("branches")
        .concatenate("both", [Block::new(), pixels(2)])
        .add("sum", [pixels(3), Block::new()])
        .layer("mean", GlobalAvgPool2d);
    let summary = spec.summary().unwrap();
    let lines: Vec<String> = summary
        .to_string()
        .lines()
        .map(|line| line.trim_end().to_owned())
        .collect();
    let of = |name: &str| {
        lines
            .iter()
            .find(|line| line.starts_with(name))
            .unwrap()
            .clone()
    };
    assert!(lines[2].ends_with("Connected to"), "{summary}");
    assert!(of("both (Concatenate)").ends_with("both/1x1"), "{summary}");
    assert!(of("sum (Add)").ends_with("sum/1x1, both"), "{summary}");
    assert_eq!(summary.parameters(), 2 * 2 + 3 * 4);
    assert!(
        !networks::lenet5()
            .summary()
            .unwrap()
            .to_string()
            .contains("Connected")
    );
}

#[test]
fn branches_that_do_not_fit_together_are_refused_by_name() {
    let conv = |name: &str, filters: usize, size: usize| {
        Block::new().layer(name, Conv2d::new(filters).kernel_size(size))
    };
    let told = |spec: ModelSpec| spec.build(1).unwrap_err().to_string();
    let new = || ModelSpec::new("m");
    let sum = told(new().add("sum", [conv("a", 2, 1), conv("b", 3, 1)]));
    assert!(
        sum.contains("layer sum:") && sum.contains("[28, 28, 2] and [28, 28, 3]"),
        "{sum}"
    );
    let side_by_side = told(new().concatenate("both", [conv("a", 2, 1), conv("b", 2, 3)]));
    assert!(
        side_by_side.contains("the same shape but for the channels"),
        "{side_by_side}"
    );
    let twice = told(new().add("sum", [conv("a", 2, 1), conv("a", 2, 1)]));
    assert!(
        twice.contains("layer sum/a: the name is used twice"),
        "{twice}"
    );
    let none = told(new().add("sum", []));
    assert!(none.contains("no branches"), "{none}");
    let too_large = told(new().add("sum", [conv("a", 2, 40)]));
    assert!(
        too_large.contains("layer sum/a:") && too_large.contains("does not fit"),
        "{too_large}"
    );
}

/// Branches, settings and names come back from a file.
#[test]
fn networks_with_branches_are_saved_and_loaded() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.safetensors");
    let data = striped(8, 3);
    for spec in [
        networks::inception(),
        networks::conv_mixer(),
        networks::dense_net(),
    ] {
        let model = spec.build(4).unwrap();
        model.save(&path).unwrap();
        let loaded = Model::load(&path).unwrap();
        assert_eq!(format!("{:?}", loaded.spec()), format!("{spec:?}"));
        let scores = |model: &Model| predict(model, &data).unwrap().probabilities;
        assert_eq!(scores(&loaded), scores(&model), "{}", spec.name());
    }
}
