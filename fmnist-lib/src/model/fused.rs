//! Runs a whole network on the CPU in `f32` with this crate's own kernels.
//!
//! Candle's backward pass would store, zero and add a gradient for every intermediate tensor. Here a
//! stage (convolution, ReLU, pooling, dropout) keeps only its output, and all memory is used again in
//! the next step.

use std::mem::take;
use std::sync::{Mutex, PoisonError};

use crate::nn::kernels::{Activation, Dropout, Gradients, Isa};
use crate::nn::{Step, kept_bits};

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
    gradients: Vec<Gradients>,
}

impl Fused {
    pub(super) fn new(stages: Vec<Stage>) -> Self {
        let memory = Memory {
            outputs: stages.iter().map(|_| Vec::new()).collect(),
            kept: stages.iter().map(|_| Vec::new()).collect(),
            gradients: stages.iter().map(|_| Gradients::default()).collect(),
            ..Memory::default()
        };
        Self {
            isa: Isa::best(),
            stages,
            memory: Mutex::new(memory),
        }
    }

    /// The scores of `images` (one after the other); `weights` are kernel and bias of each stage.
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
            ..
        } = &mut *memory;
        for (index, stage) in self.stages.iter().enumerate() {
            let (before, from) = outputs.split_at_mut(index);
            let x = before.last().map_or(images, |output| output.as_slice());
            let y = &mut from[0];
            let kept = &mut kept[index];
            stage.draw_dropout(count, step, kept);
            let activation = stage.activation(step.is_some(), kept);
            let (w, b) = (weights[2 * index], weights[2 * index + 1]);
            match &stage.kernel {
                Kernel::ConvPool(kernel) => {
                    kernel.forward(self.isa, x, w, b, activation.dropout, y, codes);
                }
                Kernel::Conv(kernel) => kernel.forward(self.isa, x, w, b, activation, y),
                Kernel::Dense(kernel) => kernel.forward(self.isa, x, w, b, activation, y),
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
    ) -> Vec<Vec<f32>> {
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        let Memory {
            outputs,
            kept,
            codes,
            gradients,
        } = &mut *memory;
        for (index, stage) in self.stages.iter().enumerate().rev() {
            let (x, wants_input) = match index.checked_sub(1) {
                Some(before) => (outputs[before].as_slice(), true),
                // The pixels need no gradient.
                None => (images, false),
            };
            let (from, after) = gradients.split_at_mut(index + 1);
            let dy = after.first().map_or(scores, |after| &after.input);
            let (w, y, into) = (weights[2 * index], &outputs[index], &mut from[index]);
            let activation = stage.activation(true, &kept[index]);
            match &stage.kernel {
                Kernel::ConvPool(kernel) => {
                    let scale = activation.dropout.map_or(1.0, |dropout| dropout.scale);
                    kernel.backward(self.isa, x, codes, dy, scale, into);
                }
                Kernel::Conv(kernel) => {
                    kernel.backward(self.isa, x, w, y, dy, activation, wants_input, into);
                }
                Kernel::Dense(kernel) => {
                    kernel.backward(self.isa, x, w, y, dy, activation, wants_input, into);
                }
            }
        }
        let of_stage = |stage: &mut Gradients| [take(&mut stage.weights), take(&mut stage.bias)];
        gradients.iter_mut().flat_map(of_stage).collect()
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
