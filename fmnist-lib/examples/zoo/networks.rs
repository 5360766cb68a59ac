//! Networks for small images as courses, books and papers have them, each with its usual recipe.
//!
//! Where a network was made for larger images, its first layer has smaller strides here, as is usual for
//! 28×28 or 32×32 pixels.

use fmnist_lib::{
    Activation, Adam, AvgPool2d, BatchNorm, BinaryCrossEntropy, Block, Conv2d, Conv2dTranspose,
    Dense, DepthwiseConv2d, Dropout, FitConfig, Flatten, GlobalAvgPool2d, Init, MaxPool2d,
    ModelSpec, Schedule, Sgd, UpSampling2d,
};

/// A network, how it is trained, and where both come from.
pub(crate) struct Recipe {
    pub(crate) spec: ModelSpec,
    pub(crate) config: FitConfig,
    pub(crate) source: &'static str,
}

/// All networks, smallest first.
pub(crate) fn all() -> Vec<Recipe> {
    let config = FitConfig::default;
    let momentum = || Sgd::new().momentum(0.9);
    let recipe = |spec, config, source| Recipe {
        spec,
        config,
        source,
    };
    vec![
        recipe(
            autoencoder(),
            config()
                .loss(BinaryCrossEntropy::new())
                .batch_size(128)
                .epochs(10),
            "Chollet, 2016, Building autoencoders in Keras",
        ),
        recipe(
            transposed_autoencoder(),
            config()
                .loss(BinaryCrossEntropy::new())
                .batch_size(128)
                .epochs(10),
            "Valdarrama, 2021, Convolutional autoencoder for image denoising",
        ),
        recipe(
            softmax_regression(),
            config()
                .optimizer(Sgd::new(), 0.1)
                .batch_size(256)
                .epochs(10),
            "Dive into Deep Learning, 4.5",
        ),
        recipe(
            lenet5(),
            config()
                .optimizer(Sgd::new(), 0.9)
                .batch_size(256)
                .epochs(10),
            "LeCun et al., 1998; Dive into Deep Learning, 7.6",
        ),
        recipe(
            modern_lenet(),
            config().batch_size(128).epochs(10),
            "LeNet-5 with ReLU and max pooling",
        ),
        recipe(
            resnext(),
            config()
                .optimizer(momentum(), 0.1)
                .l2(2.5e-4)
                .batch_size(128)
                .epochs(10)
                .schedule(Schedule::Cosine),
            "Xie et al., 2017, in a small form",
        ),
        recipe(
            batch_norm_lenet(),
            config()
                .optimizer(Sgd::new(), 0.1)
                .batch_size(256)
                .epochs(10),
            "Dive into Deep Learning, 8.5",
        ),
        recipe(
            conv_mixer(),
            config()
                .optimizer(Adam::new(), 0.001)
                .weight_decay(0.01)
                .batch_size(128)
                .epochs(10),
            "Trockman & Kolter, 2022",
        ),
        recipe(
            mobile_net(),
            config().batch_size(128).epochs(10),
            "Howard et al., 2017",
        ),
        recipe(
            dense_net(),
            config()
                .optimizer(momentum().nesterov(), 0.1)
                .l2(5e-5)
                .batch_size(64)
                .epochs(10)
                .schedule(Schedule::Cosine),
            "Huang et al., 2017",
        ),
        recipe(
            mlp_128(),
            config().batch_size(32).epochs(10),
            "TensorFlow, Basic classification",
        ),
        recipe(
            inception(),
            config()
                .optimizer(Sgd::new(), 0.1)
                .batch_size(128)
                .epochs(10),
            "Szegedy et al., 2015; Dive into Deep Learning, 8.4",
        ),
        recipe(
            nin(),
            config()
                .optimizer(momentum(), 0.05)
                .clip_norm(1.0)
                .batch_size(128)
                .epochs(10),
            "Lin et al., 2014",
        ),
        recipe(
            vgg_like(),
            config().batch_size(128).epochs(10),
            "Simonyan & Zisserman, 2015, as Keras's examples shrink it",
        ),
        recipe(
            mlp_512_512(),
            config()
                .optimizer(Sgd::new(), 0.001)
                .batch_size(64)
                .epochs(5),
            "PyTorch, Quickstart",
        ),
        recipe(
            two_5x5(),
            config().batch_size(100).epochs(10),
            "TensorFlow, MNIST for experts",
        ),
        recipe(
            resnet_18(),
            config()
                .optimizer(momentum(), 0.1)
                .l2(2.5e-4)
                .batch_size(128)
                .epochs(10)
                .schedule(Schedule::Cosine),
            "He et al., 2016",
        ),
    ]
}

pub(crate) fn softmax_regression() -> ModelSpec {
    ModelSpec::new("softmax-regression")
        .layer("flatten", Flatten)
        .layer("output", Dense::new(10).init(Init::Normal { stddev: 0.01 }))
}

pub(crate) fn mlp_128() -> ModelSpec {
    ModelSpec::new("mlp-128")
        .layer("flatten", Flatten)
        .layer("hidden", Dense::new(128).relu())
        .layer("output", Dense::new(10))
}

pub(crate) fn mlp_512_512() -> ModelSpec {
    let hidden = Dense::new(512).relu().init(Init::Torch);
    ModelSpec::new("mlp-512-512")
        .layer("flatten", Flatten)
        .layer("hidden-1", hidden)
        .layer("hidden-2", hidden)
        .layer("output", Dense::new(10).init(Init::Torch))
}

pub(crate) fn lenet5() -> ModelSpec {
    let sigmoid = Activation::Sigmoid;
    ModelSpec::new("lenet-5")
        .layer(
            "conv-1",
            Conv2d::new(6).kernel_size(5).padding(2).activation(sigmoid),
        )
        .layer("pool-1", AvgPool2d::new(2))
        .layer("conv-2", Conv2d::new(16).kernel_size(5).activation(sigmoid))
        .layer("pool-2", AvgPool2d::new(2))
        .layer("flatten", Flatten)
        .layer("dense-1", Dense::new(120).activation(sigmoid))
        .layer("dense-2", Dense::new(84).activation(sigmoid))
        .layer("output", Dense::new(10))
}

pub(crate) fn modern_lenet() -> ModelSpec {
    ModelSpec::new("lenet-5-relu")
        .layer("conv-1", Conv2d::new(6).kernel_size(5).same().relu())
        .layer("pool-1", MaxPool2d::new(2))
        .layer("conv-2", Conv2d::new(16).kernel_size(5).relu())
        .layer("pool-2", MaxPool2d::new(2))
        .layer("flatten", Flatten)
        .layer("dense-1", Dense::new(120).relu())
        .layer("dense-2", Dense::new(84).relu())
        .layer("output", Dense::new(10))
}

pub(crate) fn batch_norm_lenet() -> ModelSpec {
    let norm = || {
        BatchNorm::new()
            .momentum(0.9)
            .activation(Activation::Sigmoid)
    };
    ModelSpec::new("batch-norm-lenet")
        .layer("conv-1", Conv2d::new(6).kernel_size(5))
        .layer("norm-1", norm())
        .layer("pool-1", AvgPool2d::new(2))
        .layer("conv-2", Conv2d::new(16).kernel_size(5))
        .layer("norm-2", norm())
        .layer("pool-2", AvgPool2d::new(2))
        .layer("flatten", Flatten)
        .layer("dense-1", Dense::new(120))
        .layer("norm-3", norm())
        .layer("dense-2", Dense::new(84))
        .layer("norm-4", norm())
        .layer("output", Dense::new(10))
}

pub(crate) fn two_5x5() -> ModelSpec {
    ModelSpec::new("two-5x5")
        .layer("conv-1", Conv2d::new(32).kernel_size(5).same().relu())
        .layer("pool-1", MaxPool2d::new(2))
        .layer("conv-2", Conv2d::new(64).kernel_size(5).same().relu())
        .layer("pool-2", MaxPool2d::new(2))
        .layer("flatten", Flatten)
        .layer("dense", Dense::new(1024).relu())
        .layer("dropout", Dropout::new(0.4))
        .layer("output", Dense::new(10))
}

pub(crate) fn vgg_like() -> ModelSpec {
    let mut spec = ModelSpec::new("vgg-like");
    for (number, filters) in [(1, 32), (2, 64)] {
        let conv = Conv2d::new(filters).same().relu();
        spec = spec
            .layer(&format!("conv-{number}a"), conv)
            .layer(&format!("conv-{number}b"), conv)
            .layer(&format!("pool-{number}"), MaxPool2d::new(2))
            .layer(&format!("dropout-{number}"), Dropout::new(0.25));
    }
    spec.layer("flatten", Flatten)
        .layer("dense", Dense::new(128).relu())
        .layer("dropout-3", Dropout::new(0.5))
        .layer("output", Dense::new(10))
}

/// Network in network: behind each convolution two of 1×1, and at the end the mean of each class's map.
pub(crate) fn nin() -> ModelSpec {
    let mut spec = ModelSpec::new("nin");
    for (number, filters, size) in [(1, 96, 5), (2, 128, 5), (3, 10, 3)] {
        let conv = |filters: usize, size: usize| {
            let conv = Conv2d::new(filters).kernel_size(size).same().relu();
            conv.init(Init::HeNormal)
        };
        spec = spec
            .layer(&format!("conv-{number}"), conv(filters.max(64), size))
            .layer(&format!("pixel-{number}a"), conv(filters.max(64), 1))
            .layer(&format!("pixel-{number}b"), conv(filters, 1));
        if number < 3 {
            spec = spec
                .layer(&format!("pool-{number}"), MaxPool2d::new(3).strides(2))
                .layer(&format!("dropout-{number}"), Dropout::new(0.5));
        }
    }
    spec.layer("output", GlobalAvgPool2d)
}

/// GoogLeNet's blocks, with an eighth to a quarter of their filters.
pub(crate) fn inception() -> ModelSpec {
    let conv = |filters: usize, size: usize| Conv2d::new(filters).kernel_size(size).same().relu();
    let block = |[of_1, of_3, of_5, of_pool]: [usize; 4]| {
        [
            Block::new().layer("1x1", conv(of_1, 1)),
            Block::new()
                .layer("3x3-reduce", conv(of_3 / 2, 1))
                .layer("3x3", conv(of_3, 3)),
            Block::new()
                .layer("5x5-reduce", conv(of_5 / 2, 1))
                .layer("5x5", conv(of_5, 5)),
            Block::new()
                .layer("pool", MaxPool2d::new(3).strides(1).same())
                .layer("pool-1x1", conv(of_pool, 1)),
        ]
    };
    ModelSpec::new("inception")
        .layer("stem-1", conv(32, 3))
        .layer("stem-pool", MaxPool2d::new(3).strides(2).same())
        .layer("stem-2", conv(64, 3))
        .concatenate("inception-1", block([16, 32, 8, 8]))
        .concatenate("inception-2", block([32, 48, 24, 16]))
        .layer("pool", MaxPool2d::new(3).strides(2).same())
        .concatenate("inception-3", block([48, 64, 32, 32]))
        .concatenate("inception-4", block([64, 96, 48, 48]))
        .layer("mean", GlobalAvgPool2d)
        .layer("output", Dense::new(10))
}

fn normalised(filters: usize, size: usize, strides: usize) -> Conv2d {
    let conv = Conv2d::new(filters).kernel_size(size).strides(strides);
    conv.same().without_bias().init(Init::HeNormal)
}

/// The form for small images: a first convolution of 3×3, and no pool behind it.
pub(crate) fn resnet_18() -> ModelSpec {
    let block = |filters: usize, strides: usize| {
        let body = Block::new()
            .layer("conv-1", normalised(filters, 3, strides))
            .layer("norm-1", BatchNorm::new().relu())
            .layer("conv-2", normalised(filters, 3, 1))
            .layer("norm-2", BatchNorm::new());
        let shortcut = match strides {
            1 => Block::new(),
            _ => Block::new()
                .layer("shortcut", normalised(filters, 1, strides))
                .layer("shortcut-norm", BatchNorm::new()),
        };
        [body, shortcut]
    };
    let mut spec = ModelSpec::new("resnet-18")
        .layer("stem", normalised(64, 3, 1))
        .layer("stem-norm", BatchNorm::new().relu());
    for (stage, filters) in [(1, 64), (2, 128), (3, 256), (4, 512)] {
        for (number, strides) in [(1, if stage == 1 { 1 } else { 2 }), (2, 1)] {
            spec = spec
                .add(&format!("block-{stage}.{number}"), block(filters, strides))
                .layer(&format!("relu-{stage}.{number}"), Activation::Relu);
        }
    }
    spec.layer("mean", GlobalAvgPool2d)
        .layer("output", Dense::new(10))
}

/// Each 3×3 convolution in groups of four or eight channels, between two of 1×1.
pub(crate) fn resnext() -> ModelSpec {
    let block = |filters: usize, strides: usize| {
        let body = Block::new()
            .layer("narrow", normalised(filters / 2, 1, 1))
            .layer("narrow-norm", BatchNorm::new().relu())
            .layer("groups", normalised(filters / 2, 3, strides).groups(8))
            .layer("groups-norm", BatchNorm::new().relu())
            .layer("wide", normalised(filters, 1, 1))
            .layer("wide-norm", BatchNorm::new());
        let shortcut = Block::new()
            .layer("shortcut", normalised(filters, 1, strides))
            .layer("shortcut-norm", BatchNorm::new());
        [body, shortcut]
    };
    ModelSpec::new("resnext")
        .layer("stem", normalised(32, 3, 1))
        .layer("stem-norm", BatchNorm::new().relu())
        .layer("pool", MaxPool2d::new(2))
        .add("block-1", block(64, 1))
        .layer("relu-1", Activation::Relu)
        .add("block-2", block(128, 2))
        .layer("relu-2", Activation::Relu)
        .layer("mean", GlobalAvgPool2d)
        .layer("output", Dense::new(10))
}

/// Each layer sees the outputs of all before it.
pub(crate) fn dense_net() -> ModelSpec {
    let mut spec = ModelSpec::new("dense-net").layer("stem", normalised(24, 3, 1));
    for stage in 1..=3 {
        for number in 1..=4 {
            let body = Block::new()
                .layer("norm", BatchNorm::new().relu())
                .layer("conv", normalised(12, 3, 1));
            spec = spec.concatenate(&format!("dense-{stage}.{number}"), [Block::new(), body]);
        }
        if stage < 3 {
            spec = spec
                .layer(&format!("norm-{stage}"), BatchNorm::new().relu())
                .layer(
                    &format!("transition-{stage}"),
                    normalised(24 + 24 * stage, 1, 1),
                )
                .layer(&format!("pool-{stage}"), AvgPool2d::new(2));
        }
    }
    spec.layer("norm-3", BatchNorm::new().relu())
        .layer("mean", GlobalAvgPool2d)
        .layer("output", Dense::new(10))
}

/// Separable convolutions: one for each channel, then one of 1×1.
pub(crate) fn mobile_net() -> ModelSpec {
    let mut spec = ModelSpec::new("mobile-net")
        .layer("stem", normalised(32, 3, 1))
        .layer("stem-norm", BatchNorm::new().relu());
    for (number, (filters, strides)) in (1..).zip([(64, 1), (64, 2), (128, 1), (128, 2), (256, 1)])
    {
        let depthwise = DepthwiseConv2d::new(3).strides(strides);
        spec = spec
            .layer(
                &format!("depthwise-{number}"),
                depthwise.same().without_bias(),
            )
            .layer(&format!("norm-{number}a"), BatchNorm::new().relu())
            .layer(&format!("pixel-{number}"), normalised(filters, 1, 1))
            .layer(&format!("norm-{number}b"), BatchNorm::new().relu());
    }
    spec.layer("mean", GlobalAvgPool2d)
        .layer("output", Dense::new(10))
}

/// Patches of 2×2, then in turn a mixture over places and one over channels.
pub(crate) fn conv_mixer() -> ModelSpec {
    let gelu = Activation::Gelu;
    let mut spec = ModelSpec::new("conv-mixer")
        .layer(
            "patches",
            Conv2d::new(64).kernel_size(2).strides(2).activation(gelu),
        )
        .layer("patches-norm", BatchNorm::new());
    for number in 1..=4 {
        let places = Block::new()
            .layer("places", DepthwiseConv2d::new(5).same().activation(gelu))
            .layer("norm", BatchNorm::new());
        spec = spec
            .add(&format!("mix-{number}"), [places, Block::new()])
            .layer(
                &format!("channels-{number}"),
                Conv2d::new(64).kernel_size(1).activation(gelu),
            )
            .layer(&format!("norm-{number}"), BatchNorm::new());
    }
    spec.layer("mean", GlobalAvgPool2d)
        .layer("output", Dense::new(10))
}

/// Learns to draw its input from 4×4×8 numbers: what it cannot draw well is what it has not seen.
pub(crate) fn autoencoder() -> ModelSpec {
    let conv = |filters: usize| Conv2d::new(filters).relu();
    ModelSpec::new("autoencoder")
        .layer("encode-1", conv(16).same())
        .layer("pool-1", MaxPool2d::new(2).same())
        .layer("encode-2", conv(8).same())
        .layer("pool-2", MaxPool2d::new(2).same())
        .layer("encode-3", conv(8).same())
        .layer("pool-3", MaxPool2d::new(2).same())
        .layer("decode-1", conv(8).same())
        .layer("up-1", UpSampling2d::new(2))
        .layer("decode-2", conv(8).same())
        .layer("up-2", UpSampling2d::new(2))
        .layer("decode-3", conv(16))
        .layer("up-3", UpSampling2d::new(2))
        .layer(
            "output",
            Conv2d::new(1).same().activation(Activation::Sigmoid),
        )
}

/// The same, with learned windows in the place of repeated pixels.
pub(crate) fn transposed_autoencoder() -> ModelSpec {
    let up = || Conv2dTranspose::new(32).strides(2).same().relu();
    ModelSpec::new("transposed-autoencoder")
        .layer("encode-1", Conv2d::new(32).same().relu())
        .layer("pool-1", MaxPool2d::new(2).same())
        .layer("encode-2", Conv2d::new(32).same().relu())
        .layer("pool-2", MaxPool2d::new(2).same())
        .layer("decode-1", up())
        .layer("decode-2", up())
        .layer(
            "output",
            Conv2d::new(1).same().activation(Activation::Sigmoid),
        )
}
