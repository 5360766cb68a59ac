//! What batch normalisation reads, and the part of it that belongs to a task.

use super::{BatchNorm, Moments};
use crate::activation::Activation;
use std::ops::Range;

/// What [`BatchNorm::forward`] reads.
#[derive(Clone, Copy, Debug)]
pub struct BatchNormForward<'a> {
    /// A batch of inputs.
    pub x: &'a [f32],
    /// The factor of each channel.
    pub gamma: &'a [f32],
    /// What is added to each channel.
    pub beta: &'a [f32],
    /// Those of the batch while training, and those of the whole training otherwise.
    pub moments: &'a Moments,
    /// What becomes of the results.
    pub activation: Activation<'a>,
}

/// What [`BatchNorm::backward`] reads.
#[derive(Clone, Copy, Debug)]
pub struct BatchNormBackward<'a> {
    /// The inputs of the forward pass.
    pub x: &'a [f32],
    /// The factors of the forward pass.
    pub gamma: &'a [f32],
    /// What it added.
    pub beta: &'a [f32],
    /// The moments of the forward pass.
    pub moments: &'a Moments,
    /// Whether the moments are those of the whole training. Those of the batch depend on the input.
    pub fixed: bool,
    /// The gradient of the outputs.
    pub dy: &'a [f32],
    /// The activation of the forward pass.
    pub activation: Activation<'a>,
}

impl<'a> BatchNormForward<'a> {
    pub(super) fn of_task(self, layer: &BatchNorm, task: usize) -> Self {
        let floats = layer.floats_of_task(task, self.x.len());
        Self {
            x: &self.x[floats.clone()],
            activation: of_floats(layer, self.activation, floats),
            ..self
        }
    }
}

impl<'a> BatchNormBackward<'a> {
    pub(super) fn of_task(self, layer: &BatchNorm, task: usize) -> Self {
        let floats = layer.floats_of_task(task, self.x.len());
        Self {
            x: &self.x[floats.clone()],
            dy: &self.dy[floats.clone()],
            activation: of_floats(layer, self.activation, floats),
            ..self
        }
    }
}

fn of_floats<'a>(
    layer: &BatchNorm,
    activation: Activation<'a>,
    floats: Range<usize>,
) -> Activation<'a> {
    let first = floats.start / layer.channels;
    activation.pixels(first, floats.len() / layer.channels, layer.channels)
}
