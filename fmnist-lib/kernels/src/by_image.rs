//! A backward pass whose images are worked on by themselves.

use crate::operands::Backward;
use crate::output::{Gradients, refill};
use crate::{images_per_task, sum_in_order};
use rayon::prelude::*;
use std::mem::MaybeUninit;

/// The sizes of a layer, as far as such a pass needs them.
#[derive(Clone, Copy)]
pub(crate) struct ByImage {
    /// Floats of an image of the input.
    pub(crate) input: usize,
    /// Pixels and channels of an image of the output.
    pub(crate) output: [usize; 2],
    /// Floats of the weights.
    pub(crate) weights: usize,
}

/// What an image adds to.
pub(crate) struct OfImage<'a> {
    pub(crate) weights: &'a mut [f32],
    pub(crate) bias: &'a mut [f32],
    /// The gradient of its input, where that is asked for.
    pub(crate) input: Option<&'a mut [MaybeUninit<f32>]>,
}

impl ByImage {
    /// Has `image` add to the gradients of weights and bias and write that of the input, image by image; the sums of
    /// tasks are added in order.
    ///
    /// # Safety
    /// `image` must write all of `input` where there is one.
    pub(crate) unsafe fn backward(
        self,
        operands: Backward<'_>,
        gradients: &mut Gradients,
        image: impl Fn(Backward<'_>, OfImage<'_>) + Sync,
    ) {
        let [pixels, channels] = self.output;
        let output = pixels * channels;
        let n = operands.x.len() / self.input;
        let images = images_per_task(n);
        let mut partial = Vec::new();
        let fill = |dx: &mut [MaybeUninit<f32>]| {
            let mut parts: Vec<_> = dx.chunks_mut(images * self.input).collect();
            parts.resize_with(n.div_ceil(images), Default::default);
            let task = |(task, dx): (usize, &mut [MaybeUninit<f32>])| {
                // The weights, then the bias.
                let mut sums = vec![0.0; self.weights + channels];
                let (weights, bias) = sums.split_at_mut(self.weights);
                let mut dx = dx.chunks_exact_mut(self.input);
                for at in task * images..((task + 1) * images).min(n) {
                    let of_image = Backward {
                        x: &operands.x[at * self.input..][..self.input],
                        y: &operands.y[at * output..][..output],
                        dy: &operands.dy[at * output..][..output],
                        activation: operands.activation.pixels(at * pixels, pixels, channels),
                        ..operands
                    };
                    let into = OfImage {
                        weights: &mut *weights,
                        bias: &mut *bias,
                        input: dx.next(),
                    };
                    image(of_image, into);
                }
                sums
            };
            partial = parts.into_par_iter().enumerate().map(task).collect();
        };
        let len = if operands.wants_input {
            n * self.input
        } else {
            0
        };
        // SAFETY: the inputs of all images are written, as the caller says.
        unsafe { refill(&mut gradients.input, len, fill) };
        let mut total = vec![0.0; self.weights + channels];
        sum_in_order(&partial, &mut total);
        gradients.bias = total.split_off(self.weights);
        gradients.weights = total;
    }
}
