//! What all layers of weighted sums share: the settings behind the sums, and the weights.

use super::{Init, Weight};

/// The settings that a layer has from its fields `activation`, `bias` and `init`.
macro_rules! sums_settings {
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
pub(super) use sums_settings;

/// Whether there is a bias, where nothing is said.
pub(super) fn yes() -> bool {
    true
}

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
