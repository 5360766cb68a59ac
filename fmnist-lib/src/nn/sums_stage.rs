//! The stage of every layer whose kernel multiplies inputs with weights and sums them up.

use std::fmt::Debug;

use fmnist_kernels::{self as kernels, Gradients, Isa};

use super::Activation;
use super::ending::Ending;
use super::stage::{Backward, Forward, Place, Stage, Staged};
use crate::error::Result;

/// A kernel of a layer with weights.
pub(super) trait Kernel: Debug + Send + Sync + 'static {
    /// How it computes, in a few words.
    fn name(&self) -> &'static str;

    fn forward(&self, isa: Isa, operands: kernels::Forward<'_>, y: &mut Vec<f32>);

    fn backward(&self, isa: Isa, operands: kernels::Backward<'_>, gradients: &mut Gradients);
}

macro_rules! kernel {
    ($($kernel:ident: $name:expr),+ $(,)?) => {$(
        impl Kernel for kernels::$kernel {
            fn name(&self) -> &'static str {
                let name: fn(&Self) -> &'static str = $name;
                name(self)
            }

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
    Dense: |_| "matrix product",
    Conv: |conv| if conv.window == 3 { "3×3 windows by Winograd" } else { "5×5 windows by Winograd" },
    WindowConv: |_| "windows as a matrix product",
    Depthwise: |_| "windows of each channel by themselves",
    TransposedConv: |_| "windows as a matrix product, backwards",
}

/// A layer with weights, with what follows its sums.
#[derive(Debug)]
pub(super) struct SumsStage<K> {
    kernel: K,
    /// Sums in a place, each with a bias of its own.
    outputs: usize,
    ending: Ending,
}

impl<K: Kernel> SumsStage<K> {
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

impl<K: Kernel> Stage for SumsStage<K> {
    fn kernel(&self) -> &'static str {
        self.kernel.name()
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
