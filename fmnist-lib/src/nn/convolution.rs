//! What all convolutions share: the settings behind their sums, their weights, and their stage.

use std::fmt::Debug;

use fmnist_kernels::{self as kernels, Gradients, Isa};

use super::ending::Ending;
use super::stage::{Backward, Forward, Place, Stage, Staged};
use super::{Activation, Init, Weight};
use crate::error::Result;

/// The settings that a layer has from its fields `activation`, `bias` and `init`.
macro_rules! convolution_settings {
    ($layer:ident) => {
        impl $layer {
            /// Follows the sum with a ReLU.
            pub fn relu(self) -> Self {
                self.activation(Activation::Relu)
            }

            /// Follows the sum with `activation`.
            pub fn activation(self, activation: Activation) -> Self {
                Self { activation, ..self }
            }

            /// Adds no bias (`use_bias=False`): a [`BatchNorm`](crate::BatchNorm) behind it would take it
            /// away again.
            pub fn without_bias(self) -> Self {
                Self {
                    bias: false,
                    ..self
                }
            }

            /// Starts the kernel as `init` says.
            pub fn init(self, init: Init) -> Self {
                Self { init, ..self }
            }
        }
    };
}
pub(super) use convolution_settings;

/// A kernel of `shape` and, where there is one, a bias for each of the outputs.
pub(super) fn kernel_and_bias(
    shape: Vec<usize>,
    outputs: usize,
    init: Init,
    has_bias: bool,
) -> Vec<Weight> {
    let bias = Weight::new("bias", vec![outputs], init.of_bias(&shape));
    let bias = has_bias.then_some(bias);
    let kernel = Weight::new("kernel", shape, init);
    std::iter::once(kernel).chain(bias).collect()
}

/// A kernel of a convolution.
pub(super) trait Kernel: Debug + Send + Sync + 'static {
    /// How it computes, in a few words.
    const NAME: &'static str;

    fn forward(&self, isa: Isa, operands: kernels::Forward<'_>, y: &mut Vec<f32>);

    fn backward(&self, isa: Isa, operands: kernels::Backward<'_>, gradients: &mut Gradients);
}

macro_rules! kernel {
    ($($kernel:ident: $name:literal),+ $(,)?) => {$(
        impl Kernel for kernels::$kernel {
            const NAME: &'static str = $name;

            fn forward(&self, isa: Isa, operands: kernels::Forward<'_>, y: &mut Vec<f32>) {
                self.forward(isa, operands, y);
            }

            fn backward(&self, isa: Isa, operands: kernels::Backward<'_>, gradients: &mut Gradients) {
                self.backward(isa, operands, gradients);
            }
        }
    )+};
}

kernel! {
    Conv: "3×3 windows by Winograd",
    WindowConv: "windows as a matrix product",
    Depthwise: "windows of each channel by themselves",
    TransposedConv: "windows as a matrix product, backwards",
}

/// A convolution with what follows its sums.
#[derive(Debug)]
pub(super) struct ConvStage<K> {
    kernel: K,
    /// Sums in a place, each with a bias of its own.
    outputs: usize,
    ending: Ending,
}

impl<K: Kernel> ConvStage<K> {
    pub(super) fn staged(kernel: K, activation: Activation, place: &Place<'_>) -> Staged {
        let ending = Ending::new(activation, place);
        Staged {
            followers: ending.followers(),
            stage: Box::new(Self {
                kernel,
                outputs: place.output.last().copied().unwrap_or(1),
                ending,
            }),
        }
    }
}

impl<K: Kernel> Stage for ConvStage<K> {
    fn kernel(&self) -> &'static str {
        K::NAME
    }

    fn forward(&self, pass: Forward<'_>) -> Result<()> {
        let activation = self
            .ending
            .begin(pass.images, pass.step, &mut pass.kept.bits);
        pass.weights.with_bias(self.outputs, |weights, bias| {
            let operands = kernels::Forward {
                x: pass.inputs[0],
                weights,
                bias,
                activation,
            };
            self.kernel.forward(pass.isa, operands, pass.output);
        })?;
        self.ending
            .end(pass.isa, pass.step, pass.output, &mut pass.kept.sums);
        Ok(())
    }

    fn backward(&self, mut pass: Backward<'_>) -> Result<()> {
        self.ending
            .return_gradient(pass.isa, &pass.kept.sums, pass.output, pass.gradient);
        pass.fill(|pass, dy, w, into| {
            let activation = self.ending.again(&pass.kept.bits);
            let operands = pass.operands(w[0], dy, activation);
            self.kernel.backward(pass.isa, operands, into);
        })
    }
}
