#![allow(clippy::unwrap_used)]

use candle_core::{Device, Tensor};
use rand::Rng;

use super::*;
use crate::data::CLASSES;
use crate::loss::{CrossEntropy, Targets};
use crate::nn::{
    Activation, AnyLayer, AvgPool2d, BatchNorm, Conv2d, Conv2dTranspose, Dense, DepthwiseConv2d,
    Dropout, Flatten, GlobalAvgPool2d, Init, LayerNorm, MaxPool2d, Reshape, UpSampling2d,
    ZeroPadding2d,
};
use crate::optim::to_host;

/// The length of the difference of two gradients, as a part of the length of the second.
fn apart(one: &[f32], two: &[f32]) -> f64 {
    let length =
        |squares: &mut dyn Iterator<Item = f64>| squares.map(|it| it * it).sum::<f64>().sqrt();
    let mut differences = one.iter().zip(two).map(|(one, two)| f64::from(one - two));
    let mut values = two.iter().map(|&two| f64::from(two));
    length(&mut differences) / length(&mut values).max(f64::MIN_POSITIVE)
}

/// 37 images of noise, which is no whole number of vectors or tasks, and their labels.
fn batch(shape: &[usize], seed: u64) -> (Tensor, Tensor) {
    let count = 37;
    let shape = [&[count], shape].concat();
    let mut random = generator(seed, Purpose::Initialise("test"));
    let pixels: Vec<f32> = (0..shape.iter().product::<usize>())
        .map(|_| random.random())
        .collect();
    let labels: Vec<u32> = (0..count).map(|at| (at % CLASSES) as u32).collect();
    (
        Tensor::from_vec(pixels, shape, &Device::Cpu).unwrap(),
        Tensor::from_vec(labels, count, &Device::Cpu).unwrap(),
    )
}

/// How far the gradients of the fused kernels are from those that Candle finds layer by layer, for each
/// weight; for a moving average, which has no gradient, how far the averages are apart.
fn fused_from_layers(spec: &ModelSpec, seed: u64) -> Vec<f64> {
    fused_from_layers_but(spec, seed, &[])
}

/// As [`fused_from_layers`], with some layers frozen.
fn fused_from_layers_but(spec: &ModelSpec, seed: u64, frozen: &[&str]) -> Vec<f64> {
    let (input, labels) = batch(&spec.input, seed);
    let [fused, mut layers] = [1, 2].map(|_| {
        let mut model = spec.build(6).unwrap();
        model.freeze(frozen.iter().copied()).unwrap();
        model
    });
    assert!(fused.plan.is_some(), "{} has no plan", spec.name());
    layers.plan = None;
    let loss = CrossEntropy {
        label_smoothing: 0.1,
        class_weight: &[],
    };
    let targets = Targets {
        labels: &labels,
        images: &input,
        classes: CLASSES,
    };
    let [one, two] = [&fused, &layers].map(|model| {
        let step = Step {
            seed: 1,
            epoch: 1,
            step: 2,
        };
        model.gradients(&targets, &loss, step).unwrap()
    });
    assert!(
        (one.loss - two.loss).abs() < 1e-5 * two.loss,
        "{}: {} {}",
        spec.name(),
        one.loss,
        two.loss
    );
    let gradients = one.of_weights.iter().zip(&two.of_weights);
    gradients
        .enumerate()
        .map(|(at, pair)| match pair {
            (Some(one), Some(two)) => apart(one, two),
            (None, None) => {
                let [one, two] =
                    [&fused, &layers].map(|model| to_host(&model.weights[at].var).unwrap());
                apart(&one, &two)
            }
            _ => panic!("{}: weight {at} has one gradient only", spec.name()),
        })
        .collect()
}

/// What is frozen has no gradient, and the gradients of the others pass through it.
#[test]
fn gradients_pass_through_frozen_layers() {
    let spec = ModelSpec::new("normalised")
        .layer("conv-1", Conv2d::new(8))
        .layer("norm-1", BatchNorm::new().momentum(0.5).relu())
        .layer("dropout", Dropout::new(0.2))
        .layer("conv-2", Conv2d::new(8).relu())
        .layer("norm-2", BatchNorm::new())
        .layer("flatten", Flatten)
        .layer("dense", Dense::new(12).activation(Activation::Gelu))
        .layer("output", Dense::new(CLASSES));
    for frozen in [
        &["norm-1"][..],
        &["conv-1", "norm-1"],
        &["norm-1", "conv-2", "dense"],
        &["conv-1", "norm-1", "conv-2", "norm-2", "dense"],
    ] {
        let mut model = spec.build(6).unwrap();
        model.freeze(frozen.iter().copied()).unwrap();
        let (images, labels) = batch(&spec.input, 3);
        let targets = Targets {
            labels: &labels,
            images: &images,
            classes: CLASSES,
        };
        let loss = CrossEntropy {
            label_smoothing: 0.0,
            class_weight: &[],
        };
        let step = Step {
            seed: 1,
            epoch: 1,
            step: 1,
        };
        let found = model.gradients(&targets, &loss, step).unwrap();
        for (weight, gradient) in model.weights.iter().zip(&found.of_weights) {
            assert_eq!(weight.learns(), gradient.is_some(), "{}", weight.name);
        }
        for seed in 1..=3 {
            // What norm-2 takes away again leaves little of conv-1's gradient, and its rounding.
            let apart = fused_from_layers_but(&spec, seed, frozen);
            assert!(
                apart.iter().all(|&apart| apart < 2e-3),
                "{frozen:?}: {apart:?}"
            );
        }
    }
}

/// The networks of the report are fused, and their gradients are those of the layers, dropout included.
///
/// Now and then rounding decides which of two values is the maximum, or whether one is above zero; then
/// all gradients in front of it jump by some thousandths. That happens in few batches, so that the middle
/// one of five is held to what rounding alone can do.
#[test]
fn fused_gradients_are_those_of_the_layers() {
    let normalised = ModelSpec::new("normalised")
        .layer("padding", ZeroPadding2d::new(2))
        .layer("conv-1", Conv2d::new(8).without_bias())
        .layer("norm-1", BatchNorm::new().momentum(0.5).relu())
        .layer("dropout", Dropout::new(0.2))
        .layer("pool-1", MaxPool2d::new(2))
        .layer("conv-2", Conv2d::new(20).same().relu())
        .layer("flatten", Flatten)
        .layer("output", Dense::new(CLASSES));
    // Normalisation takes away most of what comes back, and its rounding stays.
    for (spec, rounding) in [
        (one_layer(), 1e-5),
        (two_layer(), 1e-5),
        (three_layer(), 1e-5),
        (normalised, 1e-4),
    ] {
        let batches: Vec<Vec<f64>> = (1..=5).map(|seed| fused_from_layers(&spec, seed)).collect();
        for weight in 0..batches[0].len() {
            let mut apart: Vec<f64> = batches
                .iter()
                .map(|of_weights| of_weights[weight])
                .collect();
            apart.sort_by(f64::total_cmp);
            let what = format!("{}: weight {weight}: {apart:?}", spec.name());
            assert!(apart[2] < rounding, "{what}");
            assert!(apart[4] < 0.02, "{what}");
        }
    }
}

/// Every layer of the crate, with the settings that change what its kernel does, on small images.
#[test]
fn gradients_of_every_layer_are_those_of_candle() {
    let small =
        |name: &str| ModelSpec::new(name).layer("small", AvgPool2d::new((3, 4)).strides((3, 4)));
    let head = |spec: ModelSpec| {
        let spec = spec.layer("flatten", Flatten);
        spec.layer("output", Dense::new(CLASSES).init(Init::Torch))
    };
    let conv = |conv: Conv2d| {
        head(
            small("conv")
                .layer("stem", Conv2d::new(5).same())
                .layer("conv", conv),
        )
    };
    let pool = |pool: AnyLayer| {
        head(
            small("pool")
                .layer("stem", Conv2d::new(18).same())
                .layer("pool", pool),
        )
    };
    let mut specs = vec![
        conv(Conv2d::new(7).kernel_size(5).relu()),
        conv(Conv2d::new(17).kernel_size(1).without_bias()),
        conv(
            Conv2d::new(6)
                .kernel_size((1, 4))
                .same()
                .activation(Activation::Tanh),
        ),
        conv(Conv2d::new(6).kernel_size(5).strides(2).same().relu()),
        conv(
            Conv2d::new(3)
                .kernel_size(2)
                .strides((2, 3))
                .padding(1)
                .init(Init::LecunNormal),
        ),
        conv(
            Conv2d::new(4)
                .kernel_size((7, 3))
                .padding((3, 1))
                .activation(Activation::Gelu),
        ),
        pool(Conv2d::new(6).groups(2).relu().into()),
        pool(
            Conv2d::new(9)
                .groups(3)
                .kernel_size((2, 5))
                .strides(2)
                .same()
                .without_bias()
                .activation(Activation::Silu)
                .into(),
        ),
        head(ModelSpec::new("wide").layer("conv", Conv2d::new(6).kernel_size(5).strides(3))),
        pool(MaxPool2d::new(3).strides(2).into()),
        pool(MaxPool2d::new(3).strides(2).same().into()),
        pool(MaxPool2d::new((2, 3)).padding(1).into()),
        pool(AvgPool2d::new(2).into()),
        pool(AvgPool2d::new(3).strides(1).same().into()),
        pool(GlobalAvgPool2d.into()),
        pool(UpSampling2d::new((2, 1)).into()),
        pool(Conv2dTranspose::new(5).strides(2).same().relu().into()),
        pool(
            Conv2dTranspose::new(3)
                .kernel_size((2, 5))
                .strides((3, 1))
                .activation(Activation::Gelu)
                .into(),
        ),
        pool(
            Conv2dTranspose::new(17)
                .kernel_size((4, 1))
                .strides((1, 2))
                .same()
                .without_bias()
                .into(),
        ),
        pool(Reshape::new([7, 9, 18]).into()),
        pool(LayerNorm::new().into()),
        pool(DepthwiseConv2d::new(3).same().relu().into()),
        pool(
            DepthwiseConv2d::new((3, 2))
                .strides(2)
                .depth_multiplier(3)
                .without_bias()
                .into(),
        ),
    ];
    for activation in [
        Activation::LeakyRelu {
            negative_slope: 0.3,
        },
        Activation::Elu,
        Activation::Selu,
        Activation::Gelu,
        Activation::Silu,
        Activation::Sigmoid,
        Activation::Tanh,
    ] {
        specs.push(pool(activation.into()));
        specs.push(head(
            small("dense")
                .layer("flat", Flatten)
                .layer("hidden", Dense::new(21).activation(activation)),
        ));
    }
    specs.push(head(
        small("dense without bias")
            .layer("flat", Flatten)
            .layer("hidden", Dense::new(21).without_bias().relu()),
    ));
    let body = |filters: usize| {
        Block::new()
            .layer("conv-1", Conv2d::new(filters).same().without_bias())
            .layer("norm", BatchNorm::new().activation(Activation::Silu))
            .layer("dropout", Dropout::new(0.3))
            .layer("conv-2", Conv2d::new(filters).same())
    };
    let pixels =
        |name: &str, filters: usize| Block::new().layer(name, Conv2d::new(filters).kernel_size(1));
    let inner = Block::new().add("inner", [pixels("a", 2), pixels("b", 2)]);
    specs.push(head(
        small("branches")
            .concatenate("dense-1", [Block::new(), body(4)])
            .add("residual-1", [body(5), Block::new()])
            .add("residual-2", [body(6), pixels("a", 6), pixels("b", 6)])
            .layer("relu", Activation::Relu)
            .concatenate("inception", [pixels("c", 3), inner, Block::new()]),
    ));
    // Other images: in colour, not square, with the layer first that reads them.
    for (shape, first) in [
        ([13, 20, 3], AnyLayer::from(Conv2d::new(9).relu())),
        ([20, 13, 3], Conv2d::new(9).same().without_bias().into()),
        (
            [9, 9, 4],
            Conv2d::new(16).kernel_size(5).strides(2).relu().into(),
        ),
        ([10, 7, 2], DepthwiseConv2d::new(3).same().into()),
        ([11, 8, 3], BatchNorm::new().into()),
    ] {
        let spec = ModelSpec::new("other images")
            .input(shape)
            .layer("first", first);
        let spec = spec
            .layer("second", Conv2d::new(12).same().relu())
            .layer("pool", MaxPool2d::new((1, 2)));
        specs.push(head(spec));
    }
    for spec in specs {
        let batches: Vec<Vec<f64>> = (1..=3).map(|seed| fused_from_layers(&spec, seed)).collect();
        for weight in 0..batches[0].len() {
            let mut apart: Vec<f64> = batches
                .iter()
                .map(|of_weights| of_weights[weight])
                .collect();
            apart.sort_by(f64::total_cmp);
            assert!(apart[1] < 1e-4, "{spec:?}: weight {weight}: {apart:?}");
        }
    }
}

/// The gradient of a score with respect to pixels, and to what a layer gives, against central differences in f64.
#[test]
fn gradients_of_scores_are_those_of_finite_differences() {
    const H: f64 = 1e-6;
    let body = Block::new()
        .layer("conv", Conv2d::new(3).same().activation(Activation::Tanh))
        .layer("norm", BatchNorm::new().activation(Activation::Gelu));
    let spec = ModelSpec::new("smooth")
        .input([6, 5, 2])
        .layer("stem", Conv2d::new(3).activation(Activation::Silu))
        .add("sum", [body, Block::new()])
        .layer("pool", MaxPool2d::new((2, 1)))
        .layer("dropout", Dropout::new(0.5))
        .layer("flatten", Flatten)
        .layer("output", Dense::new(CLASSES).init(Init::Torch));
    let model = spec.build(8).unwrap();
    let (images, _) = batch(&spec.input, 4);
    let images = images.narrow(0, 0, 2).unwrap();
    let classes = [3, 8];
    let placed = spec.place().unwrap();
    let double = |tensor: &Tensor| tensor.to_dtype(candle_core::DType::F64).unwrap();
    let weights: Vec<Tensor> = model.vars().map(|var| double(var.as_tensor())).collect();
    for layer in [
        None,
        Some("stem"),
        Some("sum/conv"),
        Some("sum"),
        Some("output"),
    ] {
        let found = model
            .score_gradients(layer, &images, Some(&classes))
            .unwrap();
        assert_eq!(found.classes, [3, 8]);
        let start: Vec<f64> = double(&found.values)
            .flatten_all()
            .unwrap()
            .to_vec1()
            .unwrap();
        let watched = layer.map(|name| spec.position(&placed, name).unwrap());
        // The sum of both scores, where these are the values.
        let score = |values: Vec<f64>| {
            let values = Tensor::from_vec(values, found.values.shape(), &Device::Cpu).unwrap();
            let pixels = if layer.is_none() {
                values.clone()
            } else {
                double(&images)
            };
            let scores =
                place::forward_through(&placed, &pixels, &weights, &[], None, |at, output| {
                    Ok(if watched == Some(at) {
                        values.clone()
                    } else {
                        output
                    })
                });
            let scores: Vec<Vec<f64>> = scores.unwrap().to_vec2().unwrap();
            scores[0][3] + scores[1][8]
        };
        let gradients = to_host(&found.gradients).unwrap();
        assert_eq!(gradients.len(), start.len());
        let largest = gradients
            .iter()
            .fold(0.0_f32, |most, it| most.max(it.abs()));
        assert!(largest > 0.0);
        for (at, gradient) in gradients.iter().enumerate() {
            let moved = |by: f64| {
                let mut values = start.clone();
                values[at] += by;
                score(values)
            };
            let expected = (moved(H) - moved(-H)) / (2.0 * H);
            let apart = (f64::from(*gradient) - expected).abs();
            assert!(
                apart < 1e-4 * f64::from(largest),
                "{layer:?}, value {at}: {gradient}, not {expected}"
            );
        }
    }
}
