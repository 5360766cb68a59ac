//! What layers compute on the CPU in `f32`, one after the other: the parts of a [plan](crate::plan).

use std::fmt::Debug;
use std::mem::take;
use std::sync::Arc;

use candle_core::Tensor;
use fmnist_kernels::{self as kernels, Gradients, Isa, Moments};

use super::{Operation, Step, f32_slices};
use crate::error::Result;

/// One layer, or several that one kernel computes at once.
pub(crate) trait Stage: Debug + Send + Sync {
    /// How it computes, in a few words.
    fn kernel(&self) -> &'static str;

    /// Fills `pass.output`, and `pass.kept` with what [`backward`](Self::backward) needs besides.
    fn forward(&self, pass: Forward<'_>) -> Result<()>;

    /// Whether [`backward`](Self::backward) reads `pass.inputs`. Where no stage reads some values again, they are
    /// forgotten in the forward pass, and are empty here.
    fn reads_inputs(&self) -> bool {
        true
    }

    /// Whether [`backward`](Self::backward) reads `pass.output`.
    fn reads_output(&self) -> bool {
        true
    }

    /// Fills `pass.of_weights` and, where `pass.wants_inputs`, `pass.of_inputs`.
    fn backward(&self, pass: Backward<'_>) -> Result<()>;
}

/// Where a layer stands in its network.
pub(crate) struct Place<'a> {
    pub(crate) name: &'a str,
    /// Shapes of what it reads, for one image.
    pub(crate) inputs: Vec<&'a [usize]>,
    /// Shape of what it gives.
    pub(crate) output: &'a [usize],
    /// Whether it reads the images themselves, to which no gradient leads.
    pub(crate) reads_images: bool,
    /// The layers behind it, as far as each reads nothing but the one before.
    pub(crate) followers: Vec<Follower<'a>>,
}

/// A layer behind another: its name, and what it does.
pub(crate) type Follower<'a> = (&'a str, Operation<'a>);

/// A stage, and how many of the layers behind its own it computes too.
pub(crate) struct Staged {
    pub(crate) stage: Box<dyn Stage>,
    pub(crate) followers: usize,
}

impl Staged {
    /// A stage of one layer.
    pub(crate) fn alone(stage: impl Stage + 'static) -> Self {
        Self {
            stage: Box::new(stage),
            followers: 0,
        }
    }
}

/// A batch, or one of the shards that it is cut into.
#[derive(Clone, Copy)]
pub(crate) struct Part<'a> {
    /// Which part of the batch's images it has; 0 where there are fewer images than shards, and it takes part
    /// without any of its own.
    pub(crate) share: f32,
    /// The way to the other shards, where a layer needs to know of them.
    pub(crate) others: Option<&'a dyn Exchange>,
}

/// Where the shards of a batch meet that are computed at the same time.
pub(crate) trait Exchange: Sync {
    /// Waits for all shards; returns what each of them has given, in the order of the shards. All give as many
    /// numbers.
    fn exchange(&self, own: Vec<f32>) -> Result<Arc<Vec<Vec<f32>>>>;
}

impl Part<'_> {
    /// A batch that is not cut.
    pub(crate) const WHOLE: Self = Self {
        share: 1.0,
        others: None,
    };
}

/// The forward pass of a batch through a stage.
pub(crate) struct Forward<'a> {
    pub(crate) isa: Isa,
    pub(crate) images: usize,
    pub(crate) inputs: &'a [&'a [f32]],
    pub(crate) weights: Weights<'a>,
    /// Given while training.
    pub(crate) step: Option<Step>,
    pub(crate) part: Part<'a>,
    /// Whether its weights are to stay as they are.
    pub(crate) frozen: bool,
    pub(crate) output: &'a mut Vec<f32>,
    pub(crate) kept: &'a mut Kept,
}

/// The backward pass of a batch through a stage.
pub(crate) struct Backward<'a> {
    pub(crate) isa: Isa,
    pub(crate) inputs: &'a [&'a [f32]],
    pub(crate) weights: Weights<'a>,
    pub(crate) output: &'a [f32],
    pub(crate) kept: &'a mut Kept,
    /// That of the output. The stage may use its memory.
    pub(crate) gradient: &'a mut Vec<f32>,
    pub(crate) wants_inputs: bool,
    pub(crate) part: Part<'a>,
    /// As in the forward pass.
    pub(crate) frozen: bool,
    pub(crate) of_inputs: &'a mut [Vec<f32>],
    /// For trainable weights.
    pub(crate) of_weights: &'a mut [Vec<f32>],
}

impl Backward<'_> {
    /// What the kernel of a layer with weights reads.
    pub(crate) fn operands<'b>(
        &'b self,
        weights: &'b [f32],
        dy: &'b [f32],
        activation: kernels::Activation<'b>,
    ) -> kernels::Backward<'b> {
        kernels::Backward {
            x: self.inputs[0],
            weights,
            y: self.output,
            dy,
            activation,
            wants_input: self.wants_inputs,
        }
    }

    /// Has a kernel with one input fill in the gradients, in the memory that is there for them.
    pub(crate) fn fill(
        &mut self,
        kernel: impl FnOnce(&Self, &[f32], &[&[f32]], &mut Gradients),
    ) -> Result<()> {
        let mut weights = self.of_weights.iter_mut().map(take);
        let mut gradients = Gradients {
            input: take(&mut self.of_inputs[0]),
            weights: weights.next().unwrap_or_default(),
            bias: weights.next().unwrap_or_default(),
        };
        drop(weights);
        let gradient = take(self.gradient);
        let weights = self.weights;
        weights.read(|slices| kernel(self, &gradient, slices, &mut gradients))?;
        *self.gradient = gradient;
        self.of_inputs[0] = gradients.input;
        for (into, from) in self
            .of_weights
            .iter_mut()
            .zip([gradients.weights, gradients.bias])
        {
            *into = from;
        }
        Ok(())
    }
}

/// The weights of a stage, in the order of its layer.
#[derive(Clone, Copy)]
pub(crate) struct Weights<'a>(pub(crate) &'a [&'a Tensor]);

impl Weights<'_> {
    pub(crate) fn read<R>(self, read: impl FnOnce(&[&[f32]]) -> R) -> Result<R> {
        Ok(f32_slices(self.0, read)?)
    }

    /// As [`read`](Self::read), of a kernel and the bias of its `outputs`: zeros where the layer has none.
    pub(crate) fn with_bias<R>(
        self,
        outputs: usize,
        read: impl FnOnce(&[f32], &[f32]) -> R,
    ) -> Result<R> {
        self.read(|weights| match weights.get(1) {
            Some(bias) => read(weights[0], bias),
            None => read(weights[0], &vec![0.0; outputs]),
        })
    }
}

/// What the forward pass of a stage leaves for its backward pass, besides inputs and output. Used again
/// in the next step, for its memory.
#[derive(Default)]
pub(crate) struct Kept {
    /// Which outputs dropout kept.
    pub(crate) bits: Vec<u16>,
    /// Where pools found their maxima.
    pub(crate) codes: Vec<u8>,
    /// Sums before an activation whose gradient they decide.
    pub(crate) sums: Vec<f32>,
    /// What a normalisation measured.
    pub(crate) moments: Moments,
    /// Of how many pixels, in all shards.
    pub(crate) pixels: f64,
    /// The next values of the weights that are not trainable.
    pub(crate) statistics: Vec<Tensor>,
    /// The graph behind a layer of the user's own.
    pub(crate) graph: Option<Graph>,
}

/// A layer that Candle computes: its input, its weights and its output.
pub(crate) struct Graph {
    pub(crate) input: candle_core::Var,
    pub(crate) weights: Vec<Tensor>,
    pub(crate) output: Tensor,
}
