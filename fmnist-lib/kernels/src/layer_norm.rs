//! Layer normalisation: each pixel's channels get the mean `beta` and the deviation `gamma`.

use crate::output::Gradients;
use crate::{check_len, check_sides, sum_in_order};
use rayon::prelude::*;

/// Normalises rows of `channels` values, each by itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LayerNorm {
    /// Values of a row.
    pub channels: usize,
    /// Added to the variance.
    pub epsilon: f32,
}

/// Rows of one parallel task.
const ROWS: usize = 512;

impl LayerNorm {
    fn check(&self, what: &str, x: &[f32], gamma: &[f32]) {
        check_sides(what, 1, &[self.channels]);
        check_len(what, "x", x.len() % self.channels, 0);
        check_len(what, "gamma", gamma.len(), self.channels);
    }

    /// The mean of a row, and one over its deviation.
    fn moments(&self, row: &[f32]) -> (f32, f32) {
        let count = self.channels as f32;
        let mean = row.iter().sum::<f32>() / count;
        let variance = row.iter().map(|x| (x - mean) * (x - mean)).sum::<f32>() / count;
        (mean, 1.0 / (variance + self.epsilon).sqrt())
    }

    /// `y = gamma (x - mean) / sqrt(variance + epsilon) + beta`, mean and variance of each row.
    ///
    /// # Panics
    /// When a slice has the wrong length.
    pub fn forward(&self, x: &[f32], gamma: &[f32], beta: &[f32], y: &mut Vec<f32>) {
        let what = "LayerNorm::forward";
        self.check(what, x, gamma);
        check_len(what, "beta", beta.len(), self.channels);
        y.clear();
        y.resize(x.len(), 0.0);
        let rows = y
            .par_chunks_mut(self.channels)
            .zip(x.par_chunks(self.channels));
        rows.with_min_len(ROWS).for_each(|(y, row)| {
            let (mean, scale) = self.moments(row);
            for (((y, x), gamma), beta) in y.iter_mut().zip(row).zip(gamma).zip(beta) {
                *y = (x - mean) * scale * gamma + beta;
            }
        });
    }

    /// The gradients of the input, of gamma (`weights`) and of beta (`bias`) from that of the output.
    ///
    /// # Panics
    /// When a slice has the wrong length.
    pub fn backward(&self, x: &[f32], gamma: &[f32], dy: &[f32], gradients: &mut Gradients) {
        let what = "LayerNorm::backward";
        self.check(what, x, gamma);
        check_len(what, "dy", dy.len(), x.len());
        let (channels, count) = (self.channels, self.channels as f32);
        let dx = &mut gradients.input;
        dx.clear();
        dx.resize(x.len(), 0.0);
        let task = ROWS * channels;
        let tasks = dx
            .par_chunks_mut(task)
            .zip(x.par_chunks(task))
            .zip(dy.par_chunks(task));
        let partial: Vec<Vec<f32>> = tasks
            .map(|((dx, x), dy)| {
                // Gamma, then beta.
                let mut sums = vec![0.0; 2 * channels];
                let (of_gamma, of_beta) = sums.split_at_mut(channels);
                let rows = dx.chunks_exact_mut(channels).zip(x.chunks_exact(channels));
                for ((dx, x), dy) in rows.zip(dy.chunks_exact(channels)) {
                    let (mean, scale) = self.moments(x);
                    let (mut of_shift, mut of_scale) = (0.0, 0.0);
                    for at in 0..channels {
                        let normal = (x[at] - mean) * scale;
                        let of_normal = dy[at] * gamma[at];
                        of_gamma[at] += dy[at] * normal;
                        of_beta[at] += dy[at];
                        of_shift += of_normal;
                        of_scale += of_normal * normal;
                    }
                    for at in 0..channels {
                        let normal = (x[at] - mean) * scale;
                        let of_normal = dy[at] * gamma[at];
                        dx[at] = scale * (of_normal - (of_shift + normal * of_scale) / count);
                    }
                }
                sums
            })
            .collect();
        let mut total = vec![0.0; 2 * channels];
        sum_in_order(&partial, &mut total);
        gradients.bias = total.split_off(channels);
        gradients.weights = total;
    }
}
