//! Operators that take weights.

use candle_core::Tensor;
use fmnist_kernels::Windows;

use super::attribute::{self, int, ints};
use super::graph::{Channels, Graph, Value};
use crate::error::Result;
use crate::model::Placed;

impl Graph {
    /// An input and, behind it, the weights of a layer.
    pub(super) fn operands(
        &mut self,
        placed: &Placed<'_>,
        x: String,
        weights: &[Tensor],
    ) -> Result<Vec<String>> {
        let named = placed.weights.iter().zip(weights);
        let weights = named.map(|(weight, values)| self.weight(&placed.name, weight.name, values));
        std::iter::once(Ok(x)).chain(weights).collect()
    }

    /// `weights` are the kernel, (rows, columns, channels, filters) or transposed (rows, columns, filters, channels), and
    /// perhaps a bias.
    fn convolution_operands(
        &mut self,
        placed: &Placed<'_>,
        x: &Value,
        weights: &[Tensor],
    ) -> Result<Vec<String>> {
        let mut weights = weights.to_vec();
        weights[0] = weights[0].permute((3, 2, 0, 1))?;
        let x = self.with_channels(x, Channels::First);
        self.operands(placed, x, &weights)
    }

    pub(super) fn convolution(
        &mut self,
        placed: &Placed<'_>,
        x: &Value,
        weights: &[Tensor],
        windows: &Windows,
        groups: usize,
    ) -> Result<String> {
        let operands = self.convolution_operands(placed, x, weights)?;
        let settings = attribute::of_windows(windows)
            .into_iter()
            .chain([int("group", groups as i64)]);
        Ok(self.node(&placed.name, "Conv", operands, settings))
    }

    /// `windows` are those of the convolution that leads back.
    pub(super) fn transposed_convolution(
        &mut self,
        placed: &Placed<'_>,
        x: &Value,
        weights: &[Tensor],
        windows: &Windows,
    ) -> Result<String> {
        let operands = self.convolution_operands(placed, x, weights)?;
        // Rows or columns that no window reaches, where strides are wider than windows.
        let beyond = [0, 1].map(|axis| {
            let reached = (x.shape[axis] - 1) * windows.strides[axis] + windows.window[axis];
            let [before, after] = windows.padding[axis];
            [windows.height, windows.width][axis] + before + after - reached
        });
        let settings = attribute::of_windows(windows)
            .into_iter()
            .chain([ints("output_padding", &beyond)]);
        Ok(self.node(&placed.name, "ConvTranspose", operands, settings))
    }
}
