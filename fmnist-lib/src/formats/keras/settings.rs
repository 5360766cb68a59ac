//! A layer of this crate from the settings of one of Keras.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::functions::{activation_of_class, read_activation, read_initializer};
use super::graph::Node;
use crate::error::{Error, Result};
use crate::nn::{
    Activation, AnyLayer, AvgPool2d, BatchNorm, Conv2d, Conv2dTranspose, Dense, DepthwiseConv2d,
    Dropout, Flatten, GlobalAvgPool2d, LayerNorm, MaxPool2d, Pair, Reshape, UpSampling2d,
    ZeroPadding2d, Zeros,
};

/// The layer that does what one of Keras does.
///
/// # Errors
/// When this crate has no such layer, or not with such a setting; the message names both.
pub(super) fn layer(node: &Node) -> Result<AnyLayer> {
    let settings = Settings(node);
    if let Some(activation) = activation_of_class(&node.class, &node.config)
        .map_err(|problem| settings.refused(&problem))?
    {
        return Ok(activation.into());
    }
    let layer = match node.class.as_str() {
        "Conv2D" => {
            let mut conv = Conv2d::new(settings.get("filters")?)
                .kernel_size(settings.get::<Pair>("kernel_size")?)
                .strides(settings.get_or("strides", Pair::from(1))?)
                .groups(settings.get_or("groups", 1)?)
                .activation(settings.activation()?)
                .init(read_initializer(node.config.get("kernel_initializer")));
            conv.bias = settings.get_or("use_bias", true)?;
            conv.sliding.same = settings.same()?;
            conv.into()
        }
        "DepthwiseConv2D" => {
            let mut conv = DepthwiseConv2d::new(settings.get::<Pair>("kernel_size")?)
                .strides(settings.get_or("strides", Pair::from(1))?)
                .depth_multiplier(settings.get_or("depth_multiplier", 1)?)
                .activation(settings.activation()?)
                .init(read_initializer(node.config.get("depthwise_initializer")));
            conv.bias = settings.get_or("use_bias", true)?;
            conv.sliding.same = settings.same()?;
            conv.into()
        }
        "Conv2DTranspose" => {
            settings.only("output_padding", Value::Null)?;
            let mut conv = Conv2dTranspose::new(settings.get("filters")?)
                .kernel_size(settings.get::<Pair>("kernel_size")?)
                .strides(settings.get_or("strides", Pair::from(1))?)
                .activation(settings.activation()?)
                .init(read_initializer(node.config.get("kernel_initializer")));
            conv.bias = settings.get_or("use_bias", true)?;
            conv.same = settings.same()?;
            conv.into()
        }
        "Dense" => {
            let mut dense = Dense::new(settings.get("units")?)
                .activation(settings.activation()?)
                .init(read_initializer(node.config.get("kernel_initializer")));
            dense.bias = settings.get_or("use_bias", true)?;
            dense.into()
        }
        "MaxPooling2D" => {
            let (size, strides) = settings.pool()?;
            let mut pool = MaxPool2d::new(size).strides(strides);
            pool.sliding.same = settings.same()?;
            pool.into()
        }
        "AveragePooling2D" => {
            let (size, strides) = settings.pool()?;
            let mut pool = AvgPool2d::new(size).strides(strides);
            pool.sliding.same = settings.same()?;
            pool.into()
        }
        "GlobalAveragePooling2D" => {
            settings.only("keepdims", json!(false))?;
            GlobalAvgPool2d.into()
        }
        "BatchNormalization" => BatchNorm::new()
            .momentum(settings.get_or("momentum", 0.99)?)
            .epsilon(settings.get_or("epsilon", 1e-3)?)
            .into(),
        "LayerNormalization" => {
            settings.only("rms_scaling", json!(false))?;
            LayerNorm::new()
                .epsilon(settings.get_or("epsilon", 1e-3)?)
                .into()
        }
        "Dropout" => {
            settings.only("noise_shape", Value::Null)?;
            Dropout::new(settings.get("rate")?).into()
        }
        "Flatten" => Flatten.into(),
        "Reshape" => Reshape::new(settings.get::<Vec<usize>>("target_shape")?).into(),
        "UpSampling2D" => {
            settings.only("interpolation", json!("nearest"))?;
            UpSampling2d::new(settings.get::<Pair>("size")?).into()
        }
        "ZeroPadding2D" => ZeroPadding2d::new(settings.get::<Zeros>("padding")?).into(),
        "Rescaling" => {
            return Err(settings.refused(
                "this crate scales pixels where they enter the network: put it right behind the input",
            ));
        }
        class if class.starts_with("Random") => {
            return Err(settings.refused(
                "this crate changes training images by FitConfig::augmentation: leave the layer out",
            ));
        }
        _ => return Err(settings.refused("this crate has no such layer")),
    };
    settings.only("data_format", json!("channels_last"))?;
    settings.only("dilation_rate", json!([1, 1]))?;
    settings.only("renorm", json!(false))?;
    settings.in_f32()?;
    Ok(layer)
}

/// Whether all that the layer does is a softmax.
pub(super) fn is_softmax(node: &Node) -> bool {
    node.class == "Softmax" || node.class == "Activation" && activates_by_softmax(&node.config)
}

/// Whether it has a softmax behind its sums.
pub(super) fn activates_by_softmax(config: &Map<String, Value>) -> bool {
    let activation = config.get("activation");
    activation.is_some_and(|it| {
        it == "softmax" || it["config"] == "softmax" || it["class_name"] == "Softmax"
    })
}

/// The settings of one layer, whose errors name it.
pub(super) struct Settings<'a>(pub(super) &'a Node);

impl Settings<'_> {
    pub(super) fn refused(&self, problem: &str) -> Error {
        Error::Invalid(format!(
            "layer {} ({}): {problem}",
            self.0.name, self.0.class
        ))
    }

    pub(super) fn get<T: DeserializeOwned>(&self, key: &str) -> Result<T> {
        let value = self
            .0
            .config
            .get(key)
            .ok_or_else(|| self.refused(&format!("it has no {key}")))?;
        T::deserialize(value).map_err(|_| {
            self.refused(&format!(
                "this crate cannot use its {key}, which is {value}"
            ))
        })
    }

    pub(super) fn get_or<T: DeserializeOwned>(&self, key: &str, default: T) -> Result<T> {
        match self.0.config.get(key) {
            None | Some(Value::Null) => Ok(default),
            Some(_) => self.get(key),
        }
    }

    /// Refuses weights of another kind than `float32`. Mixed precision has such weights too, and is computed in `float32` here.
    fn in_f32(&self) -> Result<()> {
        let dtype = self.0.config.get("dtype");
        let name = dtype.and_then(|dtype| dtype.as_str().or(dtype["config"]["name"].as_str()));
        match name {
            None | Some("float32" | "mixed_float16" | "mixed_bfloat16") => Ok(()),
            Some(other) => Err(self.refused(&format!(
                "its dtype is {other}; this crate computes in float32"
            ))),
        }
    }

    /// Refuses an axis that is not the last of `rank` and the batch's: channels.
    pub(super) fn along_channels(&self, rank: usize) -> Result<()> {
        let axis = match self.0.config.get("axis") {
            Some(Value::Array(axes)) if axes.len() == 1 => &axes[0],
            Some(axis) => axis,
            None => return Ok(()),
        };
        match axis.is_null() || *axis == json!(-1) || *axis == json!(rank) {
            true => Ok(()),
            false => Err(self.refused(&format!(
                "this crate works along channels, the last axis, not along axis {axis}"
            ))),
        }
    }

    /// Refuses every value but one, which is also what it means to leave the setting out.
    fn only(&self, key: &str, wanted: Value) -> Result<()> {
        match self.0.config.get(key) {
            Some(found) if *found != wanted && !found.is_null() => {
                Err(self.refused(&format!("this crate cannot do its {key} of {found}")))
            }
            _ => Ok(()),
        }
    }

    fn activation(&self) -> Result<Activation> {
        read_activation(self.0.config.get("activation")).map_err(|problem| self.refused(&problem))
    }

    /// Whether its windows reach over the border.
    fn same(&self) -> Result<bool> {
        match self.get_or("padding", "valid".to_owned())?.as_str() {
            "valid" => Ok(false),
            "same" => Ok(true),
            other => Err(self.refused(&format!("this crate has no padding {other}"))),
        }
    }

    /// The size of a pool, and its strides.
    fn pool(&self) -> Result<(Pair, Pair)> {
        let size = self.get_or("pool_size", Pair::from(2))?;
        Ok((size, self.get_or("strides", size)?))
    }
}
