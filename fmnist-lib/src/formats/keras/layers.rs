//! The settings of each layer of this crate, as Keras writes them.

use serde_json::{Map, Value, json};

use super::functions::{write_activation, write_initializer};
use crate::error::{Error, Result};
use crate::nn::{Activation, AnyLayer, Merge, Operation, Pair, Sliding};

/// A layer of Keras that does what a layer of this crate does, or a part of it.
pub(super) struct Written {
    /// Behind the name of our layer; empty for the one that has its weights.
    pub(super) suffix: &'static str,
    pub(super) class: &'static str,
    pub(super) config: Map<String, Value>,
    /// Of its output.
    pub(super) shape: Vec<usize>,
}

/// What Keras needs for one layer, first to last.
///
/// # Errors
/// When Keras has no such layer.
pub(super) fn write(
    operation: Operation<'_>,
    input: &[usize],
    output: &[usize],
) -> Result<Vec<Written>> {
    let one = |class: &'static str, config: Value| {
        vec![Written {
            suffix: "",
            class,
            config: fields(config),
            shape: output.to_vec(),
        }]
    };
    let layer = match operation {
        Operation::Merge(Merge::Add) => return Ok(one("Add", json!({}))),
        Operation::Merge(Merge::Concatenate) => {
            return Ok(one("Concatenate", json!({ "axis": -1 })));
        }
        Operation::Layer(layer) => layer,
    };
    Ok(match layer {
        AnyLayer::Activation(activation) => vec![activation_layer(*activation, "", output)],
        AnyLayer::AvgPool2d(pool) => one(
            "AveragePooling2D",
            pool_config(pool.pool_size, pool.sliding)?,
        ),
        AnyLayer::MaxPool2d(pool) => {
            one("MaxPooling2D", pool_config(pool.pool_size, pool.sliding)?)
        }
        AnyLayer::BatchNorm(norm) => {
            let mut layers = one(
                "BatchNormalization",
                json!({ "momentum": norm.momentum, "epsilon": norm.epsilon }),
            );
            if norm.activation != Activation::Linear {
                layers.push(activation_layer(norm.activation, ".activation", output));
            }
            layers
        }
        AnyLayer::Conv2d(conv) => {
            let config = json!({
                "filters": conv.filters,
                "kernel_size": conv.kernel_size,
                "groups": conv.groups,
                "activation": write_activation(conv.activation),
                "use_bias": conv.bias,
                "kernel_initializer": write_initializer(conv.init),
            });
            behind_its_padding(conv.sliding, input, one("Conv2D", config))
        }
        AnyLayer::DepthwiseConv2d(conv) => {
            let config = json!({
                "kernel_size": conv.kernel_size,
                "depth_multiplier": conv.multiplier,
                "activation": write_activation(conv.activation),
                "use_bias": conv.bias,
                "depthwise_initializer": write_initializer(conv.init),
            });
            behind_its_padding(conv.sliding, input, one("DepthwiseConv2D", config))
        }
        AnyLayer::Conv2dTranspose(conv) => one(
            "Conv2DTranspose",
            json!({
                "filters": conv.filters,
                "kernel_size": conv.kernel_size,
                "strides": conv.strides,
                "padding": padding(conv.same),
                "activation": write_activation(conv.activation),
                "use_bias": conv.bias,
                "kernel_initializer": write_initializer(conv.init),
            }),
        ),
        AnyLayer::Dense(dense) => one(
            "Dense",
            json!({
                "units": dense.units,
                "activation": write_activation(dense.activation),
                "use_bias": dense.bias,
                "kernel_initializer": write_initializer(dense.init),
            }),
        ),
        AnyLayer::Dropout(dropout) => one("Dropout", json!({ "rate": dropout.rate })),
        AnyLayer::Flatten(_) => one("Flatten", json!({})),
        AnyLayer::GlobalAvgPool2d(_) => one("GlobalAveragePooling2D", json!({})),
        AnyLayer::LayerNorm(norm) => one("LayerNormalization", json!({ "epsilon": norm.epsilon })),
        AnyLayer::Reshape(reshape) => one("Reshape", json!({ "target_shape": reshape.shape })),
        AnyLayer::UpSampling2d(upsampling) => {
            one("UpSampling2D", json!({ "size": upsampling.size }))
        }
        AnyLayer::ZeroPadding2d(zeros) => one("ZeroPadding2D", json!({ "padding": zeros.size })),
        AnyLayer::Custom(own) => {
            return Err(Error::Invalid(format!(
                "{} is a layer of your own, which Keras does not have; only networks of this crate's layers can be written",
                own.kind()
            )));
        }
    })
}

fn activation_layer(activation: Activation, suffix: &'static str, shape: &[usize]) -> Written {
    let (class, config) = match (activation, activation.name()) {
        (Activation::Relu, _) => ("ReLU", json!({})),
        (Activation::Elu, _) => ("ELU", json!({})),
        (Activation::LeakyRelu { negative_slope }, _) => {
            ("LeakyReLU", json!({ "negative_slope": negative_slope }))
        }
        (_, name) => ("Activation", json!({ "activation": name })),
    };
    Written {
        suffix,
        class,
        config: fields(config),
        shape: shape.to_vec(),
    }
}

/// Keras knows padding as a name alone; a number of pixels is a layer of its own, before the convolution.
fn behind_its_padding(sliding: Sliding, input: &[usize], conv: Vec<Written>) -> Vec<Written> {
    let own = [
        ("padding", json!(padding(sliding.same))),
        ("strides", json!(sliding.strides.unwrap_or(1.into()))),
    ];
    let mut layers = Vec::new();
    if let (Some(Pair([rows, columns])), &[height, width, channels]) = (sliding.padding, input) {
        layers.push(Written {
            suffix: ".padding",
            class: "ZeroPadding2D",
            config: fields(json!({ "padding": [rows, columns] })),
            shape: vec![height + 2 * rows, width + 2 * columns, channels],
        });
    }
    for mut layer in conv {
        layer
            .config
            .extend(own.clone().map(|(key, value)| (key.to_owned(), value)));
        layers.push(layer);
    }
    layers
}

fn pool_config(size: Pair, sliding: Sliding) -> Result<Value> {
    if let Some(padding) = sliding.padding {
        return Err(Error::Invalid(format!(
            "Keras has no pool with a padding of {padding} pixels; same() is what it has"
        )));
    }
    let strides = sliding.strides.unwrap_or(size);
    Ok(json!({ "pool_size": size, "strides": strides, "padding": padding(sliding.same) }))
}

fn padding(same: bool) -> &'static str {
    if same { "same" } else { "valid" }
}

/// The fields of an object that has been written here.
pub(super) fn fields(object: Value) -> Map<String, Value> {
    match object {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}
