//! What all convolutions share: the settings behind their sums, their weights, and a stage for those whose kernels
//! give the sums alone.

use std::fmt::Debug;

use fmnist_kernels::{Gradients, Isa};

use super::ending::Ending;
use super::stage::{Backward, Forward, Stage, Staged};
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

/// A kernel that gives sums, and leaves the activation to others.
pub(super) trait Sums: Debug + Send + Sync + 'static {
    /// How it computes, in a few words.
    const KERNEL: &'static str;

    /// How many sums there are in a place, each with a bias of its own.
    fn outputs(&self) -> usize;

    fn sums(&self, isa: Isa, x: &[f32], weights: &[f32], bias: &[f32], y: &mut Vec<f32>);

    /// The gradients of weights, bias and, where `wants_input`, the input, from the input, the weights and the gradient
    /// of the sums.
    fn gradients(
        &self,
        isa: Isa,
        operands: [&[f32]; 3],
        wants_input: bool,
        gradients: &mut Gradients,
    );
}

/// A convolution by such a kernel.
#[derive(Debug)]
pub(super) struct SumsStage<K> {
    kernel: K,
    ending: Ending,
}

impl<K: Sums> SumsStage<K> {
    pub(super) fn staged(kernel: K, activation: Activation) -> Staged {
        Staged::alone(Self {
            kernel,
            ending: Ending::apart(activation),
        })
    }
}

impl<K: Sums> Stage for SumsStage<K> {
    fn kernel(&self) -> &'static str {
        K::KERNEL
    }

    fn forward(&self, pass: Forward<'_>) -> Result<()> {
        let (isa, x, y) = (pass.isa, pass.inputs[0], pass.output);
        let outputs = self.kernel.outputs();
        pass.weights.with_bias(outputs, |weights, bias| {
            self.kernel.sums(isa, x, weights, bias, y);
        })?;
        self.ending.end(pass.isa, pass.step, y, &mut pass.kept.sums);
        Ok(())
    }

    fn backward(&self, mut pass: Backward<'_>) -> Result<()> {
        self.ending
            .return_gradient(pass.isa, &pass.kept.sums, pass.output, pass.gradient);
        pass.fill(|pass, dy, weights, into| {
            let operands = [pass.inputs[0], weights[0], dy];
            self.kernel
                .gradients(pass.isa, operands, pass.wants_inputs, into);
        })
    }
}
