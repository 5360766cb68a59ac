//! A batch on its way through a plan, forwards and backwards.

use std::mem::take;
use std::time::{Duration, Instant};

use candle_core::Tensor;
use fmnist_kernels as kernels;

use super::{Node, Plan, Source};
use crate::error::Result;
use crate::nn::Step;
use crate::nn::stage::{Backward, Forward, Kept, Part, Weights};

/// A forward pass and the backward pass that belongs to it, in memory that no other pass sees.
pub(crate) struct PlanPass<'a> {
    plan: &'a Plan,
    part: Part<'a>,
    memory: Memory,
    /// For each stage, how long it took forwards and backwards.
    times: Vec<[Duration; 2]>,
}

/// For each stage, what its passes need.
#[derive(Default)]
pub(super) struct Memory {
    outputs: Vec<Vec<f32>>,
    kept: Vec<Kept>,
    of_weights: Vec<Vec<Vec<f32>>>,
    spare: Spare,
}

impl Memory {
    pub(super) fn new(nodes: usize) -> Self {
        Self {
            outputs: vec![Vec::new(); nodes],
            kept: (0..nodes).map(|_| Kept::default()).collect(),
            of_weights: vec![Vec::new(); nodes],
            spare: Spare::default(),
        }
    }
}

/// Memory that nobody needs for the moment.
#[derive(Default)]
struct Spare(Vec<Vec<f32>>);

impl Spare {
    /// The smallest piece that holds `len` values; where none does, a new one.
    fn take(&mut self, len: usize) -> Vec<f32> {
        let fitting = self
            .0
            .iter()
            .enumerate()
            .filter(|(_, piece)| piece.capacity() >= len);
        let smallest = fitting
            .min_by_key(|(_, piece)| piece.capacity())
            .map(|(at, _)| at);
        smallest.map_or_else(Vec::new, |at| self.0.swap_remove(at))
    }

    fn give(&mut self, piece: Vec<f32>) {
        if piece.capacity() > 0 {
            self.0.push(piece);
        }
    }
}

impl Drop for PlanPass<'_> {
    fn drop(&mut self) {
        self.plan.memories().push(take(&mut self.memory));
    }
}

impl<'a> PlanPass<'a> {
    pub(super) fn new(plan: &'a Plan, memory: Memory) -> Self {
        Self {
            plan,
            part: Part::WHOLE,
            memory,
            times: vec![[Duration::ZERO; 2]; plan.nodes.len()],
        }
    }

    /// As the pass of a part of a batch.
    pub(crate) fn of(mut self, part: Part<'a>) -> Self {
        self.part = part;
        self
    }

    /// For each stage, how long it took in the last passes, forwards and backwards.
    pub(crate) fn times(&self) -> &[[Duration; 2]] {
        &self.times
    }

    /// The scores of `images` (one after the other); `weights` are all of the network. A stage's output is
    /// forgotten as soon as all that read it have run, unless a backward pass of this `step` will read it.
    pub(crate) fn forward(
        &mut self,
        images: &[f32],
        count: usize,
        weights: &[&Tensor],
        step: Option<Step>,
    ) -> Result<Vec<f32>> {
        let Memory {
            outputs,
            kept,
            spare,
            ..
        } = &mut self.memory;
        // A pass that failed may have left some.
        kept.iter_mut().for_each(|kept| kept.statistics.clear());
        let mut unread: Vec<usize> = self.plan.nodes.iter().map(|node| node.readers).collect();
        for (at, node) in self.plan.nodes.iter().enumerate() {
            let mut output = take(&mut outputs[at]);
            let size = count * node.output;
            if output.capacity() < size {
                spare.give(output);
                output = spare.take(size);
            }
            let inputs = node.read(images, outputs);
            let start = Instant::now();
            node.stage.forward(Forward {
                isa: self.plan.isa,
                images: count,
                inputs: &inputs,
                weights: Weights(&weights[node.weights.clone()]),
                step,
                part: self.part,
                frozen: node.frozen,
                output: &mut output,
                kept: &mut kept[at],
            })?;
            self.times[at][0] = start.elapsed();
            outputs[at] = output;
            for source in &node.inputs {
                if let Source::Layer(read) = *source {
                    unread[read] -= 1;
                    if unread[read] == 0 && (step.is_none() || !self.plan.nodes[read].is_kept) {
                        spare.give(take(&mut outputs[read]));
                    }
                }
            }
        }
        Ok(outputs.last().cloned().unwrap_or_default())
    }

    /// The gradients of all weights, after a [`forward`](Self::forward) of the same images in a
    /// step, from that of the scores; `None` for weights that the optimiser does
    /// not change.
    pub(crate) fn backward(
        &mut self,
        images: &[f32],
        weights: &[&Tensor],
        of_scores: &[f32],
    ) -> Result<Vec<Option<Vec<f32>>>> {
        let Memory {
            outputs,
            kept,
            of_weights,
            spare,
        } = &mut self.memory;
        let nodes = &self.plan.nodes;
        let count = nodes.last().map_or(0, |last| of_scores.len() / last.output);
        // For each stage, the gradient of its output, as soon as one of its readers has run.
        let mut gradients: Vec<Option<Vec<f32>>> = nodes.iter().map(|_| None).collect();
        if let Some(last) = gradients.last_mut() {
            let mut gradient = spare.take(of_scores.len());
            of_scores.clone_into(&mut gradient);
            *last = Some(gradient);
        }
        for (at, node) in nodes.iter().enumerate().rev() {
            let Some(mut gradient) = gradients[at].take().filter(|_| node.has_gradient()) else {
                continue;
            };
            let mut of_inputs: Vec<Vec<f32>> = Vec::with_capacity(node.inputs.len());
            for source in &node.inputs {
                let size = match *source {
                    Source::Layer(read) if node.wants_inputs => count * nodes[read].output,
                    _ => 0,
                };
                of_inputs.push(spare.take(size));
            }
            of_weights[at].resize_with(node.trainable.iter().filter(|it| **it).count(), Vec::new);
            let inputs = node.read(images, outputs);
            let start = Instant::now();
            node.stage.backward(Backward {
                isa: self.plan.isa,
                inputs: &inputs,
                weights: Weights(&weights[node.weights.clone()]),
                output: &outputs[at],
                kept: &mut kept[at],
                gradient: &mut gradient,
                wants_inputs: node.wants_inputs,
                part: self.part,
                frozen: node.frozen,
                of_inputs: &mut of_inputs,
                of_weights: &mut of_weights[at],
            })?;
            self.times[at][1] = start.elapsed();
            spare.give(gradient);
            // All that read this output have run, so nobody needs it any more.
            spare.give(take(&mut outputs[at]));
            for (source, of_input) in node.inputs.iter().zip(of_inputs) {
                match *source {
                    Source::Layer(read) if nodes[read].has_gradient() => {
                        add(&mut gradients[read], of_input, spare);
                    }
                    _ => spare.give(of_input),
                }
            }
        }
        let mut all = Vec::with_capacity(weights.len());
        for (node, of_weights) in nodes.iter().zip(of_weights) {
            let mut of_weights = of_weights.iter_mut().map(take);
            let of_weight = |&trainable: &bool| match trainable {
                true => of_weights.next().filter(|_| !node.frozen),
                false => None,
            };
            all.extend(node.trainable.iter().map(of_weight));
        }
        Ok(all)
    }

    /// The next values of all weights that are not trainable, after a forward pass in a step.
    pub(crate) fn statistics(&mut self) -> Vec<Tensor> {
        let kept = self.memory.kept.iter_mut();
        kept.flat_map(|kept| take(&mut kept.statistics)).collect()
    }
}

impl Node {
    fn read<'b>(&self, images: &'b [f32], outputs: &'b [Vec<f32>]) -> Vec<&'b [f32]> {
        let read = |source: &Source| match *source {
            Source::Images => images,
            Source::Layer(at) => outputs[at].as_slice(),
        };
        self.inputs.iter().map(read).collect()
    }
}

/// Adds what another reader of an output says of its gradient. Readers come in the order of the plan,
/// backwards, so that the sum has the same bits each time.
fn add(sum: &mut Option<Vec<f32>>, more: Vec<f32>, spare: &mut Spare) {
    match sum {
        None => *sum = Some(more),
        Some(sum) => {
            kernels::add(sum, &more);
            spare.give(more);
        }
    }
}
