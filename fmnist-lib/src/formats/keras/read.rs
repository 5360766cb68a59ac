//! From layers of Keras to a network of this crate.

use std::collections::HashMap;

use serde_json::Value;

use super::graph::{Node, output};
use super::settings::{Settings, activates_by_softmax, is_softmax, layer};
use crate::data::Scaling;
use crate::error::{Error, Result};
use crate::model::{Block, Model, ModelSpec};
use crate::nn::AnyLayer;

/// The network, and which node each of its layers comes from, by the layer's name.
pub(super) fn spec(config: &Value, nodes: &[Node]) -> Result<(ModelSpec, HashMap<String, usize>)> {
    let mut end = output(config, nodes)?;
    if is_softmax(&nodes[end]) {
        Settings(&nodes[end]).along_channels(1)?;
        end = only_input(&nodes[end])?;
    }
    let mut begin = 0;
    let mut scaling = Scaling::Unit;
    let inputs = nodes.iter().filter(|node| node.inputs.is_empty()).count();
    if inputs != 1 {
        return Err(Error::Invalid(format!(
            "its network has {inputs} inputs; this crate's have one"
        )));
    }
    let reads = |node: &Node, at: usize| node.inputs.contains(&at);
    let rescaling = nodes
        .iter()
        .position(|node| reads(node, begin) && node.class == "Rescaling");
    if let Some(at) = rescaling {
        scaling = scaling_of(&nodes[at])?;
        begin = at;
        // All others must read what is scaled.
        if let Some(other) = nodes
            .iter()
            .enumerate()
            .find(|(other, node)| *other != at && reads(node, 0))
        {
            return Err(Settings(other.1).refused("it reads pixels beside a Rescaling"));
        }
    }
    let mut reader = Reader {
        nodes,
        end,
        dominators: dominators(nodes),
        sources: HashMap::new(),
    };
    let layers = reader.block(begin, end, "")?;
    let name = config["config"]["name"].as_str().unwrap_or("keras");
    let images = image_shape(config, &nodes[0])?;
    let mut spec = ModelSpec::new(name).input(images).scaling(scaling);
    spec.layers = layers;
    Ok((spec, reader.sources))
}

fn only_input(node: &Node) -> Result<usize> {
    match node.inputs[..] {
        [one] => Ok(one),
        _ => {
            Err(Settings(node).refused(&format!("it reads {} layers, not one", node.inputs.len())))
        }
    }
}

fn scaling_of(rescaling: &Node) -> Result<Scaling> {
    let settings = Settings(rescaling);
    let (scale, offset): (f64, f64) = (settings.get("scale")?, settings.get_or("offset", 0.0)?);
    Ok(match (scale, offset) {
        (1.0, 0.0) => Scaling::Raw,
        (scale, 0.0) if (scale * 255.0 - 1.0).abs() < 1e-6 => Scaling::Unit,
        _ => Scaling::Standard {
            mean: (-offset / scale) as f32,
            deviation: (1.0 / scale) as f32,
        },
    })
}

/// Height, width and channels; what has no channels has one.
fn image_shape(config: &Value, first: &Node) -> Result<[usize; 3]> {
    let settings = ["batch_shape", "batch_input_shape"]
        .iter()
        .find_map(|key| first.config.get(*key));
    let shape = settings
        .or(config["config"].get("build_input_shape"))
        .and_then(Value::as_array);
    let sides: Option<Vec<usize>> = shape.and_then(|shape| {
        let sides = shape.iter().skip(1);
        sides
            .map(|side| side.as_u64().and_then(|side| side.try_into().ok()))
            .collect()
    });
    match sides.as_deref() {
        Some(&[height, width, channels]) => Ok([height, width, channels]),
        Some(&[height, width]) => Ok([height, width, 1]),
        _ => Err(Error::Invalid(format!(
            "its network takes an input of shape {}, but this crate's take images: height, width and channels, each \
             a number; begin it with keras.Input((28, 28, 1)) and a Flatten",
            shape.map_or("unknown".into(), |shape| Value::from(shape.clone())
                .to_string())
        ))),
    }
}

/// For each node, the nearest that all ways from the input to it go through; itself left aside.
fn dominators(nodes: &[Node]) -> Vec<Option<usize>> {
    let mut dominators: Vec<Option<usize>> = Vec::with_capacity(nodes.len());
    for node in nodes {
        let common = node
            .inputs
            .iter()
            .copied()
            .map(Some)
            .reduce(|one, other| meeting(&dominators, one, other));
        dominators.push(common.flatten());
    }
    dominators
}

/// Where the ways back from two nodes to the input meet. A node stands behind those that it reads.
fn meeting(
    dominators: &[Option<usize>],
    one: Option<usize>,
    other: Option<usize>,
) -> Option<usize> {
    let (mut one, mut other) = (one?, other?);
    while one != other {
        match one > other {
            true => one = dominators[one]?,
            false => other = dominators[other]?,
        }
    }
    Some(one)
}

struct Reader<'a> {
    nodes: &'a [Node],
    /// The network's output.
    end: usize,
    dominators: Vec<Option<usize>>,
    sources: HashMap<String, usize>,
}

impl Reader<'_> {
    /// The layers behind `begin` up to `end`, in branches whose names begin with `prefix`.
    fn block(&mut self, begin: usize, end: usize, prefix: &str) -> Result<Block> {
        let back = std::iter::successors(Some(end), |&at| self.dominators[at]);
        let way: Vec<usize> = back.take_while(|&at| at != begin).collect();
        let mut block = Block::new();
        for at in way.into_iter().rev() {
            let node = &self.nodes[at];
            // What this crate has written within branches has their name before its own.
            let written = prefix.replace('/', ".");
            let name = node
                .name
                .strip_prefix(&written)
                .filter(|name| !name.is_empty())
                .unwrap_or(&node.name);
            let full = format!("{prefix}{name}");
            if self.sources.insert(full.clone(), at).is_some()
                || self
                    .sources
                    .values()
                    .filter(|&&source| source == at)
                    .count()
                    > 1
            {
                return Err(Settings(node).refused(
                    "several branches read it, but part or meet at different places: this crate's branches all begin \
                     at one layer and end at one",
                ));
            }
            block = match node.class.as_str() {
                "Add" | "Concatenate" => {
                    let begin = self.dominators[at].unwrap_or(0);
                    let branches = node
                        .inputs
                        .iter()
                        .map(|&input| self.block(begin, input, &format!("{full}/")));
                    let branches: Vec<Block> = branches.collect::<Result<_>>()?;
                    match node.class == "Add" {
                        true => block.add(name, branches),
                        false => block.concatenate(name, branches),
                    }
                }
                _ => {
                    let layer = self.layer(at)?;
                    only_input(node)?;
                    block.layer(name, layer)
                }
            };
        }
        Ok(block)
    }

    fn layer(&self, at: usize) -> Result<AnyLayer> {
        let node = &self.nodes[at];
        if at == self.end && activates_by_softmax(&node.config) {
            let mut linear = node.clone();
            linear.config.insert("activation".into(), "linear".into());
            return layer(&linear);
        }
        layer(node)
    }
}

/// Refuses layers that work along another axis than this crate's.
pub(super) fn check_axes(
    model: &Model,
    nodes: &[Node],
    sources: &HashMap<String, usize>,
) -> Result<()> {
    for (placed, _) in model.layers()? {
        let layer = Settings(&nodes[sources[&placed.name]]);
        layer.along_channels(placed.output_shape.len())?;
    }
    Ok(())
}

/// The layers that Keras does not train, by their names here.
pub(super) fn frozen(
    model: &Model,
    nodes: &[Node],
    sources: &HashMap<String, usize>,
) -> Result<Vec<String>> {
    let layers = model.layers()?.into_iter();
    let weighted = layers.filter(|(_, weights)| !weights.is_empty());
    let fixed =
        |name: &String| nodes[sources[name]].config.get("trainable") == Some(&Value::Bool(false));
    Ok(weighted
        .map(|(placed, _)| placed.name)
        .filter(fixed)
        .collect())
}
