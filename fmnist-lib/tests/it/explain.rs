use std::collections::HashMap;

use fmnist_lib::candle_core::Tensor;
use fmnist_lib::{
    BatchNorm, Block, Conv2d, Dataset, Dense, Dropout, FitConfig, Flatten, HeatMaps, Model,
    ModelSpec, Result, Scaling, Verbose, fit, grad_cam, one_layer, outputs, saliency, two_layer,
};
use serde::Deserialize;

use crate::own::DOUBLED;
use crate::striped;
use crate::zoo::{images, networks, noise, values, with_weights};

/// What TensorFlow 2.21 makes of a network in f64: `tests/keras/explain.py` has written the file.
#[derive(Deserialize)]
struct OfKeras {
    /// Those that the network finds in the two images.
    classes: Vec<u8>,
    /// Length, and product with noise, of the maps for these classes and for the true ones.
    saliency: [[f64; 2]; 2],
    layers: HashMap<String, OfLayer>,
}

#[derive(Deserialize)]
struct OfLayer {
    /// Length, and product with noise, of what it gives.
    output: [f64; 2],
    /// For the true classes.
    grad_cam: Vec<f64>,
}

fn length_and_product(tensor: &Tensor) -> [f64; 2] {
    let values = values(tensor);
    let squares = values.iter().map(|&value| f64::from(value).powi(2));
    let products = values.iter().zip(noise(1, values.len()));
    let products = products.map(|(&value, noise)| f64::from(value) * noise);
    [squares.sum::<f64>().sqrt(), products.sum()]
}

fn agree(what: &str, found: &Tensor, [length, product]: [f64; 2]) {
    let found = length_and_product(found);
    let apart = (found[0] - length).abs().max((found[1] - product).abs());
    assert!(
        apart < 2e-5 * length,
        "{what}: {found:?}, not {length} and {product}"
    );
}

#[test]
fn inner_layers_saliency_and_grad_cam_are_those_of_keras() {
    let keras: HashMap<String, OfKeras> =
        serde_json::from_str(include_str!("../keras/explain.json")).unwrap();
    let images = images();
    for (name, keras) in &keras {
        let recipe = networks::all()
            .into_iter()
            .find(|it| it.spec.name() == name);
        let model = with_weights(&recipe.unwrap().spec);
        let labels = Some(images.labels());
        for (classes, expected) in [None, labels].into_iter().zip(keras.saliency) {
            let maps = saliency(&model, &images, classes).unwrap();
            assert_eq!(maps.values.dims(), [2, 28, 28]);
            assert_eq!(maps.classes, classes.unwrap_or(&keras.classes));
            agree(&format!("saliency of {name}"), &maps.values, expected);
        }
        assert!(!keras.layers.is_empty());
        for (layer, keras) in &keras.layers {
            let what = format!("{layer} of {name}");
            let output = outputs(&model.up_to(layer).unwrap(), &images).unwrap();
            agree(&what, &output, keras.output);
            let maps = grad_cam(&model, layer, &images, labels).unwrap();
            assert_eq!(maps.values.dims(), &output.dims()[..3], "{what}");
            let largest = keras
                .grad_cam
                .iter()
                .fold(0.0, |most: f64, it| most.max(*it));
            assert!(largest > 0.0, "{what}");
            for (ours, theirs) in values(&maps.values).iter().zip(&keras.grad_cam) {
                let apart = (f64::from(*ours) - theirs).abs();
                assert!(
                    apart < 1e-4 * largest,
                    "Grad-CAM of {what}: {ours} for {theirs}"
                );
            }
        }
    }
}

fn branched() -> ModelSpec {
    let inner = Block::new()
        .layer("conv", Conv2d::new(3).same())
        .add(
            "inner",
            [
                Block::new().layer("one", Conv2d::new(3).same()),
                Block::new(),
            ],
        )
        .custom("twice", DOUBLED);
    ModelSpec::new("branched")
        .layer("stem", Conv2d::new(4).strides(3).relu())
        .layer("norm", BatchNorm::new())
        .layer("dropout", Dropout::new(0.5))
        .concatenate(
            "outer",
            [
                Block::new(),
                inner,
                Block::new().layer("side", Conv2d::new(2).kernel_size(1)),
            ],
        )
        .layer("flatten", Flatten)
        .layer("output", Dense::new(10))
}

/// A network that ends in branches can go on behind them: what each layer gives, from the layer before it.
#[test]
fn a_network_ends_at_any_of_its_layers() {
    let model = branched().build(5).unwrap();
    let images = images();
    let of = |layer: &str| outputs(&model.up_to(layer).unwrap(), &images).unwrap();
    let shape = |layer: &str| of(layer).dims()[1..].to_vec();
    assert_eq!(shape("stem"), [9, 9, 4]);
    assert_eq!(shape("outer/conv"), [9, 9, 3]);
    assert_eq!(shape("outer/inner/one"), [9, 9, 3]);
    assert_eq!(shape("outer"), [9, 9, 4 + 3 + 2]);
    assert_eq!(
        values(&of("dropout")),
        values(&of("norm")),
        "nothing is dropped"
    );
    let close = |one: &Tensor, other: &Tensor| {
        let (one, other) = (values(one), values(other));
        assert_eq!(one.len(), other.len());
        assert!(one.iter().zip(&other).all(|(a, b)| (a - b).abs() < 1e-6));
    };
    let sum = (of("outer/inner/one") + of("outer/conv")).unwrap();
    close(&of("outer/inner"), &sum);
    close(&of("outer/twice"), &(sum * 2.0).unwrap());
    let parts = ["norm", "outer/twice", "outer/side"].map(of);
    close(&of("outer"), &Tensor::cat(&parts, 3).unwrap());
    close(&of("flatten"), &of("outer").flatten_from(1).unwrap());
    assert_eq!(
        values(&of("output")),
        values(&outputs(&model, &images).unwrap())
    );

    let part = model.up_to("outer/inner").unwrap();
    assert_eq!(part.spec().name(), "branched up to outer/inner");
    let names: Vec<String> = part.weights().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names.last().unwrap(), "outer/inner/one.bias");
    assert!(!names.iter().any(|name| name.contains("side")), "{names:?}");
    assert_eq!(
        values(&outputs(&part.up_to("outer/conv").unwrap(), &images).unwrap()),
        values(&of("outer/conv"))
    );
}

/// Neither notices when the other learns.
#[test]
fn a_part_is_a_model_of_its_own() {
    let mut model = two_layer().build(1).unwrap();
    model.freeze(["Conv2D-1"]).unwrap();
    let mut part = model.up_to("Dense").unwrap();
    assert_eq!(part.summary().unwrap().not_trainable(), 320);
    assert!(part.history().epochs.is_empty());
    let weights = |model: &Model| -> Vec<Vec<f32>> {
        model
            .weights()
            .iter()
            .map(|(_, weight)| values(weight))
            .collect()
    };
    let before = weights(&part);
    assert_eq!(before[..], weights(&model)[..6]);
    let config = FitConfig::default().epochs(1).verbose(Verbose::Silent);
    fit(&mut model, &striped(32, 1), None, config.clone()).unwrap();
    assert_eq!(weights(&part), before);
    part.unfreeze_all().unwrap();
    assert_eq!(weights(&part), before);
    assert_ne!(weights(&model)[2], before[2]);

    let told = model.up_to("Dance").unwrap_err().to_string();
    assert!(
        told.contains("no layer \"Dance\"; its layers are Conv2D-1, MaxPool"),
        "{told}"
    );
}

/// Many images go through in parts, and each gets the map that it gets alone.
#[test]
fn each_image_has_a_map_of_its_own() {
    let model = one_layer().build(2).unwrap();
    let data = striped(70, 5);
    let all = saliency(&model, &data, Some(data.labels())).unwrap();
    assert_eq!(
        (all.values.dims(), &all.classes[..]),
        (&[70, 28, 28][..], data.labels())
    );
    for at in [0, 31, 32, 69] {
        let one = data.select(&[at]).unwrap();
        let alone = saliency(&model, &one, Some(one.labels())).unwrap();
        let [of_all, alone] = [all.values.get(at).unwrap(), alone.values].map(|it| values(&it));
        let largest = alone.iter().fold(0.0, |most: f32, it| most.max(*it));
        assert!(largest > 0.0);
        assert!(
            of_all
                .iter()
                .zip(&alone)
                .all(|(a, b)| (a - b).abs() < 1e-5 * largest),
            "{at}"
        );
    }
    // Without classes, those that the network finds.
    let scores = outputs(&model, &data).unwrap().argmax(1).unwrap();
    let found: Vec<u32> = scores.to_vec1().unwrap();
    let found: Vec<u8> = found.into_iter().map(|class| class as u8).collect();
    assert_eq!(
        grad_cam(&model, "Conv2D-1", &data, None).unwrap().classes,
        found
    );
}

/// In colour the channel counts that moves the score most, and the network's own scaling is used.
#[test]
fn the_saliency_of_a_linear_network_is_its_weights() {
    let spec = ModelSpec::new("linear")
        .input([2, 2, 3])
        .scaling(Scaling::Raw);
    let spec = spec
        .layer("flatten", Flatten)
        .layer("output", Dense::new(2));
    let model = spec.build(3).unwrap();
    let images = Dataset::of_shape([2, 2, 3], ["a", "b"], (0..24).collect(), vec![0, 1]).unwrap();
    let maps = saliency(&model, &images, Some(&[1, 0])).unwrap();
    let kernel = values(&model.weights()[0].1);
    for (image, class) in [(0, 1), (1, 0)] {
        let map = values(&maps.values.get(image).unwrap());
        for (pixel, found) in map.iter().enumerate() {
            let channels = (0..3).map(|channel| kernel[2 * (3 * pixel + channel) + class].abs());
            assert_eq!(*found, channels.fold(0.0, f32::max));
        }
    }
}

#[test]
fn what_cannot_be_explained_is_refused() {
    let model = one_layer().build(1).unwrap();
    let data = striped(3, 1);
    let told = |result: Result<HeatMaps>| result.unwrap_err().to_string();
    let refused = told(grad_cam(&model, "Dense", &data, None));
    assert!(
        refused.contains("layer Dense")
            && refused.contains("[32]")
            && refused.contains("Conv2D-1, MaxPool, Dropout"),
        "{refused}"
    );
    assert!(told(grad_cam(&model, "none", &data, None)).contains("no layer \"none\""));
    assert!(
        told(saliency(&model, &data, Some(&[1, 2])))
            .contains("one class for each of 3 images, not 2")
    );
    assert!(
        told(saliency(&model, &data, Some(&[1, 2, 10]))).contains("class 10 is not one of 0 to 9")
    );
    assert!(told(saliency(&model, &data.take(0), None)).contains("no images"));
    let small = Dataset::of_shape([4, 4, 1], ["a"], vec![0; 16], vec![0]).unwrap();
    assert!(told(saliency(&model, &small, None)).contains("takes images of [28, 28, 1]"));
    let features = model.up_to("Dense").unwrap();
    assert!(told(saliency(&features, &data, None)).contains("needs 10 scores"));
}
