//! What follows the sums of a layer in the same stage: an activation, and dropout.

use fmnist_kernels::{self as kernels, Dropout, Isa};

use super::stage::{Follower, Place};
use super::{Activation, AnyLayer, Operation, Step, kept_bits};

/// The dropout that a kernel applies to its outputs.
#[derive(Clone, Debug)]
pub(crate) struct StageDropout {
    pub(crate) layer: String,
    pub(crate) rate: f64,
    /// Values of one image's output, and those that lie side by side in it.
    pub(crate) values: usize,
    pub(crate) channels: usize,
}

impl StageDropout {
    /// The dropout that comes next of these layers, where one does, behind outputs of `shape`.
    pub(crate) fn behind(followers: &[Follower<'_>], shape: &[usize]) -> Option<Self> {
        match followers.first() {
            Some(&(layer, Operation::Layer(AnyLayer::Dropout(dropout)))) => {
                Some(Self::new(layer, dropout.rate, shape))
            }
            _ => None,
        }
    }

    pub(crate) fn new(layer: &str, rate: f64, shape: &[usize]) -> Self {
        Self {
            layer: layer.to_owned(),
            rate,
            values: shape.iter().product(),
            channels: shape.last().copied().unwrap_or(1),
        }
    }

    /// Decides what a step drops.
    pub(crate) fn draw(&self, images: usize, step: Step, bits: &mut Vec<u16>) {
        let pixels = images * self.values / self.channels;
        kept_bits(&self.layer, step, self.rate, [pixels, self.channels], bits);
    }

    pub(crate) fn kept<'a>(&self, bits: &'a [u16]) -> Dropout<'a> {
        Dropout {
            kept: bits,
            scale: (1.0 / (1.0 - self.rate)) as f32,
        }
    }
}

/// What follows the sums of a layer: an activation, then dropout while training.
#[derive(Clone, Debug)]
pub(crate) struct Ending {
    activation: Activation,
    /// Whether the kernel applies the activation to its sums by itself.
    is_fused: bool,
    dropout: Option<StageDropout>,
    /// How many layers it takes from behind.
    followers: usize,
}

impl Ending {
    /// Of a layer at `place`: its own activation or, where it has none, that of the layer behind it; and the dropout
    /// behind that, where its kernel can do both.
    pub(crate) fn new(activation: Activation, place: &Place<'_>) -> Self {
        let mut behind = place.followers.as_slice();
        let mut activation = activation;
        if activation == Activation::Linear
            && let [(_, Operation::Layer(AnyLayer::Activation(next))), rest @ ..] = behind
        {
            (activation, behind) = (*next, rest);
        }
        let is_fused = activation.is_fused();
        let dropout = StageDropout::behind(behind, place.output).filter(|_| is_fused);
        let taken = place.followers.len() - behind.len();
        Self {
            activation,
            is_fused,
            followers: taken + usize::from(dropout.is_some()),
            dropout,
        }
    }

    /// Whether the kernel does all of it, and undoes it by itself.
    pub(crate) fn is_fused(&self) -> bool {
        self.is_fused
    }

    /// How many layers it takes from behind.
    pub(crate) fn followers(&self) -> usize {
        self.followers
    }

    /// What the kernel does of it.
    pub(crate) fn begin<'a>(
        &self,
        images: usize,
        step: Option<Step>,
        bits: &'a mut Vec<u16>,
    ) -> kernels::Activation<'a> {
        let dropout = self.dropout.as_ref().zip(step).map(|(dropout, step)| {
            dropout.draw(images, step, bits);
            dropout.kept(bits)
        });
        kernels::Activation {
            relu: self.activation == Activation::Relu,
            dropout,
        }
    }

    /// What the kernel has not done of it.
    pub(crate) fn end(
        &self,
        isa: Isa,
        step: Option<Step>,
        output: &mut Vec<f32>,
        sums: &mut Vec<f32>,
    ) {
        if self.is_fused {
            return;
        }
        if step.is_some() && self.activation.needs_sums() {
            std::mem::swap(output, sums);
            self.activation.values(isa, sums, output);
        } else {
            self.activation.replace(isa, output);
        }
    }

    /// As [`begin`](Self::begin), in the same step's backward pass.
    pub(crate) fn again<'a>(&self, bits: &'a [u16]) -> kernels::Activation<'a> {
        kernels::Activation {
            relu: self.activation == Activation::Relu,
            dropout: self.dropout.as_ref().map(|dropout| dropout.kept(bits)),
        }
    }

    /// The gradient of what the kernel gives, from that of the output.
    pub(crate) fn return_gradient(
        &self,
        isa: Isa,
        sums: &[f32],
        output: &[f32],
        gradient: &mut [f32],
    ) {
        if !self.is_fused {
            self.activation.return_gradient(isa, sums, output, gradient);
        }
    }
}
