//! A network as Keras has it: layers by name, each with the layers that it reads.

use std::collections::HashMap;
use std::ops::Range;

use serde_json::{Map, Value, json};

use super::layers::fields;
use crate::error::{Error, Result};
use crate::model::MOST_LAYERS;

/// One layer of Keras.
#[derive(Clone)]
pub(super) struct Node {
    /// `Conv2D`…
    pub(super) class: String,
    pub(super) name: String,
    pub(super) config: Map<String, Value>,
    /// The nodes that it reads.
    pub(super) inputs: Vec<usize>,
    /// Of one output, the batch left out; unknown where the network has been read from a file.
    pub(super) shape: Vec<usize>,
    /// The layer of this crate whose weights it has.
    pub(super) layer: Option<OwnLayer>,
    pub(super) stored: Stored,
}

/// Where a file has a node's weights: among those of a layer of this class and name.
#[derive(Clone)]
pub(super) struct Stored {
    pub(super) class: String,
    pub(super) name: String,
    pub(super) weights: Range<usize>,
}

/// A layer of a network of this crate, with its weights.
#[derive(Clone)]
pub(super) struct OwnLayer {
    pub(super) name: String,
    pub(super) weights: Vec<candle_core::Tensor>,
}

pub(super) const INPUT: &str = "InputLayer";

impl Node {
    pub(super) fn new(class: &str, name: &str, config: &Map<String, Value>) -> Self {
        Self {
            class: class.into(),
            name: name.into(),
            config: config.clone(),
            inputs: Vec::new(),
            shape: Vec::new(),
            layer: None,
            stored: Stored {
                class: class.into(),
                name: name.into(),
                weights: 0..usize::MAX,
            },
        }
    }

    /// The layers that do what one of Keras does, the second behind the first: itself, but for `SeparableConv2D`.
    fn parts(class: &str, name: &str, config: &Map<String, Value>) -> Vec<Self> {
        let whole = Self::new(class, name, config);
        if class != "SeparableConv2D" {
            return vec![whole];
        }
        let part = |class: &str, suffix: &str, changed: Value, weights| {
            let mut part = Self::new(class, &format!("{name}{suffix}"), config);
            part.config.extend(fields(changed));
            part.stored = Stored {
                weights,
                ..whole.stored.clone()
            };
            part
        };
        let depthwise = json!({ "activation": "linear", "use_bias": false });
        let initializer = config.get("pointwise_initializer");
        let pointwise = json!({ "kernel_size": 1, "strides": 1, "dilation_rate": [1, 1], "kernel_initializer": initializer });
        vec![
            part("DepthwiseConv2D", ".depthwise", depthwise, 0..1),
            part("Conv2D", "", pointwise, 1..usize::MAX),
        ]
    }
}

/// The layers of a network, each behind those that it reads: the order in which Keras counts them.
pub(super) fn nodes(config: &Value) -> Result<Vec<Node>> {
    let inner = &config["config"];
    // Keras 2's `Sequential` had at first no name, only layers.
    let layers = inner.get("layers").unwrap_or(inner).as_array();
    let (Some(class), Some(layers)) = (config["class_name"].as_str(), layers) else {
        return Err(Error::Invalid(
            "its description of the network has no layers".into(),
        ));
    };
    let in_a_row = match class {
        "Sequential" => true,
        "Functional" | "Model" => false,
        other => {
            return Err(Error::Invalid(format!(
                "its network is a {other}: only Sequential and functional networks (keras.Model of inputs and \
                 outputs) say what they are made of; load the weights by load_keras_weights"
            )));
        }
    };
    let mut known = HashMap::new();
    let mut nodes: Vec<Node> = Vec::with_capacity(layers.len() + 1);
    if layers.len() > MOST_LAYERS {
        return Err(Error::Invalid(format!(
            "its network has {} layers; at most {MOST_LAYERS} are read",
            layers.len()
        )));
    }
    for layer in layers {
        let name = layer["config"]["name"].as_str().or(layer["name"].as_str());
        let (Some(class), Some(name), Some(config)) = (
            layer["class_name"].as_str(),
            name,
            layer["config"].as_object(),
        ) else {
            return Err(Error::Invalid(
                "a layer of its network has no class or no name".into(),
            ));
        };
        built_in(layer, name)?;
        // Of Keras 2, a row may begin with the first layer, which then tells the shape of the input.
        if nodes.is_empty() && class != INPUT {
            nodes.push(Node::new(INPUT, "input", config));
        }
        let mut inputs = match in_a_row {
            true => nodes.len().checked_sub(1).into_iter().collect(),
            false => read_layers(name, &layer["inbound_nodes"], &known)?,
        };
        for part in Node::parts(class, name, config) {
            nodes.push(Node { inputs, ..part });
            inputs = vec![nodes.len() - 1];
        }
        known.insert(name.to_owned(), nodes.len() - 1);
    }
    Ok(nodes)
}

/// The one node that is the network's output.
pub(super) fn output(config: &Value, nodes: &[Node]) -> Result<usize> {
    let Some(outputs) = config["config"].get("output_layers") else {
        return nodes
            .len()
            .checked_sub(1)
            .ok_or_else(|| Error::Invalid("its network has no layers".into()));
    };
    let mut names = Vec::new();
    histories(outputs, &mut names);
    let [name] = names[..] else {
        return Err(Error::Invalid(format!(
            "its network has {} outputs; this crate's have one",
            names.len()
        )));
    };
    nodes
        .iter()
        .position(|node| node.name == name)
        .ok_or_else(|| unknown("the output", name))
}

fn unknown(reader: &str, name: &str) -> Error {
    Error::Invalid(format!(
        "{reader} of its network reads {name}, which is none of the layers before it"
    ))
}

/// What a layer reads, where it is called once.
fn read_layers(layer: &str, calls: &Value, known: &HashMap<String, usize>) -> Result<Vec<usize>> {
    let calls = calls.as_array().map_or(&[][..], Vec::as_slice);
    if calls.len() > 1 {
        return Err(Error::Invalid(format!(
            "layer {layer} of its network is used {} times; in this crate a layer has one place",
            calls.len()
        )));
    }
    let mut names = Vec::new();
    if !calls.iter().all(|call| histories(call, &mut names)) {
        return Err(Error::Invalid(format!(
            "layer {layer} of its network reads a constant or a mask; in this crate a layer reads other layers alone"
        )));
    }
    let find = |name: &&str| {
        known
            .get(*name)
            .copied()
            .ok_or_else(|| unknown(&format!("layer {layer}"), name))
    };
    names.iter().map(find).collect()
}

/// Takes the names of layers from `["conv2d", 0, 0]`, the form in which both Keras 2 and Keras 3 tell whose output something
/// is. Tells whether there are tensors of layers alone.
fn histories<'a>(value: &'a Value, names: &mut Vec<&'a str>) -> bool {
    match value {
        Value::Array(parts) => match &parts[..] {
            [Value::String(name), Value::Number(_), Value::Number(_), ..] => {
                names.push(name);
                true
            }
            _ => parts.iter().all(|part| histories(part, names)),
        },
        Value::Object(fields) => match (fields.get("args"), fields.get("kwargs")) {
            (Some(args), kwargs) => {
                let settings = kwargs.and_then(Value::as_object);
                let plain = |value: &Value| !value.is_object() && !value.is_array();
                histories(args, names) && settings.is_none_or(|all| all.values().all(plain))
            }
            (None, _) => {
                fields.get("class_name") == Some(&json!("__keras_tensor__"))
                    && histories(&value["config"]["keras_history"], names)
            }
        },
        _ => false,
    }
}

/// Refuses what may bear the name of one of Keras's layers without being it.
fn built_in(layer: &Value, name: &str) -> Result<()> {
    let module = layer["module"].as_str();
    let own = layer["registered_name"].as_str();
    let is_layer = |module: &str| {
        ["keras.layers", "keras.src.layers"]
            .iter()
            .any(|known| module.starts_with(known))
    };
    match module.is_none_or(is_layer) && own.is_none_or(|own| !own.contains('>')) {
        true => Ok(()),
        false => Err(Error::Invalid(format!(
            "layer {name} ({}): it is none of Keras's layers, but an operation such as x + 1, a model within the model, or a class of \
             your own",
            own.unwrap_or(layer["class_name"].as_str().unwrap_or_default())
        ))),
    }
}
