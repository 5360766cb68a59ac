//! Groups of few channels, several at a time: as one group, whose weights between two of them are zeros.
//!
//! Vectors of 16 numbers hold four filters or sixteen in the same time, so that the zeros cost nothing.

use super::WindowConv;
use crate::simd::LANES;

impl WindowConv {
    /// The same convolution with fewer groups, where those of this one leave lanes idle.
    pub(super) fn merged(&self) -> Option<Self> {
        let most = self.of_group().into_iter().max()?;
        let together = (2..=LANES / most).rev();
        let mut fitting = together.filter(|&count| self.groups.is_multiple_of(count));
        Some(Self {
            groups: self.groups / fitting.next()?,
            ..*self
        })
    }

    /// The weights of this convolution as those of the merged one.
    pub(super) fn merged_weights(&self, merged: &Self, weights: &[f32]) -> Vec<f32> {
        let mut all = vec![0.0; merged.weights_len()];
        self.each_weight(merged, |own, its| all[its] = weights[own]);
        all
    }

    /// The gradient of the weights, from that of the merged convolution's.
    pub(super) fn own_gradient(&self, merged: &Self, gradient: &[f32]) -> Vec<f32> {
        let mut own = vec![0.0; self.weights_len()];
        self.each_weight(merged, |at, its| own[at] = gradient[its]);
        own
    }

    /// Calls `visit` with the place of each weight, here and in the merged convolution.
    fn each_weight(&self, merged: &Self, mut visit: impl FnMut(usize, usize)) {
        let [channels, filters] = self.of_group();
        let ([of_merged, _], together) = (merged.of_group(), self.groups / merged.groups);
        for row in 0..self.values() {
            let (pixel, channel) = (row / channels, row % channels);
            for output in 0..self.outputs {
                let within = output / filters % together * channels + channel;
                let its = (pixel * of_merged + within) * self.outputs + output;
                visit(row * self.outputs + output, its);
            }
        }
    }
}
