//! Weights in HDF5, as Keras 3 lays them out, and as Keras 2 did.

use std::collections::HashMap;

use candle_core::{Device, Tensor};
use hdf5_pure::{AttrValue, File, FileBuilder, Group};
use serde_json::Value;

use super::graph::Node;
use super::settings::Settings;
use crate::error::{Error, Result};
use crate::model::Model;

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

    /// Gives a model the weights of those nodes that its layers come from. The model stays as it was where one is missing.
    pub(super) fn give(
        &self,
        model: &mut Model,
        nodes: &[Node],
        sources: &HashMap<String, usize>,
    ) -> Result<()> {
        let places = places(nodes);
        let mut values = Vec::new();
        for (placed, own) in model.layers()? {
            if own.is_empty() {
                continue;
            }
            let at = sources[&placed.name];
            let (node, layer) = (&nodes[at], Settings(&nodes[at]));
            let range = &node.stored.weights;
            let mut stored = self
                .of_layer(&places[at], &node.stored.name)
                .map_err(|error| layer.refused(&error.to_string()))?
                .into_iter()
                .take(range.end)
                .skip(range.start);
            for (weight, own) in placed.weights.iter().zip(&own) {
                values.push(match is_stored(node, weight.name) {
                    false if weight.name == "gamma" => own.ones_like()?,
                    false => own.zeros_like()?,
                    true => {
                        let (shape, values) = stored.next().ok_or_else(|| layer.refused(&format!("the file has no {} of it", weight.name)))?;
                        if shape != own.dims() {
                            return Err(layer.refused(&format!(
                                "its {} has the shape {shape:?} in the file, but {:?} in the network", weight.name, own.dims()
                            )));
                        }
                        Tensor::from_vec(values, shape, &Device::Cpu)?.to_device(model.device())?
                    }
                });
            }
            if stored.next().is_some() {
                return Err(layer.refused("the file has more weights of it than the layer"));
            }
        }
        model.set_weights(&values)
    }

    /// Shapes and values of a layer's weights, in Keras's order.
    fn of_layer(&self, place: &str, name: &str) -> Result<Vec<(Vec<usize>, Vec<f32>)>> {
        for layers in [LAYERS, LAYERS_OF_2_13] {
            if let Ok(group) = self.0.group(&format!("{layers}/{place}/{VARIABLES}")) {
                let count = group.datasets().map_err(damaged)?.len();
                return (0..count)
                    .map(|at| variable(&group, &at.to_string()))
                    .collect();
            }
        }
        for folder in ["model_weights/", ""] {
            if let Ok(group) = self.0.group(&format!("{folder}{name}")) {
                let attributes = group.attrs().map_err(damaged)?;
                let names = attributes
                    .get("weight_names")
                    .map(strings)
                    .unwrap_or_default();
                return names.iter().map(|name| variable(&group, name)).collect();
            }
        }
        Err(Error::Invalid("the file has no weights of it".into()))
    }
}

fn variable(group: &Group, name: &str) -> Result<(Vec<usize>, Vec<f32>)> {
    let read = || {
        let dataset = group.dataset(name)?;
        let shape = dataset
            .shape()?
            .into_iter()
            .map(|side| side as usize)
            .collect();
        Ok((shape, dataset.read_f32()?))
    };
    read().map_err(damaged)
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
