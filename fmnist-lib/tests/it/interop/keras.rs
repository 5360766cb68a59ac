//! Keras's files, against Keras itself.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use fmnist_lib::candle_core::{D, Device, Tensor};
use fmnist_lib::{
    Activation, AvgPool2d, BatchNorm, Block, Conv2d, Conv2dTranspose, Dense, DepthwiseConv2d,
    Error, Flatten, GlobalAvgPool2d, Init, LayerNorm, MaxPool2d, Model, ModelSpec, Reshape,
    Scaling, UpSampling2d, ZeroPadding2d, candle_nn, one_layer,
};

use super::run;
use crate::zoo::{networks, values, with_weights};

fn keras(command: &str, folder: &Path) {
    run(
        "keras",
        "keras_files.py",
        &[OsStr::new(command), folder.as_os_str()],
    );
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
    let images = match model.spec().input_scaling() {
        Scaling::Standard { mean, deviation } => images
            .affine(1.0 / f64::from(deviation), -f64::from(mean / deviation))
            .unwrap(),
        _ => images,
    };
    // Keras takes images without channels too.
    let images = match images.rank() {
        3 => images.unsqueeze(3).unwrap(),
        _ => images,
    };
    let mut found = model.forward(&images, None).unwrap();
    if softmax {
        found = candle_nn::ops::softmax(&found, D::Minus1).unwrap();
    }
    assert_eq!(found.dims(), scores.dims(), "{name}");
    let largest = |tensor: &Tensor| {
        tensor
            .abs()
            .unwrap()
            .max_all()
            .unwrap()
            .to_scalar::<f32>()
            .unwrap()
    };
    largest(&(found - &scores).unwrap()) / largest(&scores)
}

#[test]
fn a_model_that_keras_has_trained_answers_here_as_there() {
    let names = SAVED
        .read_dir()
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let names = names.filter_map(|name| Some(name.strip_suffix("-scores.npy")?.to_owned()));
    let names: Vec<String> = names.collect();
    assert!(names.len() >= 20, "{names:?}");
    let mut most = 0_f32;
    for name in names {
        let model = Model::load_keras(saved(&format!("{name}.keras"))).unwrap();
        let softmax = ["odd", "in-a-row", "fine-tuned"].contains(&name.as_str());
        let difference = difference(&model, &name, softmax);
        assert!(difference < 1e-5, "{name}: {difference}");
        most = most.max(difference);
    }
    println!("read from Keras: largest difference, relative to the largest score: {most:.1e}");
    let old = Model::load_keras(saved("odd.h5")).unwrap();
    assert!(difference(&old, "odd", true) < 1e-5);
}

#[test]
fn what_keras_tells_of_a_network_becomes_part_of_it() {
    let odd = Model::load_keras(saved("odd.keras")).unwrap();
    let scaling = Scaling::Standard {
        mean: 127.5,
        deviation: 127.5,
    };
    assert_eq!(odd.spec().input_scaling(), scaling);
    let in_a_row = Model::load_keras(saved("in-a-row.keras")).unwrap();
    let ours = one_layer().build(1).unwrap();
    let count = |model: &Model| model.summary().unwrap().parameters();
    assert_eq!(count(&in_a_row), count(&ours));
    assert_eq!(in_a_row.spec().input_scaling(), Scaling::Unit);
}

#[test]
fn what_keras_does_not_train_is_frozen_here_and_there() {
    let folder = tempfile::tempdir().unwrap();
    for file in ["fine-tuned.keras", "fine-tuned.h5"] {
        let model = Model::load_keras(saved(file)).unwrap();
        let summary = model.summary().unwrap();
        let fixed = summary
            .rows
            .iter()
            .filter(|row| row.parameters > 0 && row.parameters == row.not_trainable);
        let names: Vec<&str> = fixed.map(|row| row.name.as_str()).collect();
        assert_eq!(names.len(), 3, "{names:?}");
        assert!(names[0].starts_with("separable_conv2d") && names[2].starts_with("batch_norm"));
        // All of them again, by their names.
        let mut other = model.spec().build(7).unwrap();
        other.load_keras_weights(saved(file)).unwrap();
        assert!(difference(&other, "fine-tuned", true) < 1e-5);
        model.save_keras(folder.path().join("fixed.keras")).unwrap();
        let again = Model::load_keras(folder.path().join("fixed.keras")).unwrap();
        assert_eq!(
            again.summary().unwrap().not_trainable(),
            summary.not_trainable()
        );
    }
}

#[test]
fn a_name_by_which_keras_would_not_know_the_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let model = one_layer().build(1).unwrap();
    let error = model.save_keras(folder.path().join("net.h5")).unwrap_err();
    assert!(
        error.to_string().contains("its name ends in .keras"),
        "{error}"
    );
    let path = folder.path().join("net.h5");
    let error = model.save_keras_weights(&path).unwrap_err();
    assert!(
        error.to_string().contains("its name ends in .weights.h5"),
        "{error}"
    );
    assert!(!path.exists());
}

/// Weights that look at those of the zoo's networks by the order of their layers: names differ.
#[test]
fn weights_alone_are_read_into_a_network_of_the_same_layers() {
    let recipes = networks::all().into_iter();
    let spec = recipes
        .map(|recipe| recipe.spec)
        .find(|spec| spec.name() == "dense-net")
        .unwrap();
    for file in ["dense-net.weights.h5", "dense-net.keras"] {
        let mut model = spec.build(7).unwrap();
        model.load_keras_weights(saved(file)).unwrap();
        let difference = difference(&model, "dense-net", false);
        assert!(difference < 1e-5, "{file}: {difference}");
    }
    let mut other = one_layer().build(7).unwrap();
    let before = other.weights()[0].1.copy().unwrap();
    let error = other
        .load_keras_weights(saved("dense-net.weights.h5"))
        .unwrap_err();
    assert!(
        error.to_string().contains(
            "layer Conv2D-1 (Conv2D): its kernel has the shape [3, 3, 1, 24] in the file"
        ),
        "{error}"
    );
    let after = &other.weights()[0].1;
    assert_eq!(
        before.flatten_all().unwrap().to_vec1::<f32>().unwrap(),
        after.flatten_all().unwrap().to_vec1::<f32>().unwrap()
    );
}

#[test]
fn a_network_that_this_crate_does_not_have_is_refused_by_the_name_of_its_layer() {
    for (name, expected) in [
        (
            "recurrent",
            "layer memory (LSTM): this crate has no such layer",
        ),
        (
            "dilated",
            "layer dilated (Conv2D): this crate cannot do its dilation_rate of [2,2]",
        ),
        ("shared", "layer twice of its network is used 2 times"),
        ("crossed", "layer first (Conv2D): several branches read it"),
        (
            "capped",
            "layer capped (ReLU): this crate has no ReLU with a max_value of 6",
        ),
        (
            "rows",
            "layer rows (BatchNormalization): this crate works along channels, the last axis, not along axis 1",
        ),
        (
            "stacked",
            "layer stacked (Concatenate): this crate works along channels",
        ),
        (
            "late",
            "layer late (Rescaling): this crate scales pixels where they enter the network",
        ),
        ("flipped", "layer flipped (RandomFlip): this crate changes"),
        (
            "multiplied",
            "layer multiplied (Multiply): this crate has no such layer",
        ),
        (
            "smooth",
            "layer smooth (UpSampling2D): this crate cannot do its interpolation of \"bilinear\"",
        ),
        ("line", "layer line (Conv1D): this crate has no such layer"),
        (
            "plus",
            "(Add): it is none of Keras's layers, but an operation",
        ),
        ("constant", "layer constant of its network reads a constant"),
        ("joined", "(Concatenate): it is none of Keras's layers"),
        (
            "own",
            "layer own (mine>Dense): it is none of Keras's layers",
        ),
        (
            "all-axes",
            "layer all-axes (LayerNormalization): this crate works along channels, the last axis, not along axis [1,2,3]",
        ),
        (
            "soft-rows",
            "layer soft-rows (Softmax): this crate works along channels",
        ),
        (
            "softer",
            "layer softer (Dense): this crate does not have the activation softmax at this place",
        ),
        (
            "masked",
            "layer masked of its network reads a constant or a mask",
        ),
        ("half", "layer half (Flatten): its dtype is float16"),
        (
            "inner",
            "layer inner (Sequential): it is none of Keras's layers",
        ),
        (
            "bare",
            "layer bare (LayerNormalization): it works along an axis of images without channels",
        ),
        ("tower", "it lies in branches within more than 30 branches"),
    ] {
        let error = Model::load_keras(saved(&format!("{name}.keras"))).unwrap_err();
        assert!(matches!(error, Error::ModelFile { .. }));
        assert!(error.to_string().contains(expected), "{name}: {error}");
    }
    let error = Model::load_keras(saved("dense-net.weights.h5")).unwrap_err();
    assert!(error.to_string().contains("weights alone"), "{error}");
}

/// A softmax over the only axis of flat scores is the usual one.
#[test]
fn a_softmax_by_the_number_of_its_axis_is_left_out() {
    let model = Model::load_keras(saved("soft-flat.keras")).unwrap();
    assert_eq!(model.summary().unwrap().rows.last().unwrap().name, "flat");
}

/// Small files that claim to hold much: none takes the memory that it claims.
#[test]
fn a_file_that_claims_to_be_large_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    keras("large", folder.path());
    let spec = ModelSpec::new("small")
        .layer("conv2d", Conv2d::new(4))
        .layer("flat", Flatten)
        .layer("out", Dense::new(3));
    let mut model = spec.build(1).unwrap();
    let path = |name: &str| folder.path().join(name);
    let error = model
        .load_keras_weights(path("dims.weights.h5"))
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("[1000000000, 1000000000] in the file"),
        "{error}"
    );
    let error = Model::load_keras(path("units.keras")).unwrap_err();
    assert!(
        error.to_string().contains("the network becomes too large"),
        "{error}"
    );
    let error = Model::load_keras(path("layers.keras")).unwrap_err();
    assert!(
        error.to_string().contains("at most 1000 are read"),
        "{error}"
    );
    Model::load_keras(path("deflated.keras")).unwrap();
    #[cfg(unix)]
    for read in [
        |path: &Path| Model::load_keras(path).map(|_| ()),
        |path: &Path| Model::load(path).map(|_| ()),
    ] {
        let error = read(Path::new("/dev/zero")).unwrap_err();
        assert!(
            error.to_string().contains("it is a pipe or a device"),
            "{error}"
        );
    }
}

/// Settings that no network of the zoo has.
fn odd() -> ModelSpec {
    let slope = Activation::LeakyRelu {
        negative_slope: 0.1,
    };
    let left = Block::new()
        .layer(
            "conv",
            Conv2d::new(6)
                .kernel_size((3, 2))
                .strides(2)
                .padding((1, 0))
                .groups(3)
                .activation(slope),
        )
        .layer(
            "norm",
            BatchNorm::new().epsilon(1e-5).activation(Activation::Elu),
        );
    let right = Block::new()
        .layer(
            "depthwise",
            DepthwiseConv2d::new((2, 2))
                .strides(2)
                .depth_multiplier(2)
                .init(Init::Torch),
        )
        .layer("selu", Activation::Selu);
    ModelSpec::new("odd")
        .input([12, 9, 3])
        .add("joined", [left, right])
        .layer("frame", ZeroPadding2d::new(((0, 1), (2, 0))))
        .layer(
            "grow",
            Conv2dTranspose::new(4)
                .kernel_size((2, 3))
                .strides((3, 2))
                .without_bias()
                .activation(Activation::Silu),
        )
        .layer("pool", AvgPool2d::new((2, 3)).strides((1, 2)).same())
        .layer("most", MaxPool2d::new(3).strides(2))
        .concatenate(
            "again",
            [
                Block::new(),
                Block::new().layer(
                    "up",
                    Conv2d::new(3).same().init(Init::Normal { stddev: 0.1 }),
                ),
            ],
        )
        .layer("layer-norm", LayerNorm::new().epsilon(1e-4))
        .layer("slope", slope)
        .layer("up", UpSampling2d::new((1, 2)))
        .layer("mean", GlobalAvgPool2d)
        .layer("hidden", Dense::new(12).activation(Activation::Gelu))
        .layer("shape", Reshape::new([2, 3, 2]))
        .layer("flat", Flatten)
        .layer("output", Dense::new(5).activation(Activation::Tanh))
}

/// Each network, with weights that are noise.
#[test]
fn a_model_that_is_written_here_answers_there_as_here() {
    let folder = tempfile::tempdir().unwrap();
    let zoo = networks::all().into_iter().map(|it| (it.spec, [28, 28, 1]));
    for (spec, [height, width, channels]) in zoo.chain([(odd(), [12, 9, 3])]) {
        let mut model = with_weights(&spec);
        if spec.name() == "odd" {
            model.freeze(["grow"]).unwrap();
        }
        let path = |ending: &str| folder.path().join(format!("{}{ending}", spec.name()));
        let images = Tensor::rand(0_f32, 1.0, (3, height, width, channels), &Device::Cpu).unwrap();
        images.write_npy(path("-images.npy")).unwrap();
        let scores = model.forward(&images, None).unwrap();
        scores.write_npy(path("-scores.npy")).unwrap();
        model.save_keras(path(".keras")).unwrap();
        model.save_keras_weights(path(".weights.h5")).unwrap();
    }
    keras("check", folder.path());
}

#[test]
fn what_is_written_here_is_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let model = with_weights(&odd());
    let path = folder.path().join("odd.keras");
    model.save_keras(&path).unwrap();
    let again = Model::load_keras(&path).unwrap();
    let images = Tensor::rand(0_f32, 1.0, (3, 12, 9, 3), &Device::Cpu).unwrap();
    let scores = |model: &Model| values(&model.forward(&images, None).unwrap());
    assert_eq!(scores(&again), scores(&model));
    let names = |model: &Model| Vec::from_iter(model.weights().into_iter().map(|(name, _)| name));
    assert_eq!(names(&again), names(&model));
}

/// At each length, and with each of many single bytes changed, a file is refused or read: it never ends the program.
#[test]
fn a_damaged_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let spec = ModelSpec::new("small")
        .layer("pool", MaxPool2d::new(7))
        .layer("flat", Flatten)
        .layer("out", Dense::new(3));
    let mut model = with_weights(&spec);
    for ending in ["keras", "weights.h5"] {
        let path = folder.path().join(format!("small.{ending}"));
        match ending {
            "keras" => model.save_keras(&path).unwrap(),
            _ => model.save_keras_weights(&path).unwrap(),
        }
        let bytes = std::fs::read(&path).unwrap();
        let mut read = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            let result = match ending {
                "keras" => Model::load_keras(&path).map(|_| ()),
                _ => model.load_keras_weights(&path),
            };
            if let Err(error) = &result {
                assert!(
                    error.to_string().contains(path.to_str().unwrap()),
                    "{error}"
                );
            }
            result
        };
        for length in (0..bytes.len()).step_by(37) {
            assert!(
                read(&bytes[..length]).is_err(),
                "{ending}, {length} of {} bytes",
                bytes.len()
            );
        }
        for at in (0..bytes.len()).step_by(11) {
            let mut changed = bytes.clone();
            changed[at] ^= 0x55;
            let _ = read(&changed);
        }
    }
    let error = Model::load_keras(folder.path().join("none.keras")).unwrap_err();
    assert!(matches!(error, Error::Io { .. }), "{error}");
}

#[test]
fn what_keras_does_not_have_is_refused_before_a_file_is_touched() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pool.keras");
    std::fs::write(&path, "before").unwrap();
    let spec = ModelSpec::new("pool")
        .layer("wide", MaxPool2d::new(3).padding(1))
        .layer("flat", Flatten);
    let error = spec.build(1).unwrap().save_keras(&path).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("layer wide: Keras has no pool with a padding of 1x1"),
        "{error}"
    );
    assert_eq!(std::fs::read_to_string(path).unwrap(), "before");
}
