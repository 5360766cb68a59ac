//! The passes of a convolution for the transposed one, which goes through it the other way.

use super::{WindowConv, backward, forward, pack};
use crate::activation::Activation;
use crate::by_image::OfImage;
use crate::gemm::Panels;
use crate::operands::{Backward, Forward};
use crate::scratch;
use crate::simd::Isa;
use crate::windows::Offsets;

/// A convolution as a transposed one goes back through it.
#[derive(Clone, Copy)]
pub(crate) struct Parts<'a> {
    conv: WindowConv,
    offsets: &'a Offsets,
    packed: &'a [f32],
    no_bias: &'a [f32],
}

impl Parts<'_> {
    /// Calls `work` with `conv`.
    pub(crate) fn with(isa: Isa, conv: &WindowConv, weights: &[f32], work: impl FnOnce(Parts<'_>)) {
        let panels = Panels::new(isa.panel(), conv.values(), conv.of_group()[1]);
        scratch::with(conv.groups * panels.len, |packed| {
            pack::forward(conv, weights, panels, packed);
            work(Parts {
                conv: *conv,
                offsets: &conv.offsets(),
                packed,
                no_bias: &vec![0.0; conv.outputs],
            });
        });
    }

    /// The gradients of an image of the transposed convolution. What is the input here is the gradient of the output
    /// there, and the other way round.
    pub(crate) fn transposed(self, isa: Isa, image: Backward<'_>, into: OfImage<'_>) {
        let Self { conv, offsets, .. } = self;
        let channels = conv.windows.channels;
        scratch::with(image.dy.len(), |sums| {
            backward::sums(isa, [channels, channels], image, sums, into.bias);
            conv.windows.with_zeros(sums, |sums| {
                backward::with_rows(&conv, image.x, |x| {
                    backward::weights(isa, conv, offsets, sums, x, into.weights);
                });
                if let Some(dx) = into.input {
                    let operands = Forward {
                        x: sums,
                        weights: self.packed,
                        bias: self.no_bias,
                        activation: Activation::default(),
                    };
                    forward::image(isa, conv, offsets, operands, dx);
                }
            });
        });
    }
}
