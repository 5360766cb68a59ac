//! Each layer as operators of ONNX.

use candle_core::{Device, Tensor};

use super::attribute::{self, float, int, string};
use super::graph::{Channels, Graph, Value};
use crate::error::{Error, Result};
use crate::model::Placed;
use crate::nn::{Activation, AnyLayer, Merge, Operation};

impl Graph {
    /// Appends what stands at one place of a network, and returns its output.
    pub(super) fn layer(
        &mut self,
        placed: &Placed<'_>,
        inputs: &[Value],
        weights: &[Tensor],
    ) -> Result<Value> {
        let x = &inputs[0];
        let (sums, channels, activation) = match placed.operation {
            Operation::Merge(merge) => {
                let (merged, channels) = self.merge(placed, merge, inputs);
                (merged, channels, Activation::Linear)
            }
            Operation::Layer(layer) => self.computed(placed, layer, x, weights)?,
        };
        Ok(Value {
            name: self.activation(&placed.name, activation, sums),
            shape: placed.output_shape.clone(),
            channels,
        })
    }

    /// Appends a layer but for the activation behind it.
    fn computed(
        &mut self,
        placed: &Placed<'_>,
        layer: &AnyLayer,
        x: &Value,
        weights: &[Tensor],
    ) -> Result<(String, Channels, Activation)> {
        let name = placed.name.as_str();
        let first = |value: String| (value, Channels::First, Activation::Linear);
        let last = |value: String| (value, Channels::Last, Activation::Linear);
        Ok(match layer {
            AnyLayer::Conv2d(it) => {
                let windows = it.windows(it.kernel_size, &x.shape)?;
                let sums = self.convolution(placed, x, weights, &windows, it.groups)?;
                (sums, Channels::First, it.activation)
            }
            AnyLayer::DepthwiseConv2d(it) => {
                let windows = it.windows(it.kernel_size, &x.shape)?;
                let (rows, columns, groups, multiplier) = weights[0].dims4()?;
                let mut weights = weights.to_vec();
                weights[0] = weights[0].reshape((rows, columns, 1, groups * multiplier))?;
                let sums = self.convolution(placed, x, &weights, &windows, groups)?;
                (sums, Channels::First, it.activation)
            }
            AnyLayer::Conv2dTranspose(it) => {
                let windows = it.windows(&x.shape)?;
                let sums = self.transposed_convolution(placed, x, weights, &windows)?;
                (sums, Channels::First, it.activation)
            }
            AnyLayer::Dense(it) => {
                let operands = self.operands(placed, x.name.clone(), weights)?;
                let sums = self.node(name, "Gemm", operands, []);
                (sums, Channels::Last, it.activation)
            }
            AnyLayer::BatchNorm(it) => {
                let x = self.with_channels(x, Channels::First);
                let operands = self.operands(placed, x, weights)?;
                let settings = [float("epsilon", it.epsilon), float("momentum", it.momentum)];
                let normal = self.node(name, "BatchNormalization", operands, settings);
                (normal, Channels::First, it.activation)
            }
            AnyLayer::LayerNorm(it) => {
                let x = self.with_channels(x, Channels::Last);
                let operands = self.operands(placed, x, weights)?;
                let settings = [int("axis", -1), float("epsilon", it.epsilon)];
                last(self.node(name, "LayerNormalization", operands, settings))
            }
            AnyLayer::MaxPool2d(it) => {
                let windows = it.windows(it.pool_size, &x.shape)?;
                let x = self.with_channels(x, Channels::First);
                first(self.node(name, "MaxPool", [x], attribute::of_windows(&windows)))
            }
            // Unless told otherwise, ONNX too counts only the pixels of the image.
            AnyLayer::AvgPool2d(it) => {
                let windows = it.windows(it.pool_size, &x.shape)?;
                let x = self.with_channels(x, Channels::First);
                first(self.node(name, "AveragePool", [x], attribute::of_windows(&windows)))
            }
            AnyLayer::GlobalAvgPool2d(_) => {
                let x = self.with_channels(x, Channels::First);
                let means = self.node(name, "GlobalAveragePool", [x], []);
                last(self.node(name, "Flatten", [means], [int("axis", 1)]))
            }
            AnyLayer::UpSampling2d(it) => {
                let [rows, columns] = it.size.0.map(|size| size as f32);
                let factors = Tensor::new(&[1.0, 1.0, rows, columns], &Device::Cpu)?;
                let factors = self.weight(name, "scales", &factors)?;
                let x = self.with_channels(x, Channels::First);
                let settings = [
                    string("mode", "nearest"),
                    string("coordinate_transformation_mode", "asymmetric"),
                    string("nearest_mode", "floor"),
                ];
                // The region of interest between them is for another mode.
                first(self.node(name, "Resize", [x, String::new(), factors], settings))
            }
            AnyLayer::ZeroPadding2d(it) => {
                let [[top, bottom], [left, right]] = it.size.0;
                let zeros = [0, 0, top, left, 0, 0, bottom, right];
                let zeros = self.integers(name, "pads", &zeros);
                let x = self.with_channels(x, Channels::First);
                first(self.node(name, "Pad", [x, zeros], []))
            }
            AnyLayer::Flatten(_) => {
                let x = self.in_our_order(x);
                last(self.node(name, "Flatten", [x], [int("axis", 1)]))
            }
            AnyLayer::Reshape(it) => {
                // 0 keeps the size of the batch.
                let shape = self.integers(name, "shape", &[&[0], &it.shape[..]].concat());
                let x = self.in_our_order(x);
                last(self.node(name, "Reshape", [x, shape], []))
            }
            AnyLayer::Activation(it) => (x.name.clone(), x.channels, *it),
            AnyLayer::Dropout(_) => (x.name.clone(), x.channels, Activation::Linear),
            AnyLayer::Custom(own) => {
                return Err(Error::Invalid(format!(
                    "ONNX has no operator for a layer of your own ({}); save_weights writes the \
                     weights of any network",
                    own.kind()
                )));
            }
        })
    }

    fn merge(&mut self, placed: &Placed<'_>, merge: Merge, inputs: &[Value]) -> (String, Channels) {
        let is_first = |input: &Value| input.channels == Channels::First;
        let channels = match inputs.iter().any(is_first) {
            true => Channels::First,
            false => Channels::Last,
        };
        let inputs = inputs.iter();
        let inputs: Vec<String> = inputs
            .map(|input| self.with_channels(input, channels))
            .collect();
        let name = placed.name.as_str();
        let merged = match merge {
            Merge::Add => {
                let inputs = inputs.into_iter();
                let sum = inputs.reduce(|sum, more| self.node(name, "Add", [sum, more], []));
                sum.expect("output_shape has refused a sum of nothing")
            }
            Merge::Concatenate => {
                let axis = match channels {
                    Channels::First => 1,
                    Channels::Last => placed.output_shape.len() as i64,
                };
                self.node(name, "Concat", inputs, [int("axis", axis)])
            }
        };
        (merged, channels)
    }

    /// Appends what an activation makes of a value.
    fn activation(&mut self, layer: &str, activation: Activation, x: String) -> String {
        let (operator, setting) = match activation {
            Activation::Linear => return x,
            Activation::Relu => ("Relu", None),
            Activation::LeakyRelu { negative_slope } => {
                ("LeakyRelu", Some(float("alpha", negative_slope)))
            }
            Activation::Elu => ("Elu", None),
            Activation::Selu => ("Selu", None),
            Activation::Gelu => ("Gelu", None),
            Activation::Silu => {
                let sigmoid = self.node(layer, "Sigmoid", [x.clone()], []);
                return self.node(layer, "Mul", [x, sigmoid], []);
            }
            Activation::Sigmoid => ("Sigmoid", None),
            Activation::Tanh => ("Tanh", None),
        };
        self.node(layer, operator, [x], setting)
    }
}
