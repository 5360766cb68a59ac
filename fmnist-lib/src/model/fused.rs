//! Runs a whole network on the CPU in `f32` with this crate's own kernels.
//!
//! Candle's backward pass would store, zero and add a gradient for every intermediate tensor. Here a
//! stage (convolution, ReLU, pooling, dropout) keeps only its output, and all memory is used again in
//! the next step.

use std::mem::take;
use std::sync::{Mutex, PoisonError};

use crate::nn::kernels::{Activation, Dropout, Gradients, Isa, Moments};
use crate::nn::{MOVING_MEAN, MOVING_VARIANCE, Step, kept_bits};

use super::plan::{Kernel, Stage};

/// A network as stages, and the memory they work in.
pub(super) struct Fused {
    isa: Isa,
    stages: Vec<Stage>,
    memory: Mutex<Memory>,
}

/// What a forward pass leaves for the backward pass, for each stage.
#[derive(Default)]
struct Memory {
    outputs: Vec<Vec<f32>>,
    /// Which outputs dropout kept.
    kept: Vec<Vec<u16>>,
    /// Where the first stage's pools found their maxima.
    codes: Vec<u8>,
    /// What the batch normalisations measured; empty for other stages.
    moments: Vec<Moments>,
    gradients: Vec<Gradients>,
}

impl Fused {
    pub(super) fn new(stages: Vec<Stage>) -> Self {
        let memory = Memory {
            outputs: stages.iter().map(|_| Vec::new()).collect(),
            kept: stages.iter().map(|_| Vec::new()).collect(),
            moments: vec![Moments::default(); stages.len()],
            gradients: stages.iter().map(|_| Gradients::default()).collect(),
            ..Memory::default()
        };
        Self {
            isa: Isa::best(),
            stages,
            memory: Mutex::new(memory),
        }
    }

    /// The scores of `images` (one after the other); `weights` are all of the network.
    pub(super) fn forward(
        &self,
        images: &[f32],
        count: usize,
        weights: &[&[f32]],
        step: Option<Step>,
    ) -> Vec<f32> {
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        let Memory {
            outputs,
            kept,
            codes,
            moments,
            ..
        } = &mut *memory;
        for (index, stage) in self.stages.iter().enumerate() {
            let (before, from) = outputs.split_at_mut(index);
            let x = before.last().map_or(images, |output| output.as_slice());
            let y = &mut from[0];
            let kept = &mut kept[index];
            stage.draw_dropout(count, step, kept);
            let activation = stage.activation(step.is_some(), kept);
            let w = &weights[stage.weights.clone()];
            match &stage.kernel {
                Kernel::ConvPool(kernel) => {
                    kernel.forward(self.isa, x, w[0], w[1], activation.dropout, y, codes);
                }
                Kernel::Conv(kernel) => {
                    let none = vec![0.0; if w.len() > 1 { 0 } else { kernel.outputs }];
                    let bias = w.get(1).copied().unwrap_or(&none);
                    kernel.forward(self.isa, x, w[0], bias, activation, y);
                }
                Kernel::Dense(kernel) => kernel.forward(self.isa, x, w[0], w[1], activation, y),
                Kernel::BatchNorm { kernel, .. } => {
                    let moments = &mut moments[index];
                    *moments = match step {
                        Some(_) => kernel.moments(self.isa, x),
                        None => Moments {
                            mean: w[MOVING_MEAN].to_vec(),
                            variance: w[MOVING_VARIANCE].to_vec(),
                        },
                    };
                    kernel.forward(self.isa, x, w[0], w[1], moments, activation, y);
                }
                Kernel::MaxPool(kernel) => kernel.forward(x, y),
                Kernel::Padding(kernel) => kernel.forward(x, y),
                Kernel::Dropout => match activation.dropout {
                    Some(dropout) => dropout.apply(stage.channels, x, y),
                    None => x.clone_into(y),
                },
            }
        }
        outputs
            .last()
            .expect("a plan has at least one stage")
            .clone()
    }

    /// The gradients of all weights, after a [`forward`](Self::forward) of the same images in the
    /// same step, from that of the scores.
    pub(super) fn backward(
        &self,
        images: &[f32],
        weights: &[&[f32]],
        scores: &[f32],
    ) -> Vec<Option<Vec<f32>>> {
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        let Memory {
            outputs,
            kept,
            codes,
            moments,
            gradients,
        } = &mut *memory;
        // What comes before the first weights needs no gradient, and no more do they of the pixels.
        let has_weights = |stage: &Stage| !stage.weights.is_empty();
        let first = self.stages.iter().position(has_weights).unwrap_or(0);
        for (index, stage) in self.stages.iter().enumerate().skip(first).rev() {
            let x = index
                .checked_sub(1)
                .map_or(images, |before| &outputs[before]);
            let wants_input = index > first;
            let (from, after) = gradients.split_at_mut(index + 1);
            let dy = after.first().map_or(scores, |after| &after.input);
            let w = &weights[stage.weights.clone()];
            let (y, into) = (&outputs[index], &mut from[index]);
            let activation = stage.activation(true, &kept[index]);
            match &stage.kernel {
                Kernel::ConvPool(kernel) => {
                    let scale = activation.dropout.map_or(1.0, |dropout| dropout.scale);
                    kernel.backward(self.isa, x, codes, dy, scale, into);
                }
                Kernel::Conv(kernel) => {
                    kernel.backward(self.isa, x, w[0], y, dy, activation, wants_input, into);
                }
                Kernel::Dense(kernel) => {
                    kernel.backward(self.isa, x, w[0], y, dy, activation, wants_input, into);
                }
                Kernel::BatchNorm { kernel, .. } => {
                    let moments = &moments[index];
                    kernel.backward(self.isa, x, w[0], moments, y, dy, activation, into);
                }
                Kernel::MaxPool(kernel) => kernel.backward(x, y, dy, &mut into.input),
                Kernel::Padding(kernel) => kernel.backward(dy, &mut into.input),
                Kernel::Dropout => match activation.dropout {
                    Some(dropout) => dropout.apply(stage.channels, dy, &mut into.input),
                    None => dy.clone_into(&mut into.input),
                },
            }
        }
        let mut of_weights = Vec::with_capacity(weights.len());
        for (stage, gradients) in self.stages.iter().zip(gradients) {
            let all = [take(&mut gradients.weights), take(&mut gradients.bias)];
            // Behind kernel and bias, or gamma and beta, come those that have none.
            let all = all.into_iter().map(Some).chain([None, None]);
            of_weights.extend(all.take(stage.weights.len()));
        }
        of_weights
    }

    /// What the batch normalisations measured in the last forward pass: the place of their first
    /// weight, the moments, and the momentum of those that follow them.
    pub(super) fn moments(&self) -> Vec<(usize, Moments, f64)> {
        let memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        let stages = self.stages.iter().zip(&memory.moments);
        let normalising = stages.filter_map(|(stage, moments)| match stage.kernel {
            Kernel::BatchNorm { momentum, .. } => {
                Some((stage.weights.start, moments.clone(), momentum))
            }
            _ => None,
        });
        normalising.collect()
    }
}

impl Stage {
    fn draw_dropout(&self, count: usize, step: Option<Step>, kept: &mut Vec<u16>) {
        if let (Some(dropout), Some(step)) = (&self.dropout, step) {
            let pixels = count * self.output / self.channels;
            kept_bits(
                &dropout.layer,
                step,
                dropout.rate,
                [pixels, self.channels],
                kept,
            );
        }
    }

    fn activation<'a>(&self, training: bool, kept: &'a [u16]) -> Activation<'a> {
        let dropout = self
            .dropout
            .as_ref()
            .filter(|_| training)
            .map(|dropout| Dropout {
                kept,
                scale: (1.0 / (1.0 - dropout.rate)) as f32,
            });
        Activation {
            relu: self.relu,
            dropout,
        }
    }
}
