use std::fs;

use fmnist_lib::candle_core::Device;
use fmnist_lib::{
    Activation, AvgPool2d, BatchNorm, Block, Conv2d, Conv2dTranspose, Dataset, Dense,
    DepthwiseConv2d, Dropout, Flatten, GlobalAvgPool2d, LayerNorm, MaxPool2d, ModelSpec, Reshape,
    Scaling, UpSampling2d, ZeroPadding2d,
};
use rand::Rng;

use super::run;
use crate::own::SAME;
use crate::random;
use crate::zoo::{networks, values, with_weights};

/// Exports each network, which takes images of a shape, and compares ONNX Runtime's scores of random images with ours. The
/// weights are noise, and so are the moving means of batch normalisations.
fn gives_the_same_scores(networks: &[(ModelSpec, [usize; 3])]) {
    let all = tempfile::tempdir().unwrap();
    let mut ours = Vec::new();
    for (spec, shape) in networks {
        let folder = all.path().join(spec.name());
        fs::create_dir(&folder).unwrap();
        let model = with_weights(spec);
        model.save_onnx(folder.join("model.onnx")).unwrap();
        for batch in [1, 5] {
            let images = random_images(batch, *shape);
            let file = folder.join(batch.to_string());
            fs::write(file.with_extension("pixels"), images.images()).unwrap();
            let input = images.to_tensor(spec.input_scaling(), &Device::Cpu);
            let scores = model.forward(&input.unwrap(), None).unwrap();
            ours.push((file.with_extension("scores"), values(&scores)));
        }
    }
    run("onnx", "onnx_scores.py", &[all.path().as_os_str()]);
    for (file, ours) in ours {
        let bytes = fs::read(&file).unwrap();
        let (theirs, _) = bytes.as_chunks();
        let theirs: Vec<f32> = theirs.iter().map(|&it| f32::from_le_bytes(it)).collect();
        assert_eq!(theirs.len(), ours.len(), "{}", file.display());
        let largest = ours.iter().fold(0_f32, |most, it| most.max(it.abs()));
        for (ours, theirs) in ours.iter().zip(&theirs) {
            let apart = (ours - theirs).abs() / largest;
            assert!(apart < 1e-5, "{}: {ours} for {theirs}", file.display());
        }
    }
}

fn random_images(count: usize, shape: [usize; 3]) -> Dataset {
    let mut random = random(count as u64);
    let bytes = count * shape.iter().product::<usize>();
    let pixels = (0..bytes).map(|_| random.random()).collect();
    Dataset::of_shape(shape, ["any"], pixels, vec![0; count]).unwrap()
}

#[test]
fn the_zoo_gives_the_same_scores() {
    let zoo = networks::all().into_iter();
    let zoo: Vec<(ModelSpec, [usize; 3])> = zoo.map(|it| (it.spec, [28, 28, 1])).collect();
    assert!(!zoo.is_empty());
    gives_the_same_scores(&zoo);
}

/// Every layer, with settings that show which side is which.
fn odd() -> ModelSpec {
    let flat = || {
        Block::new()
            .layer("pool", AvgPool2d::new((3, 2)).strides(2).padding(1))
            .layer("flatten", Flatten)
            .layer("norm", BatchNorm::new().activation(Activation::Tanh))
    };
    ModelSpec::new("odd")
        .input([13, 10, 3])
        .scaling(Scaling::Standard {
            mean: 72.9,
            deviation: 90.1,
        })
        .layer(
            "same",
            Conv2d::new(6).kernel_size((4, 5)).strides((2, 3)).same(),
        )
        .layer("up", UpSampling2d::new((2, 3)))
        .layer(
            "groups",
            Conv2d::new(9)
                .kernel_size((2, 3))
                .padding((1, 2))
                .groups(3)
                .without_bias(),
        )
        .layer("norm", BatchNorm::new().epsilon(0.1).relu())
        .layer("max", MaxPool2d::new((3, 2)).strides((1, 2)).same())
        .layer(
            "depthwise",
            DepthwiseConv2d::new((3, 4))
                .strides((2, 1))
                .same()
                .depth_multiplier(2),
        )
        .layer("layer-norm", LayerNorm::new().epsilon(0.2))
        .layer("avg", AvgPool2d::new((2, 3)).strides(1).same())
        .layer("around", ZeroPadding2d::new(((0, 2), (1, 3))))
        .layer(
            "sparse",
            Conv2d::new(5)
                .kernel_size(1)
                .strides(2)
                .same()
                .activation(Activation::Silu),
        )
        .add(
            "sum",
            [
                Block::new()
                    .layer("conv", Conv2d::new(5).same())
                    .layer("layer-norm", LayerNorm::new()),
                Block::new(),
                Block::new().layer("depthwise", DepthwiseConv2d::new(5).same()),
            ],
        )
        .concatenate(
            "transposed",
            [
                Block::new().layer(
                    "apart",
                    Conv2dTranspose::new(4).kernel_size((1, 2)).strides((2, 3)),
                ),
                Block::new().layer(
                    "same",
                    Conv2dTranspose::new(3)
                        .kernel_size((3, 4))
                        .strides((2, 3))
                        .same(),
                ),
                Block::new().layer(
                    "same-apart",
                    Conv2dTranspose::new(3)
                        .kernel_size(1)
                        .strides((2, 3))
                        .same()
                        .without_bias(),
                ),
            ],
        )
        .layer("dropout", Dropout::new(0.5))
        .layer(
            "valid",
            Conv2dTranspose::new(2).kernel_size((3, 2)).strides((2, 1)),
        )
        .concatenate(
            "flat",
            [
                flat(),
                Block::new().layer("mean", GlobalAvgPool2d),
                Block::new().add("one", [flat()]),
            ],
        )
        .layer("dense", Dense::new(24).relu())
        .layer("norm-dense", LayerNorm::new())
        .layer("lines", Reshape::new([6, 4]))
        .layer("norm-lines", BatchNorm::new())
        .layer("layer-norm-lines", LayerNorm::new())
        .layer("image", Reshape::new([3, 2, 4]))
        .layer("pixels", Conv2d::new(7).kernel_size(2).same())
        .layer("image-2", Reshape::new([7, 6, 1]))
        .layer("flatten", Flatten)
        .layer("output", Dense::new(3))
}

/// Each activation, as a layer and behind a convolution.
fn activations() -> ModelSpec {
    let all = [
        Activation::Linear,
        Activation::Relu,
        Activation::LeakyRelu {
            negative_slope: 0.3,
        },
        Activation::Elu,
        Activation::Selu,
        Activation::Gelu,
        Activation::Silu,
        Activation::Sigmoid,
        Activation::Tanh,
    ];
    let branch = |activation: Activation| {
        Block::new()
            .layer("conv", Conv2d::new(2).activation(activation))
            .layer("layer", activation)
    };
    let branches =
        all.map(|activation| Block::new().add(&format!("{activation:?}"), [branch(activation)]));
    ModelSpec::new("activations")
        .input([5, 4, 2])
        .concatenate("all", branches)
}

#[test]
fn odd_settings_give_the_same_scores() {
    let nothing = ModelSpec::new("nothing").layer("dropout", Dropout::new(0.1));
    let raw = ModelSpec::new("raw")
        .scaling(Scaling::Raw)
        .layer("flatten", Flatten);
    let one_channel = ModelSpec::new("one channel")
        .layer("conv", Conv2d::new(1))
        .layer("image", Reshape::new([13, 4, 13]))
        .layer("conv-2", Conv2d::new(1))
        .layer("flatten", Flatten);
    gives_the_same_scores(&[
        (one_channel, [28, 28, 1]),
        (odd(), [13, 10, 3]),
        (activations(), [5, 4, 2]),
        (nothing, [28, 28, 1]),
        (raw, [28, 28, 1]),
    ]);
}

#[test]
fn a_layer_of_ones_own_is_named() {
    let spec = ModelSpec::new("net").custom("mine", SAME);
    let model = spec.build(1).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("net.onnx");
    let error = model.save_onnx(&path).unwrap_err();
    let error = error.to_string();
    assert!(
        error.starts_with("model net, layer mine: ") && error.contains("save_weights"),
        "{error}"
    );
    assert!(!path.exists());
}
