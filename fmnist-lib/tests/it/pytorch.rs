//! Weights as PyTorch has them, against files that PyTorch has written: `tests/interop/pytorch.py` makes them.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use fmnist_lib::candle_core::{Device, Tensor, safetensors};
use fmnist_lib::{
    Activation, AvgPool2d, BatchNorm, Block, Conv2d, Conv2dTranspose, Dense, DepthwiseConv2d,
    Dropout, Error, Flatten, GlobalAvgPool2d, LayerNorm, ModelSpec, Reshape, UpSampling2d,
};

use crate::own::SAME;
use crate::training::bits;
use crate::zoo::{values, with_weights};

/// `classifier` of `pytorch.py`.
fn classifier() -> ModelSpec {
    let body = Block::new()
        .layer("groups", Conv2d::new(6).same().groups(3).without_bias())
        .layer("norm", BatchNorm::new().activation(Activation::Elu));
    let flat = Block::new()
        .layer("flatten", Flatten)
        .layer("norm", BatchNorm::new())
        .layer("dropout", Dropout::new(0.5));
    let pooled = Block::new()
        .layer("pool", AvgPool2d::new(3).strides(2).padding(1))
        .layer("flatten-2", Flatten);
    ModelSpec::new("classifier")
        .input([9, 8, 3])
        .layer(
            "conv",
            Conv2d::new(6)
                .kernel_size((3, 2))
                .strides((2, 1))
                .padding(1),
        )
        .layer("norm", BatchNorm::new().relu())
        .add(
            "block-1.2",
            [
                body,
                Block::new(),
                Block::new().layer("layer-norm", LayerNorm::new()),
            ],
        )
        .layer(
            "depthwise",
            DepthwiseConv2d::new((2, 3)).depth_multiplier(2),
        )
        .concatenate(
            "views",
            [flat, Block::new().layer("mean", GlobalAvgPool2d), pooled],
        )
        .layer("dense", Dense::new(7).activation(Activation::Gelu))
        .layer("layer-norm", LayerNorm::new())
        .layer("output", Dense::new(5))
}

/// `painter` of `pytorch.py`.
fn painter() -> ModelSpec {
    let leaky = Activation::LeakyRelu {
        negative_slope: 0.3,
    };
    ModelSpec::new("painter")
        .input([4, 3, 2])
        .layer("encode", Conv2d::new(3).kernel_size(2))
        .layer("flatten", Flatten)
        .layer("narrow", Dense::new(5).activation(Activation::Tanh))
        .layer("wide", Dense::new(4 * 3 * 6).activation(Activation::Silu))
        .layer("norm", BatchNorm::new())
        .layer("image", Reshape::new([4, 3, 6]))
        .layer(
            "up",
            Conv2dTranspose::new(4)
                .kernel_size((3, 4))
                .strides(3)
                .activation(leaky),
        )
        .layer(
            "output",
            Conv2d::new(2)
                .kernel_size((1, 2))
                .activation(Activation::Sigmoid),
        )
}

fn fixture(file: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/pytorch");
    folder.join(file)
}

fn tensors(path: &Path) -> HashMap<String, Tensor> {
    safetensors::load(path, &Device::Cpu).unwrap()
}

#[test]
fn weights_of_pytorch_give_its_scores_and_are_written_as_it_writes_them() {
    let folder = tempfile::tempdir().unwrap();
    for spec in [classifier(), painter()] {
        let name = spec.name();
        let weights = fixture(&format!("{name}.safetensors"));
        let theirs = tensors(&fixture(&format!("{name}-scores.safetensors")));
        let mut model = spec.build(1).unwrap();
        model.load_pytorch(&weights).unwrap();
        let scores = model.forward(&theirs["images"], None).unwrap();
        assert_eq!(scores.dims(), theirs["scores"].dims());
        let apart = farthest(&scores, &theirs["scores"]);
        assert!(apart < 1e-5, "{name}: {apart}");

        let written = folder.path().join(name);
        model.save_pytorch(&written).unwrap();
        assert!(
            fs::read(written).unwrap() == fs::read(weights).unwrap(),
            "{name}"
        );
    }
}

/// The largest difference, as a part of the largest value.
fn farthest(ours: &Tensor, theirs: &Tensor) -> f32 {
    let (ours, theirs) = (values(ours), values(theirs));
    let largest = theirs.iter().fold(0_f32, |most, it| most.max(it.abs()));
    let apart = ours.iter().zip(&theirs).map(|(one, two)| (one - two).abs());
    apart.fold(0.0, f32::max) / largest
}

/// The files stay, for `pytorch.py compare`.
#[test]
fn what_is_written_can_be_read_again() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pytorch");
    fs::create_dir_all(&folder).unwrap();
    for spec in [classifier(), painter()] {
        let (name, model) = (spec.name(), with_weights(&spec));
        let weights = folder.join(format!("{name}.safetensors"));
        model.save_pytorch(&weights).unwrap();
        let mut other = spec.build(2).unwrap();
        other.load_pytorch(&weights).unwrap();
        assert_eq!(bits(&other), bits(&model), "{name}");

        let images = tensors(&fixture(&format!("{name}-scores.safetensors")))["images"].clone();
        let scores = model.forward(&images, None).unwrap();
        let both = HashMap::from([("images", images), ("scores", scores)]);
        safetensors::save(&both, folder.join(format!("{name}-scores.safetensors"))).unwrap();
    }
}

#[test]
fn tensors_that_do_not_fit_are_named_and_change_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights");
    let spec = ModelSpec::new("net")
        .layer("conv", Conv2d::new(2))
        .layer("norm", BatchNorm::new())
        .layer("flatten", Flatten)
        .layer("output", Dense::new(3));
    spec.build(1).unwrap().save_pytorch(&path).unwrap();
    let whole = tensors(&path);
    let mut model = spec.build(2).unwrap();
    let before = bits(&model);
    let mut refusal = |change: &dyn Fn(&mut HashMap<String, Tensor>)| {
        let mut tensors = whole.clone();
        change(&mut tensors);
        safetensors::save(&tensors, &path).unwrap();
        let error = model.load_pytorch(&path).unwrap_err();
        assert!(matches!(error, Error::Checkpoint { .. }), "{error}");
        assert_eq!(bits(&model), before);
        error.to_string()
    };
    let missing = refusal(&|tensors| drop(tensors.remove("norm.running_var")));
    assert!(missing.contains("no tensor norm.running_var"), "{missing}");
    let turned = refusal(&|tensors| {
        let weight = tensors["output.weight"].t().unwrap().contiguous().unwrap();
        tensors.insert("output.weight".into(), weight);
    });
    let shapes =
        "output.weight is F32 of shape [1352, 3], but model net needs F32 of shape [3, 1352]";
    assert!(turned.contains(shapes), "{turned}");
    let more = refusal(&|tensors| {
        tensors.insert("conv.more".into(), tensors["conv.bias"].clone());
    });
    assert!(more.contains("a tensor conv.more"), "{more}");

    fs::write(&path, "PK\u{3}\u{4}").unwrap();
    let pickled = model.load_pytorch(&path).unwrap_err().to_string();
    assert!(pickled.contains("save_file"), "{pickled}");
    // PyTorch makes do without the count of batches, and so does this.
    let mut without = whole;
    without.remove("norm.num_batches_tracked").unwrap();
    safetensors::save(&without, &path).unwrap();
    model.load_pytorch(&path).unwrap();
    assert_eq!(bits(&model), bits(&spec.build(1).unwrap()));
}

#[test]
fn networks_that_pytorch_cannot_have_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights");
    let flat = |name: &str| Block::new().layer(name, Flatten);
    let image = || ModelSpec::new("net").input([4, 4, 3]);
    let cases = [
        (image().custom("mine", SAME), "layer mine: "),
        (
            image().layer("reshape", Reshape::new([4, 2, 6])),
            "layer reshape: ",
        ),
        (
            image().layer("lines", Reshape::new([16, 3])),
            "layer lines: ",
        ),
        (
            image().add(
                "sum",
                [
                    flat("flatten"),
                    flat("flatten-2").layer("dense", Dense::new(48)),
                ],
            ),
            "layer sum: ",
        ),
        (
            image()
                .layer("conv.1", Conv2d::new(3))
                .layer("conv_1", Conv2d::new(3).same()),
            "layer conv_1: ",
        ),
        (image().layer("a//b", Conv2d::new(3)), "layer \"a//b\": "),
    ];
    for (spec, told) in cases {
        let mut model = spec.build(1).unwrap();
        for error in [
            model.save_pytorch(&path).unwrap_err(),
            model.load_pytorch(&path).unwrap_err(),
        ] {
            let error = error.to_string();
            assert!(error.starts_with(&format!("model net: {told}")), "{error}");
        }
        assert!(!path.exists());
    }
    // With one channel, or of the same image again, they are the same.
    let possible = [
        ModelSpec::new("net").layer("lines", Reshape::new([28, 28])),
        image()
            .layer("flatten", Flatten)
            .layer("image", Reshape::new([4, 4, 3])),
        image().layer("up", UpSampling2d::new(2)),
    ];
    for spec in possible {
        spec.build(1).unwrap().save_pytorch(&path).unwrap();
    }
}
