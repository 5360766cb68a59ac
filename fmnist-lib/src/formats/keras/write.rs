//! A network of this crate as layers of Keras.

use serde_json::{Value, json};

use super::graph::{INPUT, Node, OwnLayer, in_order_of_keras};
use super::layers;
use crate::error::{Error, Result};
use crate::model::Model;
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
            nodes.push(Node {
                inputs: std::mem::take(&mut inputs),
                shape: part.shape,
                layer: weights.take_if(|_| part.suffix.is_empty()).map(own),
                ..Node::new(part.class, &name, &part.config)
            });
            inputs = vec![nodes.len() - 1];
        }
        ends.push(nodes.len() - 1);
    }
    Ok(in_order_of_keras(nodes))
}
