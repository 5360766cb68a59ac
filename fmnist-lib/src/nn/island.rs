//! A layer of the user's own among those of this crate: Candle computes it, forwards and backwards.

use std::sync::Arc;

use candle_core::{Device, Tensor, Var};

use super::stage::{Backward, Forward, Graph, Place, Stage, Staged};
use super::{Layer, Pass, f32_slices};
use crate::error::Result;

#[derive(Debug)]
struct Island {
    name: String,
    layer: Arc<dyn Layer>,
    /// Of one image.
    input: Vec<usize>,
    output: Vec<usize>,
    /// For each weight, whether the optimiser changes it.
    trainable: Vec<bool>,
}

pub(super) fn stage(layer: &Arc<dyn Layer>, place: &Place<'_>) -> Staged {
    let input = place.inputs[0];
    let weights = layer.weights(input);
    Staged::alone(Island {
        name: place.name.to_owned(),
        layer: layer.clone(),
        input: input.to_vec(),
        output: place.output.to_vec(),
        trainable: weights.iter().map(|weight| weight.trainable).collect(),
    })
}

impl Stage for Island {
    fn kernel(&self) -> &'static str {
        "Candle (a layer of your own)"
    }

    fn forward(&self, pass: Forward<'_>) -> Result<()> {
        let shape = [&[pass.images], &self.input[..]].concat();
        let input = Tensor::from_slice(pass.inputs[0], shape, &Device::Cpu)?;
        let circumstances = Pass::new(&self.name, pass.step).frozen(pass.frozen);
        let output = if pass.step.is_some() {
            let input = Var::from_tensor(&input)?;
            // The layer changes its statistics in place: those of a step that fails are thrown away.
            let mut weights = Vec::with_capacity(self.trainable.len());
            for (weight, &trainable) in pass.weights.0.iter().zip(&self.trainable) {
                weights.push(match trainable && !pass.frozen {
                    true => (*weight).clone(),
                    false => weight.copy()?,
                });
            }
            let output = self.layer.forward(&input, &weights, &circumstances)?;
            let statistics = weights
                .iter()
                .zip(&self.trainable)
                .filter(|(_, trainable)| !**trainable && !pass.frozen);
            pass.kept.statistics = statistics.map(|(weight, _)| weight.clone()).collect();
            let graph = pass.kept.graph.insert(Graph {
                input,
                weights,
                output,
            });
            graph.output.clone()
        } else {
            let weights: Vec<Tensor> = pass
                .weights
                .0
                .iter()
                .map(|weight| weight.detach())
                .collect();
            self.layer.forward(&input, &weights, &circumstances)?
        };
        super::check_output(
            &self.name,
            self.layer.kind(),
            &output,
            pass.images,
            &self.output,
        )?;
        Ok(f32_slices(&[&output], |slices| {
            slices[0].clone_into(pass.output)
        })?)
    }

    fn reads_inputs(&self) -> bool {
        false
    }

    fn reads_output(&self) -> bool {
        false
    }

    fn backward(&self, pass: Backward<'_>) -> Result<()> {
        let Some(Graph {
            input,
            weights,
            output,
        }) = pass.kept.graph.take()
        else {
            return Ok(()); // there was no forward pass
        };
        let gradient = Tensor::from_slice(pass.gradient, output.shape(), &Device::Cpu)?;
        let gradients = (&output * gradient)?.sum_all()?.backward()?;
        let read = |of: &Tensor, into: &mut Vec<f32>| -> Result<()> {
            into.clear();
            match gradients.get(of) {
                Some(gradient) => {
                    f32_slices(&[gradient], |slices| into.extend_from_slice(slices[0]))?
                }
                None => into.resize(of.elem_count(), 0.0),
            }
            Ok(())
        };
        if pass.wants_inputs {
            read(&input, &mut pass.of_inputs[0])?;
        }
        let trainable = weights
            .iter()
            .zip(&self.trainable)
            .filter(|(_, trainable)| **trainable);
        for ((weight, _), into) in trainable.zip(pass.of_weights) {
            read(weight, into)?;
        }
        Ok(())
    }
}
