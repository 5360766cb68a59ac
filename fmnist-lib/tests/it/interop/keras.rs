//! Keras's files, against Keras itself.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use candle_core::{D, Device, Tensor};
use fmnist_lib::{
    Activation, AvgPool2d, BatchNorm, Block, Conv2d, Conv2dTranspose, Dataset, Dense, DepthwiseConv2d, Error,
    FitConfig, Flatten, GlobalAvgPool2d, Init, LayerNorm, MaxPool2d, MeanSquaredError, Model, ModelSpec, Reshape,
    Scaling, UpSampling2d, Verbose, ZeroPadding2d, candle_core, candle_nn, fit, one_layer,
};

use super::run;
use crate::networks;

fn keras(command: &str, folder: &Path) {
    run("keras", "keras_files.py", &[OsStr::new(command), folder.as_os_str()]);
}

/// What Keras has trained and saved.
static SAVED: LazyLock<PathBuf> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap().keep();
    keras("write", &folder);
    folder
});

fn saved(file: &str) -> PathBuf {
    SAVED.join(file)
}

fn array(path: &Path) -> Tensor {
    Tensor::read_npy(path).unwrap()
}

/// The largest difference of a model's answers from those that lie beside a file, relative to the largest of these.
fn difference(model: &Model, name: &str, softmax: bool) -> f32 {
    let images = array(&saved(&format!("{name}-images.npy")));
    let scores = array(&saved(&format!("{name}-scores.npy")));
    let mut found = model.forward(&images, None).unwrap();
    if softmax {
        found = candle_nn::ops::softmax(&found, D::Minus1).unwrap();
    }
    assert_eq!(found.dims(), scores.dims(), "{name}");
    let largest = |tensor: &Tensor| tensor.abs().unwrap().max_all().unwrap().to_scalar::<f32>().unwrap();
    largest(&(found - &scores).unwrap()) / largest(&scores)
}

#[test]
fn a_model_that_keras_has_trained_answers_here_as_there() {
    let names = SAVED.read_dir().unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let names = names.filter_map(|name| Some(name.strip_suffix("-scores.npy")?.to_owned()));
    let names: Vec<String> = names.collect();
    assert!(names.len() >= 20, "{names:?}");
    for name in names {
        let model = Model::load_keras(saved(&format!("{name}.keras"))).unwrap();
        let softmax = ["odd", "in-a-row"].contains(&name.as_str());
        let difference = difference(&model, &name, softmax);
        assert!(difference < 1e-5, "{name}: {difference}");
    }
    let old = Model::load_keras(saved("odd.h5")).unwrap();
    assert!(difference(&old, "odd", true) < 1e-5);
}

#[test]
fn what_keras_tells_of_a_network_becomes_part_of_it() {
    let odd = Model::load_keras(saved("odd.keras")).unwrap();
    let scaling = Scaling::Standard { mean: 127.5, deviation: 127.5 };
    assert_eq!(odd.spec().input_scaling(), scaling);
    let in_a_row = Model::load_keras(saved("in-a-row.keras")).unwrap();
    let ours = one_layer().build(1).unwrap();
    let count = |model: &Model| model.summary().unwrap().parameters();
    assert_eq!(count(&in_a_row), count(&ours));
    assert_eq!(in_a_row.spec().input_scaling(), Scaling::Unit);
}

/// Weights that look at those of the zoo's networks by the order of their layers: names differ.
#[test]
fn weights_alone_are_read_into_a_network_of_the_same_layers() {
    let recipes = networks::all().into_iter();
    let spec = recipes.map(|recipe| recipe.spec).find(|spec| spec.name() == "dense-net").unwrap();
    for file in ["dense-net.weights.h5", "dense-net.keras"] {
        let mut model = spec.build(7).unwrap();
        model.load_keras_weights(saved(file)).unwrap();
        let difference = difference(&model, "dense-net", false);
        assert!(difference < 1e-5, "{file}: {difference}");
    }
    let mut other = one_layer().build(7).unwrap();
    let before = other.weights()[0].1.copy().unwrap();
    let error = other.load_keras_weights(saved("dense-net.weights.h5")).unwrap_err();
    assert!(error.to_string().contains("layer Conv2D-1 (Conv2D): its kernel has the shape [3, 3, 1, 24] in the file"), "{error}");
    let after = &other.weights()[0].1;
    assert_eq!(before.flatten_all().unwrap().to_vec1::<f32>().unwrap(), after.flatten_all().unwrap().to_vec1::<f32>().unwrap());
}

#[test]
fn a_network_that_this_crate_does_not_have_is_refused_by_the_name_of_its_layer() {
    for (name, expected) in [
        ("recurrent", "layer memory (LSTM): this crate has no such layer"),
        ("dilated", "layer dilated (Conv2D): this crate has none with a dilation_rate of [2,2]"),
        ("shared", "layer twice of its network is used 2 times"),
        ("crossed", "layer first (Conv2D): several branches read it"),
        ("capped", "layer capped (ReLU): this crate has no ReLU with a max_value of 6"),
    ] {
        let error = Model::load_keras(saved(&format!("{name}.keras"))).unwrap_err();
        assert!(matches!(error, Error::ModelFile { .. }));
        assert!(error.to_string().contains(expected), "{name}: {error}");
    }
    let error = Model::load_keras(saved("dense-net.weights.h5")).unwrap_err();
    assert!(error.to_string().contains("weights alone"), "{error}");
}

/// Settings that no network of the zoo has.
fn odd() -> ModelSpec {
    let slope = Activation::LeakyRelu { negative_slope: 0.1 };
    let left = Block::new()
        .layer("conv", Conv2d::new(6).kernel_size((3, 2)).strides((2, 1)).padding((1, 0)).groups(3).activation(slope))
        .layer("norm", BatchNorm::new().epsilon(1e-5).activation(Activation::Elu));
    let right = Block::new()
        .layer("depthwise", DepthwiseConv2d::new((2, 2)).strides((2, 1)).depth_multiplier(2).init(Init::Torch))
        .layer("selu", Activation::Selu);
    ModelSpec::new("odd")
        .input([12, 9, 3])
        .add("joined", [left, right])
        .layer("frame", ZeroPadding2d::new(((0, 1), (2, 0))))
        .layer("grow", Conv2dTranspose::new(4).kernel_size((2, 3)).strides((3, 2)).without_bias().activation(Activation::Silu))
        .layer("pool", AvgPool2d::new((2, 3)).strides((1, 2)).same())
        .layer("most", MaxPool2d::new(3).strides(2))
        .concatenate("again", [Block::new(), Block::new().layer("up", Conv2d::new(3).same().init(Init::Normal { stddev: 0.1 }))])
        .layer("layer-norm", LayerNorm::new().epsilon(1e-4))
        .layer("slope", slope)
        .layer("up", UpSampling2d::new((1, 2)))
        .layer("mean", GlobalAvgPool2d)
        .layer("hidden", Dense::new(12).activation(Activation::Gelu))
        .layer("shape", Reshape::new([2, 3, 2]))
        .layer("flat", Flatten)
        .layer("output", Dense::new(5).activation(Activation::Tanh))
}

#[test]
fn a_model_that_is_written_here_answers_there_as_here() {
    let folder = tempfile::tempdir().unwrap();
    let zoo = networks::all().into_iter().map(|recipe| recipe.spec);
    for spec in zoo.chain([odd()]) {
        let model = trained(&spec);
        let path = |ending: &str| folder.path().join(format!("{}{ending}", spec.name()));
        let images = noise(&[3, spec.input_shape()[0], spec.input_shape()[1], spec.input_shape()[2]], 3);
        images.write_npy(path("-images.npy")).unwrap();
        model.forward(&images, None).unwrap().write_npy(path("-scores.npy")).unwrap();
        model.save_keras(path(".keras")).unwrap();
        model.save_keras_weights(path(".weights.h5")).unwrap();
    }
    keras("check", folder.path());
}
