//! Batch normalisation over a batch whose shards are computed apart: what they tell each other.

use fmnist_kernels::{BatchNorm, Moments};
use rayon::prelude::*;

use crate::error::Result;
use crate::nn::stage::{Backward, Exchange};

/// The moments of the whole batch, and of how many pixels they are, from those of a shard.
pub(super) fn moments(
    others: &dyn Exchange,
    own: &Moments,
    pixels: usize,
) -> Result<(Moments, f64)> {
    // In halves, as an f32 counts to 2²⁴.
    let mut told = vec![(pixels >> 16) as f32, (pixels & 0xffff) as f32];
    told.extend(own.mean.iter().chain(&own.variance));
    let channels = own.mean.len();
    let all = others.exchange(told)?;
    let pixels_of = |told: &[f32]| f64::from(told[0]) * 65536.0 + f64::from(told[1]);
    let of_channel = |channel: usize| {
        // Chan, Golub & LeVeque (1979), as the kernel adds its parts.
        let (mut count, mut mean, mut squares) = (0.0, 0.0, 0.0);
        for told in all.iter().filter(|told| pixels_of(told) > 0.0) {
            let (part, of_part) = (pixels_of(told), &told[2..]);
            let apart = f64::from(of_part[channel]) - mean;
            squares += f64::from(of_part[channels + channel]) * part
                + apart * apart * count * part / (count + part);
            mean += apart * part / (count + part);
            count += part;
        }
        (mean as f32, (squares / count) as f32)
    };
    let (mean, variance) = (0..channels).map(of_channel).unzip();
    let pixels = all.iter().map(|told| pixels_of(told)).sum();
    Ok((Moments { mean, variance }, pixels))
}

/// Completes the gradient of a shard's input, which the kernel has computed as if the moments were fixed: they depend
/// on the input of all shards, and so all their gradients lead back to it.
pub(super) fn complete(
    kernel: BatchNorm,
    others: &dyn Exchange,
    pass: &mut Backward<'_>,
) -> Result<()> {
    let channels = kernel.channels;
    let all = others.exchange(pass.of_weights.concat())?;
    if pass.part.share == 0.0 {
        return Ok(());
    }
    let sum = |at: usize| -> f64 { all.iter().map(|told| f64::from(told[at])).sum() };
    let moments = &pass.kept.moments;
    let factors = pass.weights.read(|weights| {
        let of_channel = |channel: usize| {
            let variance = f64::from(moments.variance[channel]);
            let inverse = 1.0 / (variance + f64::from(kernel.epsilon)).sqrt();
            let scale = f64::from(weights[0][channel]) * inverse / pass.kept.pixels;
            let (of_gamma, of_beta) = (sum(channel), sum(channels + channel));
            [scale * of_beta, scale * of_gamma * inverse].map(|factor| factor as f32)
        };
        (0..channels).map(of_channel).collect::<Vec<[f32; 2]>>()
    })?;
    let pixels = pass.inputs[0].par_chunks(channels);
    let gradients = pass.of_inputs[0].par_chunks_mut(channels);
    gradients
        .zip(pixels)
        .with_min_len(256)
        .for_each(|(gradient, pixel)| {
            let operands = pixel.iter().zip(&factors).zip(&moments.mean);
            for (gradient, ((x, [level, slope]), mean)) in gradient.iter_mut().zip(operands) {
                *gradient -= level + slope * (x - mean);
            }
        });
    Ok(())
}
