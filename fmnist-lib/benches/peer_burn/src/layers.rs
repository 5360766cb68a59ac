//! burn's layers as one type: a network is a list of them, and takes the number of its inputs as it grows.

use burn::nn::conv::{Conv2d, Conv2dConfig, ConvTranspose2d, ConvTranspose2dConfig};
use burn::nn::interpolate::{Interpolate2d, Interpolate2dConfig};
use burn::nn::pool::{
    AdaptiveAvgPool2d, AdaptiveAvgPool2dConfig, AvgPool2d, AvgPool2dConfig, MaxPool2d,
    MaxPool2dConfig,
};
use burn::nn::{
    BatchNorm, BatchNormConfig, Dropout, DropoutConfig, Gelu, Linear, LinearConfig,
    PaddingConfig2d, Relu, Sigmoid,
};
use burn::prelude::*;

/// Vectors go from layer to layer as images of one pixel.
#[derive(Module, Debug)]
enum Layer {
    Conv(Conv2d),
    ConvTranspose(ConvTranspose2d),
    Linear(Linear),
    Norm(BatchNorm),
    MaxPool(MaxPool2d),
    AvgPool(AvgPool2d),
    Mean(AdaptiveAvgPool2d),
    UpSampling(Interpolate2d),
    Dropout(Dropout),
    Relu(Relu),
    Sigmoid(Sigmoid),
    Gelu(Gelu),
    Sum(Vec<Network>),
    Concatenation(Vec<Network>),
}

impl Layer {
    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        match self {
            Self::Conv(layer) => layer.forward(x),
            Self::ConvTranspose(layer) => layer.forward(x),
            Self::Linear(layer) => pixel(layer.forward(x.flatten(1, 3))),
            Self::Norm(layer) => match x.dims() {
                [_, _, 1, 1] => pixel(layer.forward(x.flatten::<2>(1, 3))),
                _ => layer.forward(x),
            },
            Self::MaxPool(layer) => layer.forward(x),
            Self::AvgPool(layer) => layer.forward(x),
            Self::Mean(layer) => layer.forward(x),
            Self::UpSampling(layer) => layer.forward(x),
            Self::Dropout(layer) => layer.forward(x),
            Self::Relu(layer) => layer.forward(x),
            Self::Sigmoid(layer) => layer.forward(x),
            Self::Gelu(layer) => layer.forward(x),
            Self::Sum(branches) => {
                let [first, second] = [0, 1].map(|branch| branches[branch].forward(x.clone()));
                first + second
            }
            Self::Concatenation(branches) => {
                let outputs = branches.iter().map(|branch| branch.forward(x.clone()));
                Tensor::cat(outputs.collect(), 1)
            }
        }
    }
}

fn pixel(x: Tensor<2>) -> Tensor<4> {
    let [count, units] = x.dims();
    x.reshape([count, units, 1, 1])
}

#[derive(Module, Debug)]
pub(crate) struct Network {
    layers: Vec<Layer>,
}

impl Network {
    pub(crate) fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        self.layers.iter().fold(x, |x, layer| layer.forward(x))
    }
}

/// A network in the making. What its layers so far make of two images tells the next one its inputs.
pub(crate) struct Builder {
    sample: Tensor<4>,
    network: Network,
}

impl Builder {
    pub(crate) fn new(device: &Device) -> Self {
        Self::from(Tensor::ones([2, 1, 28, 28], device))
    }

    /// What takes the same inputs as the next layer.
    pub(crate) fn branch(&self) -> Self {
        Self::from(self.sample.clone())
    }

    pub(crate) fn build(self) -> Network {
        self.network
    }

    fn from(sample: Tensor<4>) -> Self {
        let network = Network { layers: Vec::new() };
        Self { sample, network }
    }

    fn add(mut self, layer: Layer) -> Self {
        self.sample = layer.forward(self.sample).detach();
        self.network.layers.push(layer);
        self
    }

    /// A convolution that keeps the size of the images, unless it is changed.
    pub(crate) fn conv(
        self,
        filters: usize,
        size: usize,
        change: impl Fn(Conv2dConfig) -> Conv2dConfig,
    ) -> Self {
        let config = Conv2dConfig::new([self.channels(), filters], [size; 2]);
        let config = change(config.with_padding(around(size / 2)));
        let layer = config.init(&self.sample.device());
        self.add(Layer::Conv(layer))
    }

    /// Twice as high and wide.
    pub(crate) fn conv_transpose(self, filters: usize, size: usize) -> Self {
        let config = ConvTranspose2dConfig::new([self.channels(), filters], [size; 2])
            .with_stride([2; 2])
            .with_padding([size / 2; 2])
            .with_padding_out([1; 2]);
        let layer = config.init(&self.sample.device());
        self.add(Layer::ConvTranspose(layer))
    }

    pub(crate) fn linear(self, units: usize) -> Self {
        let [_, channels, height, width] = self.sample.dims();
        let config = LinearConfig::new(channels * height * width, units);
        let layer = config.init(&self.sample.device());
        self.add(Layer::Linear(layer))
    }

    pub(crate) fn norm(self) -> Self {
        let layer = BatchNormConfig::new(self.channels()).init(&self.sample.device());
        self.add(Layer::Norm(layer))
    }

    pub(crate) fn max_pool(self, size: usize, stride: usize, padding: usize) -> Self {
        let config = MaxPool2dConfig::new([size; 2]).with_strides([stride; 2]);
        self.add(Layer::MaxPool(config.with_padding(around(padding)).init()))
    }

    pub(crate) fn avg_pool(self, size: usize) -> Self {
        self.add(Layer::AvgPool(AvgPool2dConfig::new([size; 2]).init()))
    }

    pub(crate) fn mean(self) -> Self {
        self.add(Layer::Mean(AdaptiveAvgPool2dConfig::new([1; 2]).init()))
    }

    pub(crate) fn up_sampling(self) -> Self {
        let config = Interpolate2dConfig::new().with_scale_factor(Some([2.0; 2]));
        self.add(Layer::UpSampling(config.init()))
    }

    pub(crate) fn dropout(self, rate: f64) -> Self {
        self.add(Layer::Dropout(DropoutConfig::new(rate).init()))
    }

    pub(crate) fn relu(self) -> Self {
        self.add(Layer::Relu(Relu::new()))
    }

    pub(crate) fn sigmoid(self) -> Self {
        self.add(Layer::Sigmoid(Sigmoid::new()))
    }

    pub(crate) fn gelu(self) -> Self {
        self.add(Layer::Gelu(Gelu::new()))
    }

    pub(crate) fn sum(self, branches: [Self; 2]) -> Self {
        self.add(Layer::Sum(branches.map(Self::build).into()))
    }

    pub(crate) fn concatenate<const N: usize>(self, branches: [Self; N]) -> Self {
        self.add(Layer::Concatenation(branches.map(Self::build).into()))
    }

    pub(crate) fn channels(&self) -> usize {
        self.sample.dims()[1]
    }
}

/// The same on all sides: burn's `Same` copies the images where strides make the sides differ.
fn around(padding: usize) -> PaddingConfig2d {
    match padding {
        0 => PaddingConfig2d::Valid,
        _ => PaddingConfig2d::Explicit(padding, padding, padding, padding),
    }
}
