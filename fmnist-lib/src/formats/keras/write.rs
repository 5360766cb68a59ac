//! A network of this crate as layers of Keras.

use serde_json::{Value, json};

use super::graph::{INPUT, Node, OwnLayer};
use super::layers;
use super::order::in_order_of_keras;
use crate::error::{Error, Result};
use crate::model::{Model, ModelSpec};
use crate::plan::Source;

/// The layers in Keras's order, the first of which is the input.
pub(super) fn nodes(model: &Model) -> Result<Vec<Node>> {
    let shape = model.spec().input.clone();
    let mut batch = vec![Value::Null];
    batch.extend(shape.iter().map(|&side| json!(side)));
    let batch = layers::fields(json!({ "batch_shape": batch, "dtype": "float32" }));
    let mut nodes = vec![Node {
        shape,
        ..Node::new(INPUT, "input", &batch)
    }];
    let frozen = model.frozen_names()?;
    // Which of the nodes gives the output of each layer.
    let mut ends: Vec<usize> = Vec::new();
    for (placed, weights) in model.layers()? {
        let from = |source: &Source| match *source {
            Source::Images => 0,
            Source::Layer(at) => ends[at],
        };
        let mut inputs: Vec<usize> = placed.inputs.iter().map(from).collect();
        let written = layers::write(
            placed.operation,
            &nodes[inputs[0]].shape,
            &placed.output_shape,
        )
        .map_err(|problem| problem.about(&format!("layer {}", placed.name)))?;
        let mut weights = Some(weights);
        for part in written {
            let name = format!("{}{}", placed.name, part.suffix).replace('/', ".");
            if nodes.iter().any(|node| node.name == name) {
                return Err(Error::Invalid(format!(
                    "two layers would be called {name} in Keras; give layer {} another name",
                    placed.name
                )));
            }
            let own = |weights| OwnLayer {
                name: placed.name.clone(),
                weights,
            };
            let mut node = Node {
                inputs: std::mem::take(&mut inputs),
                shape: part.shape,
                layer: weights.take_if(|_| part.suffix.is_empty()).map(own),
                ..Node::new(part.class, &name, &part.config)
            };
            if frozen.contains(&placed.name) {
                node.config.insert("trainable".into(), json!(false));
            }
            nodes.push(node);
            inputs = vec![nodes.len() - 1];
        }
        ends.push(nodes.len() - 1);
    }
    Ok(in_order_of_keras(nodes))
}

/// The network as `config.json` has it: `Sequential` where its layers stand in a row.
pub(super) fn config(spec: &ModelSpec, nodes: &[Node]) -> Value {
    let in_a_row = nodes
        .iter()
        .enumerate()
        .all(|(at, node)| node.inputs == Vec::from_iter(at.checked_sub(1)));
    let layers: Vec<Value> = nodes
        .iter()
        .map(|node| layer(node, nodes, in_a_row))
        .collect();
    let (module, class, config) = match in_a_row {
        true => (
            "keras",
            "Sequential",
            json!({ "name": spec.name(), "trainable": true, "layers": layers }),
        ),
        false => {
            let end = |node: Option<&Node>| node.map(|node| json!([node.name, 0, 0]));
            let config = json!({
                "name": spec.name(),
                "trainable": true,
                "layers": layers,
                "input_layers": end(nodes.first()),
                "output_layers": end(nodes.last()),
            });
            ("keras.src.models.functional", "Functional", config)
        }
    };
    json!({ "module": module, "class_name": class, "config": config, "registered_name": null })
}

fn layer(node: &Node, nodes: &[Node], in_a_row: bool) -> Value {
    let mut config = node.config.clone();
    config.insert("name".into(), json!(node.name));
    let mut layer = json!({
        "module": "keras.layers",
        "class_name": node.class,
        "config": config,
        "registered_name": null,
    });
    if !in_a_row {
        let tensor = |&at: &usize| {
            let shape: Vec<Value> = [Value::Null]
                .into_iter()
                .chain(nodes[at].shape.iter().map(|&side| json!(side)))
                .collect();
            let history = json!([nodes[at].name, 0, 0]);
            let config = json!({ "shape": shape, "dtype": "float32", "keras_history": history });
            json!({ "class_name": "__keras_tensor__", "config": config })
        };
        let tensors: Vec<Value> = node.inputs.iter().map(tensor).collect();
        let calls = match &tensors[..] {
            [] => json!([]),
            [one] => json!([{ "args": [one], "kwargs": {} }]),
            several => json!([{ "args": [several], "kwargs": {} }]),
        };
        layer["name"] = json!(node.name);
        layer["inbound_nodes"] = calls;
    }
    layer
}
