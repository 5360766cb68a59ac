use std::sync::Arc;

use candle_core::Tensor;
use serde::{Deserialize, Serialize};

use super::stage::{Place, Staged};
use super::{
    Activation, AvgPool2d, BatchNorm, Conv2d, Conv2dTranspose, Dense, DepthwiseConv2d, Dropout,
    Flatten, GlobalAvgPool2d, Layer, LayerNorm, MaxPool2d, Merge, Pass, Reshape, UpSampling2d,
    Weight, ZeroPadding2d, product,
};
use crate::error::Result;

/// Any of the layers of this crate, or one of your own.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum AnyLayer {
    /// [`Activation`]
    Activation(Activation),
    /// [`AvgPool2d`]
    AvgPool2d(AvgPool2d),
    /// [`BatchNorm`]
    BatchNorm(BatchNorm),
    /// [`Conv2d`]
    Conv2d(Conv2d),
    /// [`Conv2dTranspose`]
    Conv2dTranspose(Conv2dTranspose),
    /// [`GlobalAvgPool2d`]
    GlobalAvgPool2d(GlobalAvgPool2d),
    /// [`MaxPool2d`]
    MaxPool2d(MaxPool2d),
    /// [`ZeroPadding2d`]
    ZeroPadding2d(ZeroPadding2d),
    /// [`DepthwiseConv2d`]
    DepthwiseConv2d(DepthwiseConv2d),
    /// [`LayerNorm`]
    LayerNorm(LayerNorm),
    /// [`Reshape`]
    Reshape(Reshape),
    /// [`UpSampling2d`]
    UpSampling2d(UpSampling2d),
    /// [`Dropout`]
    Dropout(Dropout),
    /// [`Flatten`]
    Flatten(Flatten),
    /// [`Dense`]
    Dense(Dense),
    /// A layer defined outside this crate. A checkpoint cannot hold its code: build the model again
    /// and [`restore`](crate::Model::restore) it.
    #[serde(skip)]
    Custom(Arc<dyn Layer>),
}

macro_rules! any_layer {
    ($($layer:ident),+) => {
        $(impl From<$layer> for AnyLayer {
            fn from(layer: $layer) -> Self {
                Self::$layer(layer)
            }
        })+

        impl AnyLayer {
            /// The layer behind the name.
            pub fn as_layer(&self) -> &dyn Layer {
                match self {
                    $(Self::$layer(layer) => layer,)+
                    Self::Custom(layer) => layer.as_ref(),
                }
            }

            /// What computes it on the CPU; `None` where its output is its input, value by value.
            pub(crate) fn stage(&self, place: &Place<'_>) -> Option<Staged> {
                match self {
                    $(Self::$layer(layer) => layer.stage(place),)+
                    Self::Custom(layer) => Some(super::island::stage(layer, place)),
                }
            }
        }
    };
}

any_layer!(
    Activation,
    DepthwiseConv2d,
    LayerNorm,
    Reshape,
    UpSampling2d,
    AvgPool2d,
    GlobalAvgPool2d,
    BatchNorm,
    Conv2d,
    Conv2dTranspose,
    MaxPool2d,
    Dropout,
    Flatten,
    Dense,
    ZeroPadding2d
);

/// What stands at one place of a network.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Operation<'a> {
    /// A layer, with one input.
    Layer(&'a AnyLayer),
    /// The end of branches, with an input from each.
    Merge(Merge),
}

impl Operation<'_> {
    /// The Keras class name.
    pub(crate) fn kind(&self) -> &str {
        match self {
            Self::Layer(layer) => layer.as_layer().kind(),
            Self::Merge(merge) => merge.kind(),
        }
    }

    pub(crate) fn output_shape(&self, inputs: &[&[usize]]) -> Result<Vec<usize>> {
        match self {
            Self::Layer(layer) => layer.as_layer().output_shape(inputs[0]),
            Self::Merge(merge) => merge.output_shape(inputs),
        }
    }

    pub(crate) fn weights(&self, inputs: &[&[usize]]) -> Vec<Weight> {
        match self {
            Self::Layer(layer) => layer.as_layer().weights(inputs[0]),
            Self::Merge(_) => Vec::new(),
        }
    }

    /// How often it uses its kernel in one image; a layer of the user's own has none that is known.
    pub(crate) fn places(&self, input: &[usize], output: &[usize]) -> usize {
        let image = match self {
            Self::Layer(AnyLayer::Custom(_)) => return 0,
            Self::Layer(AnyLayer::Conv2dTranspose(_)) => input,
            _ => output,
        };
        image.split_last().map_or(1, |(_, sides)| product(sides))
    }

    pub(crate) fn forward(
        &self,
        inputs: &[Tensor],
        weights: &[Tensor],
        pass: &Pass<'_>,
    ) -> Result<Tensor> {
        match self {
            Self::Layer(layer) => layer.as_layer().forward(&inputs[0], weights, pass),
            Self::Merge(merge) => merge.forward(inputs),
        }
    }

    /// What computes it on the CPU; `None` where its output is its input, value by value.
    pub(crate) fn stage(&self, place: &Place<'_>) -> Option<Staged> {
        match self {
            Self::Layer(layer) => layer.stage(place),
            Self::Merge(merge) => Some(merge.stage(place)),
        }
    }
}
