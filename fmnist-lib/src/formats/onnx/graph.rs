//! A graph that grows node by node.

use std::collections::{HashMap, HashSet};

use candle_core::{Device, Tensor};

use super::attribute;
use super::proto::{
    AttributeProto, Dimension, DimensionProto, GraphProto, NodeProto, TensorProto,
    TensorShapeProto, TensorTypeProto, TypeProto, ValueInfoProto, data_type,
};
use crate::error::Result;
use crate::nn::product;

const INPUT: &str = "input";
const OUTPUT: &str = "output";

/// Where the channels of an output stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Channels {
    /// Behind the batch, as ONNX's convolutions have them.
    First,
    /// As here. So are outputs that are flat.
    Last,
}

/// What a layer gives.
#[derive(Clone)]
pub(super) struct Value {
    pub(super) name: String,
    /// Of one image, channels last.
    pub(super) shape: Vec<usize>,
    pub(super) channels: Channels,
}

impl Value {
    /// The input of a network for images of this shape.
    pub(super) fn images(shape: &[usize]) -> Self {
        Self {
            name: INPUT.to_owned(),
            shape: shape.to_vec(),
            channels: Channels::Last,
        }
    }

    /// Whether its numbers follow each other in the same order wherever the channels stand.
    fn has_one_order(&self) -> bool {
        match self.shape.split_last() {
            Some((&channels, pixels)) => channels == 1 || product(pixels) == 1,
            None => true,
        }
    }
}

pub(super) struct Graph {
    nodes: Vec<NodeProto>,
    initializers: Vec<TensorProto>,
    node_names: HashSet<String>,
    /// Of all values, weights included.
    value_names: HashSet<String>,
    /// For a value, that with the channels at the other place.
    transposed: HashMap<String, String>,
}

impl Graph {
    pub(super) fn new() -> Self {
        Self {
            nodes: Vec::new(),
            initializers: Vec::new(),
            node_names: HashSet::new(),
            value_names: HashSet::from([INPUT.to_owned(), OUTPUT.to_owned()]),
            transposed: HashMap::new(),
        }
    }

    /// Appends an operator that gives one value, and returns the value's name. The first node of a layer has the
    /// layer's name; others have their operator's behind it.
    pub(super) fn node(
        &mut self,
        layer: &str,
        operator: &str,
        inputs: impl IntoIterator<Item = String>,
        attributes: impl IntoIterator<Item = AttributeProto>,
    ) -> String {
        let name = match layer.is_empty() || self.node_names.contains(layer) {
            true => unused(&mut self.node_names, &format!("{layer}/{operator}")),
            false => unused(&mut self.node_names, layer),
        };
        let value = unused(&mut self.value_names, &name);
        self.nodes.push(NodeProto {
            input: inputs.into_iter().collect(),
            output: vec![value.clone()],
            name,
            op_type: operator.to_owned(),
            attribute: attributes.into_iter().collect(),
        });
        value
    }

    /// Adds a weight and returns its name.
    pub(super) fn weight(&mut self, layer: &str, name: &str, values: &Tensor) -> Result<String> {
        let flat = values.to_device(&Device::Cpu)?.flatten_all()?;
        let bytes = flat
            .to_vec1::<f32>()?
            .into_iter()
            .flat_map(f32::to_le_bytes);
        let name = format!("{layer}.{name}");
        Ok(self.initializer(&name, data_type::FLOAT, values.dims(), bytes.collect()))
    }

    /// Adds a list of whole numbers, which a setting is in some operators, and returns its name.
    pub(super) fn integers(&mut self, layer: &str, name: &str, values: &[usize]) -> String {
        let bytes = values
            .iter()
            .flat_map(|&value| (value as i64).to_le_bytes());
        let name = format!("{layer}.{name}");
        self.initializer(&name, data_type::INT64, &[values.len()], bytes.collect())
    }

    fn initializer(
        &mut self,
        name: &str,
        data_type: i32,
        shape: &[usize],
        raw_data: Vec<u8>,
    ) -> String {
        let name = unused(&mut self.value_names, name);
        self.initializers.push(TensorProto {
            dims: shape.iter().map(|&side| side as i64).collect(),
            data_type,
            name: name.clone(),
            raw_data,
        });
        name
    }

    /// The name of a value with its channels there.
    pub(super) fn with_channels(&mut self, value: &Value, channels: Channels) -> String {
        let rank = value.shape.len();
        if value.channels == channels || rank < 2 {
            return value.name.clone();
        }
        if let Some(name) = self.transposed.get(&value.name) {
            return name.clone();
        }
        let mut dimensions: Vec<usize> = (0..=rank).collect();
        match channels {
            Channels::First => dimensions[1..].rotate_right(1),
            Channels::Last => dimensions[1..].rotate_left(1),
        }
        let name = format!("{}/Transpose", value.name);
        let order = attribute::ints("perm", &dimensions);
        let name = self.node(&name, "Transpose", [value.name.clone()], [order]);
        self.transposed.insert(value.name.clone(), name.clone());
        name
    }

    /// The name of a value whose numbers follow each other as here, though its dimensions may not.
    pub(super) fn in_our_order(&mut self, value: &Value) -> String {
        match value.has_one_order() {
            true => value.name.clone(),
            false => self.with_channels(value, Channels::Last),
        }
    }

    /// The graph from the images to the output of the last layer.
    pub(super) fn finish(mut self, name: &str, input: &Value, output: &Value) -> GraphProto {
        let last = self.with_channels(output, Channels::Last);
        if last == INPUT {
            self.nodes.push(NodeProto {
                input: vec![last],
                output: vec![OUTPUT.to_owned()],
                op_type: "Identity".to_owned(),
                ..Default::default()
            });
        } else {
            let names = self
                .nodes
                .iter_mut()
                .flat_map(|node| node.input.iter_mut().chain(&mut node.output));
            names
                .filter(|name| **name == last)
                .for_each(|name| OUTPUT.clone_into(name));
        }
        GraphProto {
            node: self.nodes,
            name: match name.is_empty() {
                true => "model".to_owned(),
                false => name.to_owned(),
            },
            initializer: self.initializers,
            input: vec![described(
                INPUT,
                &input.shape,
                "(pixel - pixel_mean) / pixel_deviation",
            )],
            output: vec![described(OUTPUT, &output.shape, "scores (logits)")],
        }
    }
}

/// The name, or one like it where it is taken already.
fn unused(taken: &mut HashSet<String>, name: &str) -> String {
    let numbered = (2..).map(|number| format!("{name}_{number}"));
    let mut names = std::iter::once(name.to_owned()).chain(numbered);
    let unused = names.find(|name| taken.insert(name.clone()));
    unused.expect("there are numbers enough")
}

/// A value of any number of images, each of this shape, in `f32`.
fn described(name: &str, shape: &[usize], what: &str) -> ValueInfoProto {
    let batch = Dimension::DimParam("batch".to_owned());
    let sides = shape.iter().map(|&side| Dimension::DimValue(side as i64));
    let dimensions = std::iter::once(batch).chain(sides);
    let dim = dimensions.map(|value| DimensionProto { value: Some(value) });
    let shape = TensorShapeProto { dim: dim.collect() };
    let tensor_type = TensorTypeProto {
        elem_type: data_type::FLOAT,
        shape: Some(shape),
    };
    ValueInfoProto {
        name: name.to_owned(),
        r#type: Some(TypeProto {
            tensor_type: Some(tensor_type),
        }),
        doc_string: what.to_owned(),
    }
}
