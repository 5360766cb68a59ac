//! Which layers the fused CPU kernels can run together.

use std::ops::Range;

use crate::nn::kernels::{BatchNorm, Conv, ConvPool, Dense, MaxPool, Padding};
use crate::nn::{Activation, Dropout};

use super::spec::{AnyLayer, NamedLayer, Placed};

/// Some consecutive layers that one kernel computes.
pub(super) struct Stage {
    pub(super) kernel: Kernel,
    pub(super) relu: bool,
    pub(super) dropout: Option<StageDropout>,
    /// Values of one image's output, and the channels (or units) that lie side by side in it.
    pub(super) output: usize,
    pub(super) channels: usize,
    /// The places of its weights among those of the network.
    pub(super) weights: Range<usize>,
}

pub(super) enum Kernel {
    /// Convolution of one channel, ReLU, 2×2 max pool.
    ConvPool(ConvPool),
    /// 3×3 convolution.
    Conv(Conv),
    Dense(Dense),
    /// Batch normalisation.
    BatchNorm {
        kernel: BatchNorm,
        momentum: f64,
    },
    /// Max pool elsewhere.
    MaxPool(MaxPool),
    /// Zeros around the image.
    Padding(Padding),
    /// Dropout behind a layer whose kernel does not include it.
    Dropout,
}

pub(super) struct StageDropout {
    pub(super) layer: String,
    pub(super) rate: f64,
}

/// Divides a network into stages; `None` where some layer has no place
/// in one, and the network runs layer by layer instead.
pub(super) fn stages(
    input: &[usize],
    layers: &[NamedLayer],
    placed: &[Placed<'_>],
) -> Option<Vec<Stage>> {
    let mut stages: Vec<Stage> = Vec::new();
    let mut shape = input;
    let (mut next, mut weights) = (0, 0);
    while next < layers.len() {
        let first = next;
        let after = layers.get(next + 1).map(|named| &named.layer);
        let (kernel, relu) = match (&layers[next].layer, after, shape) {
            (AnyLayer::Flatten(_), ..) => {
                shape = &placed[next].output_shape;
                next += 1;
                continue;
            }
            (AnyLayer::Conv2d(conv), Some(AnyLayer::MaxPool2d(pool)), &[height, width, 1])
                if stages.is_empty()
                    && conv.has_bias()
                    && !conv.is_same()
                    && (conv.window, pool.size, conv.activation) == (3, 2, Activation::Relu)
                    && height.min(width) >= 4 =>
            {
                next += 2;
                (
                    Kernel::ConvPool(ConvPool {
                        height,
                        width,
                        channels: conv.filters,
                    }),
                    true,
                )
            }
            (AnyLayer::Conv2d(conv), _, &[height, width, inputs]) if conv.window == 3 => {
                next += 1;
                let conv_kernel = Conv {
                    height,
                    width,
                    inputs,
                    outputs: conv.filters,
                    padding: usize::from(conv.is_same()),
                };
                (
                    Kernel::Conv(conv_kernel),
                    conv.activation == Activation::Relu,
                )
            }
            (AnyLayer::Dense(dense), _, &[inputs]) => {
                next += 1;
                let kernel = Kernel::Dense(Dense {
                    inputs,
                    outputs: dense.units,
                });
                (kernel, dense.activation == Activation::Relu)
            }
            (AnyLayer::BatchNorm(norm), _, &[.., channels]) => {
                next += 1;
                let kernel = BatchNorm {
                    channels,
                    epsilon: norm.epsilon as f32,
                };
                let momentum = norm.momentum;
                (
                    Kernel::BatchNorm { kernel, momentum },
                    norm.activation == Activation::Relu,
                )
            }
            (AnyLayer::MaxPool2d(pool), _, &[height, width, channels]) => {
                next += 1;
                let kernel = MaxPool {
                    height,
                    width,
                    channels,
                    size: pool.size,
                };
                (Kernel::MaxPool(kernel), false)
            }
            (AnyLayer::ZeroPadding2d(padding), _, &[height, width, channels]) => {
                next += 1;
                let kernel = Padding {
                    height,
                    width,
                    channels,
                    size: padding.size,
                };
                (Kernel::Padding(kernel), false)
            }
            // Taken below, as the dropout of a stage that does nothing else.
            (AnyLayer::Dropout(_), ..) => (Kernel::Dropout, false),
            _ => return None,
        };
        let dropout = match layers.get(next) {
            Some(NamedLayer {
                name,
                layer: AnyLayer::Dropout(Dropout { rate }),
            }) if !matches!(kernel, Kernel::MaxPool(_) | Kernel::Padding(_)) => {
                next += 1;
                Some(StageDropout {
                    layer: name.clone(),
                    rate: *rate,
                })
            }
            _ => None,
        };
        // A kernel's weights are those of its first layer: all others in a stage have none.
        let first_weight = weights;
        weights += placed[first].weights.len();
        shape = &placed[next - 1].output_shape;
        stages.push(Stage {
            kernel,
            relu,
            dropout,
            output: shape.iter().product(),
            channels: *shape.last()?,
            weights: first_weight..weights,
        });
    }
    (!stages.is_empty()).then_some(stages)
}

#[cfg(test)]
mod tests {
    use super::stages;
    use crate::{BatchNorm, Conv2d, Dense, Dropout, Flatten, MaxPool2d, ModelSpec, ZeroPadding2d};

    #[test]
    fn each_layer_of_this_crate_has_a_kernel_wherever_it_stands() {
        let spec = ModelSpec::new("all")
            .layer("dropout-1", Dropout::new(0.1))
            .layer("padding", ZeroPadding2d::new(2))
            .layer("conv", Conv2d::new(8).without_bias())
            .layer("norm", BatchNorm::new())
            .layer("same", Conv2d::new(8).same())
            .layer("pool", MaxPool2d::new(2))
            .layer("dropout-2", Dropout::new(0.1))
            .layer("flatten", Flatten)
            .layer("dense", Dense::new(10))
            .layer("dropout-3", Dropout::new(0.1));
        let placed = spec.place().expect("it fits");
        let stages = stages(&spec.input, &spec.layers, &placed).expect("all have kernels");
        let dropouts = stages.iter().filter(|stage| stage.dropout.is_some());
        assert_eq!((stages.len(), dropouts.count()), (8, 3));
    }
}
