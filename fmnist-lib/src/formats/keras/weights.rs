//! Weights in HDF5, as Keras 3 lays them out, and as Keras 2 did.

use std::collections::HashMap;

use candle_core::{DType, Device, Tensor};
use hdf5_pure::{AttrValue, File, FileBuilder, Group};
use serde_json::Value;

use super::graph::Node;
use super::settings::Settings;
use crate::error::{Error, Result};
use crate::model::ModelSpec;
use crate::nn::Weight;

/// `layers/conv2d_1/vars/0`: Keras 3 knows a layer by its class and how many of that class come before it.
const LAYERS: &str = "layers";
const VARIABLES: &str = "vars";

/// What Keras 2.13 called [`LAYERS`] in its `.keras` files.
const LAYERS_OF_2_13: &str = "_layer_checkpoint_dependencies";

/// The classes that have weights, and what Keras's `to_snake_case` makes of them.
const CLASSES: [(&str, &str); 7] = [
    ("BatchNormalization", "batch_normalization"),
    ("Conv2D", "conv2d"),
    ("Conv2DTranspose", "conv2d_transpose"),
    ("Dense", "dense"),
    ("DepthwiseConv2D", "depthwise_conv2d"),
    ("LayerNormalization", "layer_normalization"),
    ("SeparableConv2D", "separable_conv2d"),
];

/// A file of Keras with weights.
pub(super) struct StoredWeights(File);

impl StoredWeights {
    pub(super) fn open(bytes: Vec<u8>) -> Result<Self> {
        let length = bytes.len() as u64;
        let file = File::from_bytes(bytes).map_err(damaged)?;
        // What is cut off may be nothing that anybody reads, or the end of the last weights.
        let whole = file.superblock().eof_address;
        if length < whole {
            return Err(Error::Invalid(format!(
                "it is cut off after {length} of {whole} bytes; copy or save it anew"
            )));
        }
        Ok(Self(file))
    }

    /// What Keras 2 wrote about the network; nothing where the file has weights alone.
    pub(super) fn model_config(&self) -> Result<Option<String>> {
        let attributes = self.0.root().attrs().map_err(damaged)?;
        Ok(attributes
            .get("model_config")
            .and_then(|value| strings(value).pop()))
    }

    /// The weights of a network, in its order, from those nodes that its layers come from.
    pub(super) fn of(
        &self,
        spec: &ModelSpec,
        nodes: &[Node],
        sources: &HashMap<String, usize>,
    ) -> Result<Vec<Tensor>> {
        let places = places(nodes);
        let mut values = Vec::new();
        for placed in spec.place()? {
            if placed.weights.is_empty() {
                continue;
            }
            let at = sources[&placed.name];
            let (node, layer) = (&nodes[at], Settings(&nodes[at]));
            let about = |error: Error| layer.refused(&error.to_string());
            let (group, names) = self
                .of_layer(&places[at], &node.stored.name)
                .map_err(about)?;
            let range = &node.stored.weights;
            let mut names = names.iter().take(range.end).skip(range.start);
            for weight in &placed.weights {
                let shape = &weight.shape[..];
                values.push(match is_stored(node, weight.name) {
                    false if weight.name == "gamma" => {
                        Tensor::ones(shape, DType::F32, &Device::Cpu)?
                    }
                    false => Tensor::zeros(shape, DType::F32, &Device::Cpu)?,
                    true => {
                        let name = names.next().ok_or_else(|| {
                            layer.refused(&format!("the file has no {} of it", weight.name))
                        })?;
                        variable(&group, name, weight).map_err(about)?
                    }
                });
            }
            if names.next().is_some() {
                return Err(layer.refused("the file has more weights of it than the layer"));
            }
        }
        Ok(values)
    }

    /// Where a layer's weights lie, and their names there in Keras's order.
    fn of_layer(&self, place: &str, name: &str) -> Result<(Group, Vec<String>)> {
        for layers in [LAYERS, LAYERS_OF_2_13] {
            if let Ok(group) = self.0.group(&format!("{layers}/{place}/{VARIABLES}")) {
                let count = group.datasets().map_err(damaged)?.len();
                return Ok((group, (0..count).map(|at| at.to_string()).collect()));
            }
        }
        for folder in ["model_weights/", ""] {
            if let Ok(group) = self.0.group(&format!("{folder}{name}")) {
                let attributes = group.attrs().map_err(damaged)?;
                let names = attributes.get("weight_names").map(strings);
                return Ok((group, names.unwrap_or_default()));
            }
        }
        Err(Error::Invalid("the file has no weights of it".into()))
    }
}

/// A weight, whose shape is looked at before its values are read: a damaged file may claim any size.
fn variable(group: &Group, name: &str, weight: &Weight) -> Result<Tensor> {
    let dataset = group.dataset(name).map_err(damaged)?;
    let shape = dataset.shape().map_err(damaged)?;
    let shape: Vec<usize> = shape.into_iter().map(|side| side as usize).collect();
    if shape != weight.shape {
        return Err(Error::Invalid(format!(
            "its {} has the shape {shape:?} in the file, but {:?} in the network",
            weight.name, weight.shape
        )));
    }
    let values = dataset.read_f32().map_err(damaged)?;
    Ok(Tensor::from_vec(values, shape, &Device::Cpu)?)
}

fn damaged(error: hdf5_pure::Error) -> Error {
    Error::Invalid(format!(
        "the weights cannot be read ({error}); save the file anew"
    ))
}

/// The strings of an attribute, in each of the forms that h5py has written over the years.
fn strings(value: &AttrValue) -> Vec<String> {
    match value {
        AttrValue::String(one)
        | AttrValue::AsciiString(one)
        | AttrValue::VarLenString(one)
        | AttrValue::VarLenAsciiString(one) => vec![one.clone()],
        AttrValue::StringSized { value, .. } | AttrValue::AsciiStringSized { value, .. } => {
            vec![value.clone()]
        }
        AttrValue::StringArray(all)
        | AttrValue::AsciiStringArray(all)
        | AttrValue::VarLenStringArray(all)
        | AttrValue::VarLenAsciiStringArray(all) => all.clone(),
        AttrValue::StringArraySized { values, .. }
        | AttrValue::AsciiStringArraySized { values, .. } => values.clone(),
        _ => Vec::new(),
    }
}

/// Whether a layer of these settings has a weight of this name. This crate's always have.
fn is_stored(node: &Node, weight: &str) -> bool {
    let setting = match weight {
        "gamma" => "scale",
        "beta" => "center",
        "bias" => "use_bias",
        _ => return true,
    };
    node.config.get(setting) != Some(&Value::Bool(false))
}

/// By which name the weights of each node lie in the file: `batch_normalization`, `batch_normalization_1`…
fn places(nodes: &[Node]) -> Vec<String> {
    let mut counts: HashMap<&str, usize> = HashMap::new();
    let place = |node: &Node| {
        let known = CLASSES
            .iter()
            .find(|(class, _)| *class == node.stored.class);
        let name = known.map_or("", |(_, name)| name);
        let before = counts.entry(name).or_default();
        // The second part of a layer lies where the first does.
        *before += usize::from(node.stored.weights.start == 0);
        match *before - 1 {
            0 => name.to_owned(),
            before => format!("{name}_{before}"),
        }
    };
    nodes.iter().map(place).collect()
}

/// A `.weights.h5` file.
pub(super) fn write(nodes: &[Node]) -> Result<Vec<u8>> {
    let mut file = FileBuilder::new();
    let mut layers = file.create_group(LAYERS);
    for (node, place) in nodes.iter().zip(places(nodes)) {
        let Some(own) = node.layer.as_ref().filter(|own| !own.weights.is_empty()) else {
            continue;
        };
        let mut layer = layers.create_group(&place);
        let mut variables = layer.create_group(VARIABLES);
        variables.set_attr("name", AttrValue::VarLenString(node.name.clone()));
        for (at, weight) in own.weights.iter().enumerate() {
            let values = weight
                .to_device(&Device::Cpu)?
                .flatten_all()?
                .to_vec1::<f32>()?;
            let shape: Vec<u64> = weight.dims().iter().map(|&side| side as u64).collect();
            variables
                .create_dataset(&at.to_string())
                .with_f32_data(&values)
                .with_shape(&shape);
        }
        layer.add_group(variables.finish());
        layers.add_group(layer.finish());
    }
    file.add_group(layers.finish());
    file.finish()
        .map_err(|error| Error::Invalid(format!("the weights cannot be written ({error})")))
}
