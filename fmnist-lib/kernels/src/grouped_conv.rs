//! A convolution whose channels do not all see each other: several convolutions side by side.

use crate::activation::Activation;
use crate::operands::{Backward, Forward};
use crate::output::Gradients;
use crate::simd::Isa;
use crate::windows::Windows;
use crate::{WindowConv, check_len};
use rayon::prelude::*;
use std::ops::Range;

/// As a [`WindowConv`], but each of `groups` equal parts of the outputs reads only its part of the channels. Weights
/// are `[window rows][window columns][channels / groups][outputs]`, as in Keras.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupedConv {
    /// What it slides over.
    pub windows: Windows,
    /// Filters of all groups.
    pub outputs: usize,
    /// A divisor of the channels and of the filters.
    pub groups: usize,
}

impl GroupedConv {
    /// Floats of the weights.
    pub fn weights_len(&self) -> usize {
        self.windows.values() * self.outputs / self.groups
    }

    /// The convolution of a group.
    fn part(&self) -> WindowConv {
        WindowConv {
            windows: Windows {
                channels: self.windows.channels / self.groups,
                ..self.windows
            },
            outputs: self.outputs / self.groups,
        }
    }

    /// For each group, its channels and its outputs.
    fn parts(&self) -> impl Iterator<Item = [Range<usize>; 2]> {
        let WindowConv { windows, outputs } = self.part();
        let own = |group: usize, size: usize| group * size..(group + 1) * size;
        (0..self.groups).map(move |group| [own(group, windows.channels), own(group, outputs)])
    }

    fn check(&self, what: &str, x: &[f32], weights: &[f32]) -> usize {
        let (channels, outputs, groups) = (self.windows.channels, self.outputs, self.groups);
        assert!(
            groups > 0 && channels.is_multiple_of(groups) && outputs.is_multiple_of(groups),
            "{what}: {groups} groups do not divide {channels} channels and {outputs} outputs"
        );
        self.part().check_sides(what);
        let n = x.len() / self.windows.input_len();
        check_len(what, "x", x.len(), n * self.windows.input_len());
        check_len(what, "weights", weights.len(), self.weights_len());
        n
    }

    /// `y = conv(x, weights) + bias`.
    ///
    /// # Panics
    /// When a slice has the wrong length, no window fits, or the groups do not divide channels and outputs.
    pub fn forward(&self, isa: Isa, x: &[f32], weights: &[f32], bias: &[f32], y: &mut Vec<f32>) {
        let what = "GroupedConv::forward";
        let n = self.check(what, x, weights);
        check_len(what, "bias", bias.len(), self.outputs);
        y.clear();
        y.resize(n * self.windows.count() * self.outputs, 0.0);
        let (mut of_group, conv) = (Vec::new(), self.part());
        for [inputs, outputs] in self.parts() {
            let operands = Forward {
                x: &columns(x, self.windows.channels, &inputs),
                weights: &columns(weights, self.outputs, &outputs),
                bias: &bias[outputs.clone()],
                activation: Activation::default(),
            };
            conv.forward(isa, operands, &mut of_group);
            set_columns(y, self.outputs, &outputs, &of_group);
        }
    }

    /// The gradients of the weights, the bias and, where `wants_input`, the input, from the gradient `dy` of the
    /// output.
    ///
    /// # Panics
    /// As [`forward`](Self::forward).
    pub fn backward(
        &self,
        isa: Isa,
        x: &[f32],
        weights: &[f32],
        dy: &[f32],
        wants_input: bool,
        gradients: &mut Gradients,
    ) {
        let what = "GroupedConv::backward";
        let n = self.check(what, x, weights);
        let channels = self.windows.channels;
        check_len(
            what,
            "dy",
            dy.len(),
            n * self.windows.count() * self.outputs,
        );
        let Gradients {
            input,
            weights: of_weights,
            bias,
        } = gradients;
        for (values, len) in [
            (&mut *input, if wants_input { x.len() } else { 0 }),
            (&mut *of_weights, weights.len()),
            (&mut *bias, self.outputs),
        ] {
            values.clear();
            values.resize(len, 0.0);
        }
        let (mut of_group, conv) = (Gradients::default(), self.part());
        for [inputs, outputs] in self.parts() {
            let dy = columns(dy, self.outputs, &outputs);
            let operands = Backward {
                x: &columns(x, channels, &inputs),
                weights: &columns(weights, self.outputs, &outputs),
                // Without an activation nobody looks at the outputs.
                y: &dy,
                dy: &dy,
                activation: Activation::default(),
                wants_input,
            };
            conv.backward(isa, operands, &mut of_group);
            if wants_input {
                set_columns(input, channels, &inputs, &of_group.input);
            }
            set_columns(of_weights, self.outputs, &outputs, &of_group.weights);
            bias[outputs].copy_from_slice(&of_group.bias);
        }
    }
}

/// Rows that one task copies.
const ROWS: usize = 1 << 10;

/// Some columns of a matrix with rows of `width` values.
fn columns(matrix: &[f32], width: usize, wanted: &Range<usize>) -> Vec<f32> {
    let mut found = vec![0.0; matrix.len() / width * wanted.len()];
    let tasks = found.par_chunks_mut(ROWS * wanted.len());
    tasks
        .zip(matrix.par_chunks(ROWS * width))
        .for_each(|(to, from)| {
            let rows = to
                .chunks_exact_mut(wanted.len())
                .zip(from.chunks_exact(width));
            rows.for_each(|(to, from)| to.copy_from_slice(&from[wanted.clone()]));
        });
    found
}

/// Sets some columns of a matrix with rows of `width` values.
fn set_columns(matrix: &mut [f32], width: usize, wanted: &Range<usize>, values: &[f32]) {
    let tasks = matrix.par_chunks_mut(ROWS * width);
    tasks
        .zip(values.par_chunks(ROWS * wanted.len()))
        .for_each(|(to, from)| {
            let rows = to
                .chunks_exact_mut(width)
                .zip(from.chunks_exact(wanted.len()));
            rows.for_each(|(to, from)| to[wanted.clone()].copy_from_slice(from));
        });
}
