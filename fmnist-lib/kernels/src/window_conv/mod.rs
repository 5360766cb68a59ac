//! A convolution with windows of any size, strides, padding and groups, as a matrix product.
//!
//! The matrix of all windows exists nowhere: the product reads each number where it lies in the image, which is copied
//! once where zeros stand around it.

mod backward;
mod forward;
mod groups;
mod input_gradient;
mod pack;
mod parts;

use crate::activation::Activation;
use crate::by_image::{ByImage, OfImage};
use crate::gemm::Panels;
use crate::operands::{Backward, Forward};
use crate::output::{Gradients, refill};
use crate::simd::Isa;
use crate::windows::{Offsets, Windows};
use crate::{check_len, check_sides, scratch};
pub(crate) use backward::sums;
pub(crate) use forward::end;
pub(crate) use input_gradient::InputGradient;
pub(crate) use parts::Parts;
use rayon::prelude::*;
use std::mem::MaybeUninit;

/// A convolution; batches are `[n][height][width][channels]` and `[n][rows][columns][outputs]`, weights
/// `[window rows][window columns][channels / groups][outputs]`, as in Keras.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowConv {
    /// What it slides over.
    pub windows: Windows,
    /// Filters.
    pub outputs: usize,
    /// Equal parts of the channels and of the filters, each of which sees nothing of the others: a divisor of both.
    /// 1 is the usual convolution.
    pub groups: usize,
}

impl WindowConv {
    /// Floats of an image of the output.
    pub fn output_len(&self) -> usize {
        self.windows.count() * self.outputs
    }

    /// Floats of the weights.
    pub fn weights_len(&self) -> usize {
        self.values() * self.outputs
    }

    /// Channels and filters of a group.
    fn of_group(&self) -> [usize; 2] {
        [self.windows.channels, self.outputs].map(|all| all / self.groups)
    }

    /// Values of a window that one filter reads.
    fn values(&self) -> usize {
        self.windows.values() / self.groups
    }

    fn offsets(&self) -> Offsets {
        self.windows.offsets(self.of_group()[0])
    }

    /// Asserts that there is such a thing.
    pub(crate) fn check_sides(&self, what: &str) {
        self.windows.check(what);
        let (channels, outputs, groups) = (self.windows.channels, self.outputs, self.groups);
        assert!(
            groups > 0 && channels.is_multiple_of(groups) && outputs.is_multiple_of(groups),
            "{what}: {groups} groups do not divide {channels} channels and {outputs} outputs"
        );
        check_sides(what, 1, &[self.outputs, self.values()]);
    }

    fn check(&self, what: &str, x: &[f32], weights: &[f32]) -> usize {
        self.check_sides(what);
        let n = x.len() / self.windows.input_len();
        check_len(what, "x", x.len(), n * self.windows.input_len());
        check_len(what, "weights", weights.len(), self.weights_len());
        n
    }

    /// `y = activation(conv(x, weights) + bias)`.
    ///
    /// # Panics
    /// When a slice has the wrong length, no window fits, or the groups do not divide channels and outputs.
    pub fn forward(&self, isa: Isa, operands: Forward<'_>, y: &mut Vec<f32>) {
        let what = "WindowConv::forward";
        let n = self.check(what, operands.x, operands.weights);
        operands.check(what, n * self.windows.count(), self.outputs);
        if let Some(merged) = self.merged() {
            let operands = Forward {
                weights: &self.merged_weights(&merged, operands.weights),
                ..operands
            };
            return merged.forward(isa, operands, y);
        }
        if let Some(turned) = self.turned() {
            return self.forward_turned(isa, turned, operands, y);
        }
        let offsets = self.offsets();
        let panels = Panels::new(isa.panel(), self.values(), self.of_group()[1]);
        let fill = |y: &mut [MaybeUninit<f32>]| {
            scratch::with(self.groups * panels.len, |packed| {
                pack::forward(self, operands.weights, panels, packed);
                let packed = &*packed;
                let images = operands.x.par_chunks(self.windows.input_len());
                let tasks = images.zip(y.par_chunks_mut(self.output_len())).enumerate();
                tasks.for_each(|(image, (x, y))| {
                    self.windows.with_zeros(x, |x| {
                        let of_image = Forward {
                            x,
                            weights: packed,
                            activation: self.of_image(operands.activation, image),
                            ..operands
                        };
                        forward::image(isa, *self, &offsets, of_image, y);
                    });
                });
            });
        };
        // SAFETY: all outputs of all windows of all images are written.
        unsafe { refill(y, n * self.output_len(), fill) };
    }

    fn of_image<'a>(&self, activation: Activation<'a>, image: usize) -> Activation<'a> {
        let pixels = self.windows.count();
        activation.pixels(image * pixels, pixels, self.outputs)
    }

    /// The convolution that leads from the outputs to the inputs, where this one has so few outputs that its sums are
    /// faster added pixel by pixel, as the gradients of that one's input are.
    fn turned(&self) -> Option<Self> {
        let turned = Self {
            windows: self.windows.turned(self.outputs)?,
            outputs: self.windows.channels,
            groups: self.groups,
        };
        (self.groups == 1 && InputGradient::is_scattered(&turned)).then_some(turned)
    }

    fn forward_turned(&self, isa: Isa, turned: Self, operands: Forward<'_>, y: &mut Vec<f32>) {
        let images = operands.x.par_chunks(self.windows.input_len());
        let fill = |y: &mut [MaybeUninit<f32>]| {
            let weights = pack::turned(self, operands.weights);
            InputGradient::with(isa, &turned, &weights, |back| {
                let tasks = images.zip(y.par_chunks_mut(self.output_len())).enumerate();
                tasks.for_each(|(image, (x, y))| {
                    let activation = self.of_image(operands.activation, image);
                    back.image(isa, x, self.windows.channels, y);
                    end(isa, operands.bias, activation, y);
                });
            });
        };
        let n = operands.x.len() / self.windows.input_len();
        // SAFETY: all outputs of all windows of all images are written.
        unsafe { refill(y, n * self.output_len(), fill) };
    }

    /// The gradients of the weights, the bias and, where it is asked for, the input.
    ///
    /// # Panics
    /// As [`forward`](Self::forward).
    pub fn backward(&self, isa: Isa, operands: Backward<'_>, gradients: &mut Gradients) {
        let what = "WindowConv::backward";
        let n = self.check(what, operands.x, operands.weights);
        operands.check(what, n * self.windows.count(), self.outputs);
        if let Some(merged) = self.merged() {
            let operands = Backward {
                weights: &self.merged_weights(&merged, operands.weights),
                ..operands
            };
            merged.backward(isa, operands, gradients);
            gradients.weights = self.own_gradient(&merged, &gradients.weights);
            return;
        }
        let turned = self.turned();
        let offsets = turned.as_ref().unwrap_or(self).offsets();
        let mut all = |of_input: Option<InputGradient<'_>>| {
            let layer = ByImage {
                input: self.windows.input_len(),
                output: [self.windows.count(), self.outputs],
                weights: self.weights_len(),
            };
            let image = |image: Backward<'_>, into: OfImage<'_>| {
                self.image(isa, image, (turned, &offsets), of_input, into);
            };
            // SAFETY: where the input is asked for, its gradient is given and writes all of it.
            unsafe { layer.backward(operands, gradients, image) };
        };
        if operands.wants_input {
            InputGradient::with(isa, self, operands.weights, |of_input| all(Some(of_input)));
        } else {
            all(None);
        }
        if let Some(turned) = turned {
            gradients.weights = pack::turned(&turned, &gradients.weights);
        }
    }

    /// What an image says.
    fn image(
        &self,
        isa: Isa,
        image: Backward<'_>,
        (turned, offsets): (Option<Self>, &Offsets),
        of_input: Option<InputGradient<'_>>,
        into: OfImage<'_>,
    ) {
        let stride = backward::sums_stride(self);
        scratch::with(backward::sums_len(self), |sums| {
            backward::sums(isa, [self.outputs, stride], image, sums, into.bias);
            match turned {
                None => self.windows.with_zeros(image.x, |x| {
                    backward::weights(isa, *self, offsets, x, sums, into.weights);
                }),
                Some(turned) => turned.windows.with_zeros_of_rows(sums, stride, |sums| {
                    backward::with_rows(&turned, image.x, |x| {
                        backward::weights(isa, turned, offsets, sums, x, into.weights);
                    });
                }),
            }
            if let (Some(of_input), Some(dx)) = (of_input, into.input) {
                of_input.image(isa, sums, stride, dx);
            }
        });
    }
}
