//! Which rows are neighbours of which.

use candle_core::{DType, Tensor};
use rayon::prelude::*;

use super::chunks;
use crate::error::Result;

/// For each pair of rows, how probable it is that they are neighbours, row by row: all together 1.
pub(super) fn similarities(features: &Tensor, perplexity: f64) -> Result<Vec<f64>> {
    let count = features.dim(0)?;
    let features = features.to_dtype(DType::F64)?;
    let squares = features.sqr()?.sum_keepdim(1)?;
    let transposed = features.t()?;
    let mut alike = Vec::with_capacity(count * count);
    for (chunk, own) in chunks(&features).zip(chunks(&squares)) {
        let products = chunk?.matmul(&transposed)?;
        let sums = own?.broadcast_add(&squares.t()?)?;
        alike.extend(
            (sums - (products * 2.0)?)?
                .flatten_all()?
                .to_vec1::<f64>()?,
        );
    }
    alike
        .par_chunks_mut(count)
        .enumerate()
        .for_each(|(own, distances)| {
            as_probabilities(distances, own, perplexity.ln());
        });
    for i in 0..count {
        for j in 0..i {
            let mean = (alike[i * count + j] + alike[j * count + i]) / (2.0 * count as f64);
            let mean = mean.max(f64::EPSILON);
            (alike[i * count + j], alike[j * count + i]) = (mean, mean);
        }
    }
    Ok(alike)
}

/// Replaces squared distances from the row `own` by the probabilities of a normal distribution so wide that they have this
/// `entropy`, in nats.
fn as_probabilities(distances: &mut [f64], own: usize, entropy: f64) {
    let others = || (0..distances.len()).filter(|&at| at != own);
    let nearest = others()
        .map(|at| distances[at])
        .fold(f64::INFINITY, f64::min);
    let sums = |precision: f64| {
        others().fold((0.0, 0.0), |(sum, moment), at| {
            let further = distances[at] - nearest;
            let weight = (-precision * further).exp();
            (sum + weight, moment + weight * further)
        })
    };
    let (mut low, mut precision, mut high) = (0.0, 1.0, f64::INFINITY);
    // Each round halves the interval, or doubles it as long as it has no end.
    for _ in 0..200 {
        let (sum, moment) = sums(precision);
        if sum.ln() + precision * moment / sum > entropy {
            low = precision;
        } else {
            high = precision;
        }
        let next = if high.is_finite() {
            f64::midpoint(low, high)
        } else {
            2.0 * low
        };
        if next == precision || !next.is_finite() {
            break;
        }
        precision = next;
    }
    let (sum, _) = sums(precision);
    for (at, value) in distances.iter_mut().enumerate() {
        *value = if at == own {
            0.0
        } else {
            (-precision * (*value - nearest)).exp() / sum
        };
    }
}
