//! From layers of Keras to a network of this crate.

use std::collections::HashMap;

use serde_json::Value;

use super::dominators::dominators;
use super::graph::{Node, output};
use super::settings::{Settings, activates_by_softmax, is_softmax, layer};
use crate::data::Scaling;
use crate::error::{Error, Result};
use crate::model::{Block, ModelSpec};
use crate::nn::AnyLayer;

/// The network, and which node each of its layers comes from, by the layer's name.
pub(super) fn spec(config: &Value, nodes: &[Node]) -> Result<(ModelSpec, HashMap<String, usize>)> {
    let mut end = output(config, nodes)?;
    let softmax = is_softmax(&nodes[end]);
    if softmax {
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
        scores: (!softmax).then_some(end),
        dominators: dominators(nodes),
        sources: HashMap::new(),
    };
    let layers = reader.block(begin, end, "", 0)?;
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
    match sides(config, first).as_deref() {
        Some(&[height, width, channels]) => Ok([height, width, channels]),
        Some(&[height, width]) => Ok([height, width, 1]),
        _ => Err(Error::Invalid(format!(
            "its network takes an input of shape {}, but this crate's take images: height, width and channels, each \
             a number; begin it with keras.Input((28, 28, 1)) and a Flatten",
            input_shape(config, first).map_or("unknown".into(), Value::to_string)
        ))),
    }
}

fn is_without_channels(config: &Value, first: &Node) -> bool {
    sides(config, first).is_some_and(|sides| sides.len() == 2)
}

/// The shape of one input, where it is known.
fn sides(config: &Value, first: &Node) -> Option<Vec<usize>> {
    let sides = input_shape(config, first)?.as_array()?.iter().skip(1);
    sides
        .map(|side| side.as_u64().and_then(|side| side.try_into().ok()))
        .collect()
}

fn input_shape<'a>(config: &'a Value, first: &'a Node) -> Option<&'a Value> {
    let settings = ["batch_shape", "batch_input_shape"]
        .iter()
        .find_map(|key| first.config.get(*key));
    settings.or(config["config"].get("build_input_shape"))
}

/// How deep branches may lie within branches. A file of ours holds fewer, too.
const DEEPEST: usize = 30;

struct Reader<'a> {
    nodes: &'a [Node],
    /// The layer whose softmax is left out: the last, unless a softmax of its own stands behind it.
    scores: Option<usize>,
    dominators: Vec<Option<usize>>,
    sources: HashMap<String, usize>,
}

impl Reader<'_> {
    /// The layers behind `begin` up to `end`, in branches whose names begin with `prefix`.
    fn block(&mut self, begin: usize, end: usize, prefix: &str, depth: usize) -> Result<Block> {
        if depth > DEEPEST {
            return Err(Settings(&self.nodes[end]).refused(&format!(
                "it lies in branches within more than {DEEPEST} branches"
            )));
        }
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
                        .map(|&input| self.block(begin, input, &format!("{full}/"), depth + 1));
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
        if self.scores == Some(at) && activates_by_softmax(&node.config) {
            let mut linear = node.clone();
            linear.config.insert("activation".into(), "linear".into());
            return layer(&linear);
        }
        layer(node)
    }
}

/// Refuses layers that work along another axis than this crate's.
pub(super) fn check_axes(
    spec: &ModelSpec,
    config: &Value,
    nodes: &[Node],
    sources: &HashMap<String, usize>,
) -> Result<()> {
    let placed = spec.place()?;
    for layer in &placed {
        let node = &nodes[sources[&layer.name]];
        // The images of Keras have no channels: the last axis is another one there.
        let flat = is_without_channels(config, &nodes[0]) && layer.output_shape == spec.input;
        if flat && node.config.contains_key("axis") {
            return Err(Settings(node).refused(
                "it works along an axis of images without channels: begin the network with keras.Input((28, 28, 1))",
            ));
        }
        Settings(node).along_channels(layer.output_shape.len())?;
    }
    let end = &nodes[output(config, nodes)?];
    match placed.last() {
        Some(last) => Settings(end).along_channels(last.output_shape.len()),
        None => Ok(()),
    }
}

/// The layers that Keras does not train, by their names here.
pub(super) fn frozen(
    spec: &ModelSpec,
    nodes: &[Node],
    sources: &HashMap<String, usize>,
) -> Result<Vec<String>> {
    let layers = spec.place()?.into_iter();
    let weighted = layers.filter(|placed| !placed.weights.is_empty());
    let fixed =
        |name: &String| nodes[sources[name]].config.get("trainable") == Some(&Value::Bool(false));
    Ok(weighted.map(|placed| placed.name).filter(fixed).collect())
}
