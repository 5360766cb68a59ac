//! What the layers with weights read.

use super::activation::Activation;
use super::check_len;

/// What the forward pass of a convolution or a dense layer reads.
#[derive(Clone, Copy, Debug)]
pub struct Forward<'a> {
    /// A batch of inputs.
    pub x: &'a [f32],
    /// The weights.
    pub weights: &'a [f32],
    /// One number for each channel of the output.
    pub bias: &'a [f32],
    /// What becomes of the sums.
    pub activation: Activation<'a>,
}

/// What the backward pass of a convolution or a dense layer reads.
#[derive(Clone, Copy, Debug)]
pub struct Backward<'a> {
    /// The inputs of the forward pass.
    pub x: &'a [f32],
    /// The weights of the forward pass.
    pub weights: &'a [f32],
    /// The outputs of the forward pass.
    pub y: &'a [f32],
    /// The gradient of the outputs.
    pub dy: &'a [f32],
    /// The activation of the forward pass.
    pub activation: Activation<'a>,
    /// Whether the gradient of the input is asked for. For a first layer it is half of the work.
    pub wants_input: bool,
}

impl Forward<'_> {
    /// Asserts that bias and dropout fit `pixels` outputs of `channels` channels.
    pub(crate) fn check(&self, what: &str, pixels: usize, channels: usize) {
        check_len(what, "bias", self.bias.len(), channels);
        self.activation.check(what, pixels, channels);
    }
}

impl Backward<'_> {
    /// Asserts that outputs, their gradient and dropout are of `pixels` outputs of `channels` channels.
    pub(crate) fn check(&self, what: &str, pixels: usize, channels: usize) {
        check_len(what, "y", self.y.len(), pixels * channels);
        check_len(what, "dy", self.dy.len(), pixels * channels);
        self.activation.check(what, pixels, channels);
    }
}
