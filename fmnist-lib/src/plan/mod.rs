//! How the CPU computes a network in `f32`: stages, what each reads, and memory that is used again.
//!
//! Candle's backward pass would store, zero and add a gradient for every intermediate tensor. Here a
//! stage (convolution, ReLU, pooling, dropout) keeps only its output.

mod pass;

use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

use fmnist_kernels::Isa;

use crate::nn::stage::{Place, Stage};
use crate::nn::{Operation, product};
use pass::Memory;
pub(crate) use pass::PlanPass;

/// A network as stages in the order in which they run.
pub(crate) struct Plan {
    isa: Isa,
    nodes: Vec<Node>,
    /// What earlier passes have left, to be used again. Passes at the same time each have their own.
    memories: Mutex<Vec<Memory>>,
}

/// A stage in its network.
struct Node {
    stage: Box<dyn Stage>,
    /// Which layers it computes.
    layers: Range<usize>,
    inputs: Vec<Source>,
    /// The places of its weights among those of the network.
    weights: Range<usize>,
    /// For each of its weights, whether the optimiser changes it.
    trainable: Vec<bool>,
    /// Whether its weights are to stay as they are.
    frozen: bool,
    /// Values of one image's output.
    output: usize,
    /// How many stages read its output.
    readers: usize,
    /// Whether a backward pass reads its output.
    is_kept: bool,
    /// Whether a gradient is needed of what it reads, as weights lie before it.
    wants_inputs: bool,
}

/// What a layer reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// The images.
    Images,
    /// The output of the layer (in a [`Plan`], of the stage) at this place.
    Layer(usize),
}

/// A layer of a network whose shapes are known, as a plan needs to see it.
pub(crate) struct Planned<'a> {
    pub(crate) name: &'a str,
    pub(crate) operation: Operation<'a>,
    pub(crate) inputs: &'a [Source],
    pub(crate) output: &'a [usize],
    /// For each of its weights, whether the optimiser changes it.
    pub(crate) trainable: Vec<bool>,
    /// Whether its weights are to stay as they are.
    pub(crate) frozen: bool,
}

impl Plan {
    /// `layers` in an order in which each comes behind all that it reads. The last is the output. `None`
    /// where there is nothing to compute, as for a `Flatten` alone.
    pub(crate) fn new(images: &[usize], layers: &[Planned<'_>]) -> Option<Self> {
        let reads = |layer: &Planned<'_>, at| layer.inputs.contains(&Source::Layer(at));
        let readers = |at: usize| layers.iter().filter(|layer| reads(layer, at)).count();
        let mut nodes: Vec<Node> = Vec::new();
        // For each layer, the stage that gives its output.
        let mut sources: Vec<Source> = Vec::with_capacity(layers.len());
        let mut weights = 0;
        while let Some(layer) = layers.get(sources.len()) {
            let first = sources.len();
            let inputs: Vec<Source> = (layer.inputs.iter())
                .map(|source| match *source {
                    Source::Images => Source::Images,
                    Source::Layer(at) => sources[at],
                })
                .collect();
            let shape = |source: &Source| match *source {
                Source::Images => images,
                Source::Layer(at) => layers[at].output,
            };
            let mut followers = Vec::new();
            let mut last = first;
            while let Some(follower) = layers.get(last + 1)
                && follower.inputs == [Source::Layer(last)]
                && readers(last) == 1
            {
                followers.push((follower.name, follower.operation));
                last += 1;
            }
            let staged = layer.operation.stage(&Place {
                name: layer.name,
                inputs: layer.inputs.iter().map(shape).collect(),
                output: layer.output,
                reads_images: inputs == [Source::Images],
                followers,
            });
            let Some(staged) = staged else {
                sources.push(inputs[0]);
                continue;
            };
            let last = first + staged.followers;
            sources.resize(last + 1, Source::Layer(nodes.len()));
            // What a stage takes from behind has no weights.
            let own = weights..weights + layer.trainable.len();
            weights = own.end;
            let leads = |source: &Source| match *source {
                Source::Images => false,
                Source::Layer(at) => nodes[at].has_gradient(),
            };
            nodes.push(Node {
                stage: staged.stage,
                layers: first..last + 1,
                wants_inputs: inputs.iter().any(leads),
                inputs,
                weights: own,
                trainable: layer.trainable.clone(),
                frozen: layer.frozen,
                output: product(layers[last].output),
                readers: 0,
                is_kept: true,
            });
        }
        for at in 0..nodes.len() {
            let reads = |node: &Node| {
                node.inputs
                    .iter()
                    .filter(|&&it| it == Source::Layer(at))
                    .count()
            };
            nodes[at].readers = nodes.iter().map(reads).sum();
            let reads_again = |node: &Node| reads(node) > 0 && node.stage.reads_inputs();
            nodes[at].is_kept = nodes[at].stage.reads_output() || nodes.iter().any(reads_again);
        }
        (!nodes.is_empty()).then(|| Self {
            isa: Isa::best(),
            nodes,
            memories: Mutex::default(),
        })
    }

    /// Never waits: a thread may begin a pass while it, or another one, is in the middle of one.
    pub(crate) fn begin(&self) -> PlanPass<'_> {
        let memory = self.memories().pop();
        PlanPass::new(
            self,
            memory.unwrap_or_else(|| Memory::new(self.nodes.len())),
        )
    }

    /// For each stage, which layers it computes, and by which kernel.
    pub(crate) fn stages(&self) -> impl Iterator<Item = (Range<usize>, &'static str)> {
        let stages = self.nodes.iter();
        stages.map(|node| (node.layers.clone(), node.stage.kernel()))
    }

    /// The instruction set of the kernels.
    pub(crate) fn isa(&self) -> Isa {
        self.isa
    }

    fn memories(&self) -> MutexGuard<'_, Vec<Memory>> {
        self.memories.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Node {
    fn learns(&self) -> bool {
        !self.frozen && self.trainable.contains(&true)
    }

    /// Whether its gradient is needed: for its own weights, or on the way to others.
    fn has_gradient(&self) -> bool {
        self.wants_inputs || self.learns()
    }
}
