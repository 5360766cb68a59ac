//! What follows the sums of a layer in the same stage: an activation, and dropout.

use fmnist_kernels::{self as kernels, Dropout, Isa};

use super::stage::Place;
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
    /// The dropout that follows a layer with outputs of `shape`, where one does.
    pub(crate) fn behind(place: &Place<'_>, shape: &[usize]) -> Option<Self> {
        match place.followers.first() {
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
}

impl Ending {
    /// Of a layer at `place`, with the dropout behind it where its kernel can do both.
    pub(crate) fn new(activation: Activation, place: &Place<'_>) -> Self {
        let (dropout, is_fused) = (
            StageDropout::behind(place, place.output),
            activation.is_fused(),
        );
        Self {
            activation,
            is_fused,
            dropout: dropout.filter(|_| is_fused),
        }
    }

    /// Whether the kernel does all of it, and undoes it by itself.
    pub(crate) fn is_fused(&self) -> bool {
        self.is_fused
    }

    /// How many layers it takes from behind.
    pub(crate) fn followers(&self) -> usize {
        usize::from(self.dropout.is_some())
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
        output: &mut [f32],
        sums: &mut Vec<f32>,
    ) {
        if self.is_fused {
            return;
        }
        if step.is_some() && self.activation.needs_sums() {
            output.clone_into(sums);
        }
        self.activation.replace(isa, output);
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
